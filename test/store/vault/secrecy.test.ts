/** What the disk and the process give away: nothing. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ACTOR, CANARY, MASTER_KEY, openVault, temporaryFolder } from "./harness.ts";

const run = promisify(execFile);

/** Every file's bytes while the vault is open; read by another process, which can not drop our locks. */
async function filesOf(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const copies = join(folder, "copies");
  await run("cp", ["-r", join(folder, "data"), copies]);
  return new Map(readdirSync(copies).map((name) => [name, readFileSync(join(copies, name))]));
}

function forms(bytes: Buffer): Buffer[] {
  const texts = [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")];
  return [bytes, ...texts.map((text) => Buffer.from(text)), Buffer.from(bytes.toString("hex").toUpperCase())];
}

test("no file of the vault holds a value or the master key, in any usual form", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  for (let n = 0; n < 8; n++) await vault.set("global", "TOKEN", CANARY, ACTOR);
  await vault.set("global", "LARGE", Buffer.alloc(20_000, CANARY), ACTOR);
  await vault.delete("global", "LARGE", ACTOR);
  await vault.set("payments", "TOKEN", CANARY, ACTOR);
  const files = await filesOf(folder.path);
  assert.deepEqual([...files.keys()].sort(), ["secrets.db", "secrets.db-shm", "secrets.db-wal"]);
  assert.ok(
    [...files.values()].some((bytes) => bytes.includes("payments")),
    "the search finds what is there",
  );
  for (const [name, bytes] of files) {
    for (const form of [...forms(CANARY), ...forms(Buffer.from(MASTER_KEY, "base64"))]) {
      assert.equal(bytes.includes(form), false, `${name} holds ${form.toString("latin1")}`);
    }
  }
});

test("a deleted value's ciphertext is in no file any more", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("global", "TOKEN", CANARY, ACTOR);
  const sealed = (await filesOf(folder.path)).get("secrets.db-wal");
  assert.ok(sealed !== undefined);
  await vault.delete("global", "TOKEN", ACTOR);
  using after = temporaryFolder();
  for (const name of readdirSync(join(folder.path, "copies"))) {
    copyFileSync(join(folder.path, "copies", name), join(after.path, name));
  }
  const { stdout } = await run(process.execPath, [
    "-e",
    `const D = require(${JSON.stringify(join(import.meta.dirname, "../../../node_modules/better-sqlite3"))});
     const row = new D(${JSON.stringify(join(after.path, "secrets.db"))}).prepare("SELECT * FROM records").get();
     console.log(row.ciphertext.toString("hex"), row.sealed_key.toString("hex"));`,
  ]);
  const [ciphertext = "", sealedKey = ""] = stdout.trim().split(" ");
  assert.equal(sealed.includes(Buffer.from(ciphertext, "hex")), true);
  await run("rm", ["-r", join(folder.path, "copies")]);
  for (const [name, bytes] of await filesOf(folder.path)) {
    for (const gone of [ciphertext, sealedKey]) {
      assert.equal(bytes.includes(Buffer.from(gone, "hex")), false, name);
    }
  }
});

test("errors name keys and places, and never a value or the master key", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("global", "TOKEN", CANARY, ACTOR);
  const attempts = [
    () => vault.set("global", "TOKEN", CANARY, { ...ACTOR, ifVersion: 9 }),
    () => vault.set("global", "TOKEN", Buffer.alloc(70_000, CANARY), ACTOR),
    () => vault.set("global", "bad name", CANARY, ACTOR),
    () => vault.set("global", "TOKEN", Buffer.from("1q7"), ACTOR),
  ];
  for (const attempt of attempts) {
    const error: unknown = await attempt().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Error);
    const shown = `${error.stack} ${JSON.stringify(error)}`;
    for (const value of [CANARY.toString(), "1q7", MASTER_KEY])
      assert.equal(shown.includes(value), false, shown);
  }
});
