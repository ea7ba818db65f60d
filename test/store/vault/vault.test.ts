import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../../base/error.ts";
import { Vault } from "../../../store/vault/vault.ts";
import { ACTOR, CANARY, fakeClock, keyHost, openSql, openVault, read, temporaryFolder } from "./harness.ts";

test("open() creates nothing and finds nothing, when there is no vault", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  assert.equal(await vault.get("global", "TOKEN"), undefined);
  assert.deepEqual(await vault.getMany([{ scope: "w", key: "a" }]), [undefined]);
  assert.deepEqual(await vault.list(), []);
  assert.equal(await vault.delete("global", "TOKEN", ACTOR), false);
  assert.equal(vault.storeId, undefined);
  assert.equal(vault.mac("audit", CANARY), undefined);
  assert.equal(vault.keyId("audit"), undefined);
  assert.equal(vault.sealInput("run_1", CANARY), undefined);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("open() asks for no key, when there is no vault", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path, { keyHost: keyHost({}, { container: true }) });
  assert.equal(await vault.get("global", "TOKEN"), undefined);
  await assert.rejects(vault.set("global", "TOKEN", CANARY, ACTOR), { code: "SECRETS_KEY_MISSING" });
  assert.deepEqual(readdirSync(join(folder.path, "data")), []);
});

test("set() makes the vault with closed files, when it is the first write", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  assert.deepEqual(await vault.set("global", "TOKEN", CANARY, ACTOR), { version: 1, created: true });
  assert.match(vault.storeId ?? "", /^[0-9a-f]{32}$/);
  const mode = (name: string): number => statSync(join(folder.path, name)).mode & 0o777;
  assert.equal(mode("data"), 0o700);
  const files = readdirSync(join(folder.path, "data")).sort();
  assert.deepEqual(files, ["secrets.db", "secrets.db-shm", "secrets.db-wal"]);
  for (const file of files) assert.equal(mode(join("data", file)), 0o600, file);
});

test("get() gives back bytes and version across processes' lives, when the key is the same", async () => {
  using folder = temporaryFolder();
  const bytes = Buffer.from([0, 255, 13, 10, 0, 200, 7]);
  {
    await using vault = await openVault(folder.path);
    await vault.set("global", "BYTES", bytes, ACTOR);
    await vault.set("payments", "stripe/key", Buffer.alloc(65_536, 7), ACTOR);
  }
  await using vault = await openVault(folder.path);
  const found = await vault.get("global", "BYTES");
  assert.equal(found?.version, 1);
  assert.deepEqual(found?.value.bytes, bytes);
  assert.equal(String(found?.value), "[SECRET:BYTES]");
  assert.equal((await vault.get("payments", "stripe/key"))?.value.bytes.length, 65_536);
  assert.equal(await vault.get("payments", "BYTES"), undefined);
  assert.equal(await vault.get("global", "stripe/key"), undefined);
});

test("set() keeps the last five versions and counts on, when a value changes often", async () => {
  using folder = temporaryFolder();
  const clock = fakeClock();
  await using vault = await openVault(folder.path, { clock });
  for (let n = 1; n <= 8; n++) {
    clock.time += 1000;
    const result = await vault.set("global", "TOKEN", Buffer.from(`value-number-${n}`), ACTOR);
    assert.deepEqual(result, { version: n, created: n === 1 });
  }
  assert.equal(await read(vault, "global", "TOKEN"), "value-number-8");
  const [only, ...rest] = await vault.list();
  assert.deepEqual(rest, []);
  assert.deepEqual(only, {
    scope: "global",
    key: "TOKEN",
    version: 8,
    versions: 5,
    createdAt: 1_700_000_001_000,
    updatedAt: 1_700_000_008_000,
    state: "enabled",
  });
});

test("delete() destroys every data key and never gives a version number twice", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("global", "TOKEN", CANARY, ACTOR);
  await vault.set("global", "TOKEN", CANARY, ACTOR);
  assert.equal(await vault.delete("global", "TOKEN", ACTOR), true);
  assert.equal(await vault.get("global", "TOKEN"), undefined);
  assert.deepEqual(await vault.list(), []);
  assert.equal(await vault.delete("global", "TOKEN", ACTOR), false);
  const sql = openSql(folder.path);
  assert.deepEqual(
    sql.prepare("SELECT version, state, length(sealed_key) AS k, length(ciphertext) AS c FROM records").all(),
    [{ version: 2, state: "destroyed", k: 0, c: 0 }],
  );
  sql.close();
  assert.deepEqual(await vault.set("global", "TOKEN", CANARY, { ...ACTOR, ifVersion: 0 }), {
    version: 3,
    created: true,
  });
  assert.deepEqual(
    (await vault.list()).map(({ version, versions }) => ({ version, versions })),
    [{ version: 3, versions: 1 }],
  );
});

