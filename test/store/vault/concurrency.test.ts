import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { openSql, openVault, read, temporaryFolder } from "./harness.ts";

const run = promisify(execFile);
const WRITERS = ["one", "two", "three", "four"];

test("four processes that make a vault and write to it 100 times each lose nothing", async () => {
  using folder = temporaryFolder();
  const writer = join(import.meta.dirname, "writer.ts");
  await Promise.all(WRITERS.map((name) => run(process.execPath, [writer, folder.path, name])));
  await using vault = await openVault(folder.path);
  const list = await vault.list();
  assert.equal(list.length, 401);
  assert.equal(list.find(({ key }) => key === "shared")?.version, 400);
  for (const name of WRITERS) {
    for (let n = 0; n < 100; n++) {
      assert.equal(await read(vault, "global", `${name}-${n}`), `value-${name}-${n}`);
    }
  }
  const sql = openSql(folder.path);
  const shared = "SELECT from_version AS f, to_version AS t FROM events WHERE key = 'shared' ORDER BY id";
  assert.deepEqual(
    sql.prepare(shared).all(),
    Array.from({ length: 400 }, (_, n) => ({ f: n, t: n + 1 })),
  );
  sql.close();
});
