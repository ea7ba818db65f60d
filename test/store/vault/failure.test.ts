/** Disks, locks and folders that do not play along: a coded answer, nothing lost, nothing half made. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ACTOR, CANARY, keyHost, openSql, openVault, read, snapshot, temporaryFolder } from "./harness.ts";

const UNAVAILABLE = { code: "STORE_UNAVAILABLE" };

test("set() says that the disk is full and loses nothing, when it is", async () => {
  using folder = temporaryFolder();
  {
    await using vault = await openVault(folder.path);
    await vault.set("global", "KEPT", CANARY, ACTOR);
  }
  {
    await using full = await openVault(folder.path, { testOnly: { testOnlyMaxPages: 6 } });
    const large = Buffer.alloc(60_000, 3);
    await assert.rejects(full.set("global", "KEPT", large, ACTOR), {
      ...UNAVAILABLE,
      message: /disk is full/,
    });
    assert.equal(await read(full, "global", "KEPT"), CANARY.toString());
    assert.equal((await full.list())[0]?.version, 1);
    const values = [
      ["A", CANARY],
      ["B", large],
      ["C", CANARY],
    ] as const;
    const together = await Promise.allSettled(
      values.map(([key, bytes]) => full.set("global", key, bytes, ACTOR)),
    );
    assert.equal(together[1]?.status, "rejected");
    const stored = values.filter((_, index) => together[index]?.status === "fulfilled").map(([key]) => key);
    assert.deepEqual(
      (await full.list()).map(({ key }) => key),
      [...stored, "KEPT"],
    );
  }
  await using vault = await openVault(folder.path);
  assert.equal(await read(vault, "global", "KEPT"), CANARY.toString());
  assert.equal((await vault.set("global", "KEPT", Buffer.from("again"), ACTOR)).version, 2);
  assert.equal(await vault.get("global", "B"), undefined);
});

test("set() gives up with STORE_UNAVAILABLE, when somebody else holds the lock for too long", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path, { testOnly: { testOnlyBusyLimitMs: 30 } });
  await vault.set("global", "KEPT", CANARY, ACTOR);
  const sql = openSql(folder.path);
  sql.exec("BEGIN IMMEDIATE");
  await assert.rejects(vault.set("global", "KEPT", Buffer.from("never"), ACTOR), UNAVAILABLE);
  assert.equal(await read(vault, "global", "KEPT"), CANARY.toString());
  sql.exec("ROLLBACK");
  sql.close();
  assert.equal((await vault.set("global", "KEPT", Buffer.from("second"), ACTOR)).version, 2);
});

test("set() leaves neither vault nor key file, when the data folder can not be made", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "data"), "a file");
  const home = join(folder.path, "home");
  const options = { keyHost: keyHost({}, { home }) };
  const before = snapshot(folder.path);
  await assert.rejects(openVault(folder.path, options), UNAVAILABLE);
  const below = { ...options, dataDir: join(folder.path, "missing", "data") };
  await using vault = await openVault(folder.path, below);
  await assert.rejects(vault.set("global", "K", CANARY, ACTOR), UNAVAILABLE);
  assert.deepEqual(snapshot(folder.path), before);
});

test("set() refuses a data folder that others may write to", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "data"));
  chmodSync(join(folder.path, "data"), 0o777);
  await using vault = await openVault(folder.path);
  await assert.rejects(vault.set("global", "K", CANARY, ACTOR), UNAVAILABLE);
  assert.deepEqual(readdirSync(join(folder.path, "data")), []);
});

test("open() refuses a vault that is a symbolic link or a folder", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(join(data, "secrets.db"), { recursive: true });
  await assert.rejects(openVault(folder.path), { code: "SECRETS_STORE_CORRUPT" });
  using other = temporaryFolder();
  mkdirSync(join(other.path, "data"));
  symlinkSync(join(data, "secrets.db"), join(other.path, "data", "secrets.db"));
  await assert.rejects(openVault(other.path), { code: "SECRETS_STORE_CORRUPT" });
});

test("create() makes one key file and tells its path once, when two vaults are made at once", async () => {
  using folder = temporaryFolder();
  const home = join(folder.path, "home");
  const told: string[] = [];
  const options = { keyHost: keyHost({}, { home }), onNewKey: (path: string) => told.push(path) };
  await using first = await openVault(folder.path, options);
  await using second = await openVault(folder.path, options);
  await Promise.all([first.create(), second.create(), first.set("global", "A", CANARY, ACTOR)]);
  assert.equal(first.storeId, second.storeId);
  const keys = join(home, ".config", "writ", "keys");
  assert.deepEqual(readdirSync(keys), [`${first.storeId}.key`]);
  assert.deepEqual(told, [join(keys, `${first.storeId}.key`)]);
  assert.equal(await read(second, "global", "A"), CANARY.toString());
  assert.deepEqual(
    readdirSync(join(folder.path, "data")).filter((name) => name.endsWith(".new")),
    [],
  );
});

test("set() says which folder or file can not be written, when it is read-only", async () => {
  // To root nothing is read-only, so the attempt is made by a user who owns the folder and nothing else.
  const uid = process.getuid?.() === 0 ? 65_534 : process.getuid?.();
  const attempt = (folder: string): string =>
    execFileSync(process.execPath, [join(import.meta.dirname, "setter.ts"), folder], {
      encoding: "utf8",
      ...(uid === undefined ? {} : { uid }),
    });
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  mkdirSync(data, { mode: 0o700 });
  for (const path of [folder.path, data]) chownSync(path, uid ?? -1, -1);
  chmodSync(data, 0o500);
  assert.match(attempt(folder.path), /"STORE_UNAVAILABLE".*data.*not readable and writable/);
  assert.deepEqual(readdirSync(data), []);
  chmodSync(data, 0o700);
  assert.equal(attempt(folder.path), "stored");
  const before = snapshot(folder.path);
  chmodSync(data, 0o500);
  assert.match(attempt(folder.path), /"STORE_UNAVAILABLE"/);
  chmodSync(data, 0o700);
  assert.deepEqual(snapshot(folder.path), before);
});
