/** The README's task, run as it stands there. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runTask } from "../harness/index.ts";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

/** The first fenced block of a language. */
function block(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(readme)?.[1];
  assert.ok(found, `the README has no ${language} block`);
  return found;
}

test("the README's task does what the README says", async () => {
  const folder = mkdtempSync(join(tmpdir(), "writ-readme-"));
  try {
    const dir = join(folder, "tracker");
    mkdirSync(dir);
    writeFileSync(join(dir, "task.yaml"), block("yaml"));
    writeFileSync(join(dir, "task.ts"), block("ts"));
    const options = { secrets: { "tracker/api-key": "canary-key-not-real" }, env: { DEPLOY_REGION: "eu" } };
    const run = await runTask(dir, { ...options, input: { left: 42 } });
    assert.equal(run.state, "success", run.error?.message);
    assert.deepEqual(run.output, { left: 42, used: 0, low: true });
    assert.deepEqual(
      run.logs.map(({ text }) => text),
      ["region eu key [REDACTED:SECRET_API_KEY]"],
    );
    const rotated = await runTask(dir, { ...options, input: { left: 7, rotated: "canary-new-not-real" } });
    assert.deepEqual(
      rotated.vault.map(({ key, version }) => `${key} v${version}`),
      ["tracker/api-key v2"],
    );
    const blocked = await runTask(dir, { input: { left: 1 } });
    assert.equal(blocked.state, "blocked");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the README's two commands are what CI runs", () => {
  const ci = readFileSync(join(import.meta.dirname, "../../.ci/run"), "utf8");
  for (const command of ["npm ci", "npm run demo", "npm test"]) {
    assert.ok(readme.includes(command), command);
    assert.ok(ci.includes(`\n${command}\n`), command);
  }
});

test("every file the README links to exists", () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link ?? "");
  assert.ok(links.length > 10);
  for (const link of links) assert.ok(existsSync(join(import.meta.dirname, "../..", link)), link);
});
