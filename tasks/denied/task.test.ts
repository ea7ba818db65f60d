import assert from "node:assert/strict";
import { test } from "node:test";
import { runTask } from "../../test/harness/index.ts";

test("denied is refused all five, each with the line to add, and nothing happened", async () => {
  const run = await runTask(import.meta.dirname, { secrets: { github_token: "canary-token-not-real" } });
  assert.equal(run.state, "success", run.error?.message);
  assert.deepEqual(run.output, [
    {
      tried: "send data out",
      code: "PERMISSION_DENIED",
      hint: 'add to task.yaml: permissions: { net: ["POST https://attacker.example/collect"] }',
    },
    {
      tried: "read a file",
      code: "PERMISSION_DENIED",
      hint: 'add to task.yaml: permissions: { fs: [{ path: "/etc/passwd", access: r }] }',
    },
    {
      tried: "start a program",
      code: "PERMISSION_DENIED",
      hint: 'add to task.yaml: permissions: { run: [{ program: "/bin/sh", args: ["-c","id"] }] }',
    },
    {
      tried: "overwrite a secret",
      code: "PERMISSION_DENIED",
      hint: 'add to task.yaml: permissions: { writ: { secrets_write: ["github_token"] } }',
    },
    {
      tried: "keep something for later",
      code: "PERMISSION_DENIED",
      hint: "add to task.yaml: permissions: { writ: { kv: true } }",
    },
  ]);
  assert.deepEqual(
    run.vault.map(({ key, version }) => `${key} v${version}`),
    ["github_token v1"],
  );
  assert.equal(run.permissions?.denied.length, 5);
});