test("set() and delete() change nothing, when the version has moved", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  const conflict = { code: "SECRETS_CONFLICT", message: /"TOKEN" has version \d, expected \d/ };
  await assert.rejects(vault.delete("global", "TOKEN", { ...ACTOR, ifVersion: 1 }), conflict);
  await vault.set("global", "TOKEN", CANARY, { ...ACTOR, ifVersion: 0 });
  await assert.rejects(
    vault.set("global", "TOKEN", Buffer.from("second"), { ...ACTOR, ifVersion: 0 }),
    conflict,
  );
  await assert.rejects(
    vault.set("global", "TOKEN", Buffer.from("second"), { ...ACTOR, ifVersion: 2 }),
    conflict,
  );
  await assert.rejects(vault.delete("global", "TOKEN", { ...ACTOR, ifVersion: 2 }), conflict);
  assert.equal(await read(vault, "global", "TOKEN"), CANARY.toString());
  assert.equal(
    (await vault.set("global", "TOKEN", Buffer.from("second"), { ...ACTOR, ifVersion: 1 })).version,
    2,
  );
  assert.equal(await vault.delete("global", "TOKEN", { ...ACTOR, ifVersion: 2 }), true);
});

test("setMany() and deleteMany() do all or nothing", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("oauth", "refresh", CANARY, ACTOR);
  const both = new Map([
    ["access", { bytes: Buffer.from("new-access"), ifVersion: 0 }],
    ["refresh", { bytes: Buffer.from("new-refresh"), ifVersion: 7 }],
  ]);
  await assert.rejects(vault.setMany("oauth", both, ACTOR), { code: "SECRETS_CONFLICT" });
  assert.equal(await vault.get("oauth", "access"), undefined);
  both.set("refresh", { bytes: Buffer.from("new-refresh"), ifVersion: 1 });
  const results = await vault.setMany("oauth", both, ACTOR);
  assert.deepEqual(
    [...results],
    [
      ["access", { version: 1, created: true }],
      ["refresh", { version: 2, created: false }],
    ],
  );
  const gone = new Map([
    ["access", {}],
    ["refresh", { ifVersion: 1 }],
    ["absent", {}],
  ]);
  await assert.rejects(vault.deleteMany("oauth", gone, ACTOR), { code: "SECRETS_CONFLICT" });
  assert.equal(await read(vault, "oauth", "access"), "new-access");
  gone.set("refresh", { ifVersion: 2 });
  assert.deepEqual(await vault.deleteMany("oauth", gone, ACTOR), ["access", "refresh"]);
  assert.deepEqual(await vault.list("oauth"), []);
});

test("concurrent calls of one vault are all kept and see each other's versions", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      vault.set(
        "global",
        "TOKEN",
        Buffer.from(`value-number-${n}`),
        n % 5 === 4 ? { ...ACTOR, ifVersion: 999 } : ACTOR,
      ),
    ),
  );
  const versions = results.flatMap((result) => (result.status === "fulfilled" ? [result.value.version] : []));
  assert.deepEqual(
    versions,
    Array.from({ length: 16 }, (_, n) => n + 1),
  );
  assert.equal(await read(vault, "global", "TOKEN"), "value-number-18");
});

test("another vault on the same file sees a change at once", async () => {
  using folder = temporaryFolder();
  await using first = await openVault(folder.path);
  await using second = await openVault(folder.path);
  assert.equal(await second.get("global", "TOKEN"), undefined);
  await first.set("global", "TOKEN", CANARY, ACTOR);
  assert.equal(await read(second, "global", "TOKEN"), CANARY.toString());
  assert.equal((await second.set("global", "TOKEN", Buffer.from("second"), ACTOR)).version, 2);
  assert.equal(await read(first, "global", "TOKEN"), "second");
  assert.equal(first.storeId, second.storeId);
});

test("list() orders by scope and key and filters by scope", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  for (const scope of ["zeta", "global", "a-b", "a"]) {
    await vault.setMany(scope, new Map(["b", "a"].map((key) => [key, { bytes: CANARY }])), ACTOR);
  }
  const names = (await vault.list()).map(({ scope, key }) => `${scope}:${key}`);
  assert.deepEqual(names, ["a:a", "a:b", "a-b:a", "a-b:b", "global:a", "global:b", "zeta:a", "zeta:b"]);
  assert.deepEqual(
    (await vault.list("a-b")).map(({ key }) => key),
    ["a", "b"],
  );
});

test("a write leaves an event in its own transaction", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("global", "TOKEN", CANARY, { actor: "cli" });
  await vault.set("global", "TOKEN", CANARY, { actor: "run_1" });
  await assert.rejects(vault.set("global", "TOKEN", CANARY, { actor: "cli", ifVersion: 9 }));
  await vault.delete("global", "TOKEN", { actor: "cli" });
  const sql = openSql(folder.path);
  const rows = sql
    .prepare("SELECT id, scope, key, from_version AS f, to_version AS t, cause, at FROM events")
    .all();
  sql.close();
  const common = { scope: "global", key: "TOKEN", at: 1_700_000_000_000 };
  assert.deepEqual(rows, [
    { id: 1, ...common, f: 0, t: 1, cause: "cli" },
    { id: 2, ...common, f: 1, t: 2, cause: "run_1" },
    { id: 3, ...common, f: 2, t: 0, cause: "cli" },
  ]);
});

