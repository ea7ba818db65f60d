import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "../runs/project.ts";

const CANARY = "canary-7f3a91-not-a-real-secret";
const REVERSED = 'return env.X.split("").reverse().join("");';

test("run() asks a provider for bare keys only as writ.yaml says, and calls it by its name there", async () => {
  using project = new Project({
    secrets: {
      key: { file: "key" },
      providers: [{ type: "local" }, { type: "env", name: "host", chain: false }],
    },
  });
  project.task("bare", { permissions: { env: [{ name: "X", secret: "PLANTED" }] } }, REVERSED);
  project.task("uri", { permissions: { env: [{ name: "X", secret: "env://PLANTED" }] } }, REVERSED);
  project.task(
    "named",
    { permissions: { env: [{ name: "X", provider: "host", key: "PLANTED" }] } },
    REVERSED,
  );
  await using daemon = project.daemon({ env: { PLANTED: CANARY } });
  const bare = await project.run(daemon, "bare");
  assert.equal(bare.state, "blocked");
  assert.match(bare.error?.message ?? "", /looked in local\)/);
  for (const task of ["uri", "named"]) {
    const record = await project.run(daemon, task);
    assert.equal(record.state, "success", record.error?.message);
    assert.deepEqual(record.secrets, [{ name: "X", provider: "host" }]);
  }
});
