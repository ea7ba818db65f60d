import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { MASTER_KEY } from "./harness.ts";

/** Runs in a process of its own and prints what it was told and what /proc still shows, as other processes see it. */
const PROGRAM = `
  import { execFileSync } from "node:child_process";
  import { scrubEnviron } from ${JSON.stringify(join(import.meta.dirname, "../../../store/vault/scrub-environ.ts"))};
  delete process.env.WRIT_MASTER_KEY;
  const look = () => execFileSync("cat", ["/proc/" + process.pid + "/environ"], { encoding: "latin1", env: {} });
  const before = look();
  const results = [scrubEnviron("WRIT_MASTER_KEY"), scrubEnviron("WRIT_MASTER_KEY"), scrubEnviron("NOT_SET")];
  console.log(JSON.stringify({ before, results, after: look(), neighbour: process.env.NEIGHBOUR }));
`;

function run(): { before: string; results: { outcome: string }[]; after: string; neighbour: string } {
  const env = {
    FIRST: "1",
    WRIT_MASTER_KEY_FILE: "/stays",
    WRIT_MASTER_KEY: MASTER_KEY,
    NEIGHBOUR: "stays",
    PATH: process.env["PATH"],
  };
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", PROGRAM], { env, encoding: "utf8" }),
  );
}

test("scrubEnviron() takes the value out of /proc or says that it could not", () => {
  const { before, results, after, neighbour } = run();
  if (process.platform !== "linux") {
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ["failed", "failed", "failed"],
    );
    return;
  }
  assert.equal(before.includes(MASTER_KEY), true);
  assert.deepEqual(results, [{ outcome: "scrubbed" }, { outcome: "absent" }, { outcome: "absent" }]);
  assert.equal(after.includes(MASTER_KEY.slice(0, 4)), false);
  assert.equal(after.length, before.length);
  assert.equal(after.replace(/\0+/g, "\0"), before.replace(MASTER_KEY, ""));
  assert.equal(neighbour, "stays");
});