test("set() refuses bad scopes, names and values before there is a vault", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  const cases: [string, string, Buffer, string][] = [
    ["Global", "K", CANARY, "SECRETS_SCOPE_INVALID"],
    ["all", "K", CANARY, "SECRETS_SCOPE_INVALID"],
    ["global", "../K", CANARY, "SECRETS_NAME_INVALID"],
    ["global", "K\n", CANARY, "SECRETS_NAME_INVALID"],
    ["global", "K", Buffer.alloc(65_537, 1), "SECRETS_TOO_LARGE"],
    ["global", "K", Buffer.alloc(0), "SECRETS_UNMASKABLE"],
    ["global", "K", Buffer.from("abc"), "SECRETS_UNMASKABLE"],
  ];
  for (const [scope, key, bytes, code] of cases) {
    await assert.rejects(vault.set(scope, key, bytes, ACTOR), { code }, `${scope} ${key}`);
  }
  assert.equal(existsSync(join(folder.path, "data")), false);
  await vault.set("global", "K", Buffer.from("abc"), { ...ACTOR, unmaskable: true });
  assert.equal(await read(vault, "global", "K"), "abc");
});

test("mac() differs by purpose and store and is the same after opening again", async () => {
  using folder = temporaryFolder();
  using elsewhere = temporaryFolder();
  let before: Buffer | undefined;
  {
    await using vault = await openVault(folder.path);
    await vault.create();
    before = vault.mac("audit", CANARY);
    assert.equal(before?.length, 32);
    assert.notDeepEqual(vault.mac("fingerprint", CANARY), before);
    assert.notEqual(vault.keyId("fingerprint"), vault.keyId("audit"));
  }
  await using vault = await openVault(folder.path);
  assert.deepEqual(vault.mac("audit", CANARY), before);
  await using other = await openVault(elsewhere.path);
  await other.create();
  assert.notDeepEqual(other.mac("audit", CANARY), before);
});

test("openInput() opens the input of its own run only", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.create();
  const sealed = vault.sealInput("run_1", CANARY);
  assert.ok(sealed);
  assert.equal(sealed.includes(CANARY), false);
  assert.deepEqual(vault.openInput("run_1", sealed), CANARY);
  const refused = { code: "SECRETS_DECRYPT_FAILED" };
  assert.throws(() => vault.openInput("run_2", sealed), refused);
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => vault.openInput("run_1", changed), refused, `byte ${at}`);
  }
});

test("a disposed vault refuses every call, and disposing it again does nothing", async () => {
  using folder = temporaryFolder();
  const vault = await openVault(folder.path);
  const pending = vault.set("global", "TOKEN", CANARY, ACTOR);
  await pending;
  await vault[Symbol.asyncDispose]();
  await vault[Symbol.asyncDispose]();
  await assert.rejects(vault.get("global", "TOKEN"), /closed/);
  await assert.rejects(vault.set("global", "TOKEN", CANARY, ACTOR), /closed/);
  assert.throws(() => vault.mac("audit", CANARY), /closed/);
});

test("getMany() answers a damaged record with its error and the others with their values", async () => {
  using folder = temporaryFolder();
  await using vault = await openVault(folder.path);
  await vault.set("global", "GOOD", CANARY, ACTOR);
  await vault.set("global", "BAD", CANARY, ACTOR);
  const sql = openSql(folder.path);
  sql.prepare("UPDATE records SET ciphertext = zeroblob(length(ciphertext)) WHERE key = 'BAD'").run();
  sql.close();
  const names = ["GOOD", "BAD", "NONE"].map((key) => ({ scope: "global", key }));
  const [good, bad, none] = await vault.getMany(names);
  assert.ok(good !== undefined && !(good instanceof AppError));
  assert.deepEqual(good.value.bytes, CANARY);
  assert.ok(bad instanceof AppError);
  assert.equal(bad.code, "SECRETS_DECRYPT_FAILED");
  assert.equal(none, undefined);
  await assert.rejects(vault.get("global", "BAD"), { code: "SECRETS_DECRYPT_FAILED" });
});

test("Vault has no member that lists, prints or returns values but get() and getMany()", () => {
  const members = Object.getOwnPropertyNames(Vault.prototype).sort();
  assert.deepEqual(members, [
    "constructor",
    "create",
    "delete",
    "deleteMany",
    "get",
    "getMany",
    "keyId",
    "list",
    "mac",
    "openInput",
    "sealInput",
    "set",
    "setMany",
    "storeId",
  ]);
});
