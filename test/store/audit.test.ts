import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { type AuditLog, type AuditMac, unkeyedMac } from "../../store/audit.ts";
import type { AuditEntry } from "../../store/ports.ts";
import { STORE_FILE, Store } from "../../store/store.ts";
import { temporaryFolder } from "./folder.ts";
import { AT } from "./run-values.ts";

const clock = { now: () => AT };

function hmac(keyId: string): AuditMac {
  return { keyId, mac: (bytes) => createHmac("sha256", `key of ${keyId}`).update(bytes).digest() };
}

const entry = (target: string, change: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: "cli:tester",
  action: "secret.use",
  target,
  result: "ok",
  ...change,
});

async function fill(log: AuditLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => log.append(entry(`T${index + 1}`))));
}

/** What somebody with the file and a SQL shell could do. */
function tamper(folder: string, sql: string): void {
  const raw = new Sqlite(join(folder, STORE_FILE));
  raw.exec(sql);
  raw.close();
}

test("append() numbers lines without a gap, and read() gives them back", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const log = store.audit(hmac("a"));
  assert.equal(await log.head(), undefined);
  assert.deepEqual(await log.verify(), { ok: true, lines: 0, unkeyed: 0 });
  const full = entry("net:api.example.com", { workspace: "w", run: "run_1", result: "denied" });
  assert.deepEqual(await Promise.all([log.append(full), log.append(entry(""))]), [1, 2]);
  assert.deepEqual(await log.read({ after: 0 }), [
    { seq: 1, time: AT, ...full },
    { seq: 2, time: AT, ...entry("") },
  ]);
  assert.deepEqual(await log.read({ after: 1 }), [{ seq: 2, time: AT, ...entry("") }]);
  assert.deepEqual(await log.verify(), { ok: true, lines: 2, unkeyed: 0 });
});

const ATTACKS: readonly (readonly [what: string, sql: string, seq: number, reason: string])[] = [
  ["an edited target", "UPDATE audit SET target = 'T9' WHERE seq = 3", 3, "changed"],
  ["an edited result", "UPDATE audit SET result = 'denied' WHERE seq = 1", 1, "changed"],
  ["an edited time", "UPDATE audit SET time = time + 1 WHERE seq = 5", 5, "changed"],
  ["NULL turned into empty text", "UPDATE audit SET workspace = '' WHERE seq = 2", 2, "changed"],
  [
    "text moved across columns",
    "UPDATE audit SET action = 'secret.useT', target = '2' WHERE seq = 2",
    2,
    "changed",
  ],
  ["a removed line", "DELETE FROM audit WHERE seq = 3", 3, "missing"],
  ["a removed first line", "DELETE FROM audit WHERE seq = 1", 1, "missing"],
  [
    "a removed line with the gap closed",
    "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = -seq + 1 WHERE seq > 3; UPDATE audit SET seq = -seq WHERE seq < 0",
    3,
    "changed",
  ],
  [
    "two lines swapped",
    "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 99",
    2,
    "changed",
  ],
  [
    "a line added with a copied mac",
    "INSERT INTO audit SELECT 6, time, actor, workspace, run, action, target, result, mac, mac_key FROM audit WHERE seq = 5",
    6,
    "changed",
  ],
  ["a line that drops its key", "UPDATE audit SET mac_key = NULL WHERE seq = 4", 4, "key lost"],
  ["a line under a key nobody knows", "UPDATE audit SET mac_key = 'b' WHERE seq = 4", 4, "key unknown"],
];

for (const [what, sql, seq, reason] of ATTACKS) {
  test(`verify() finds ${what}`, async () => {
    using folder = temporaryFolder();
    await using store = await Store.open(folder.path, clock);
    const log = store.audit(hmac("a"));
    await fill(log, 5);
    assert.deepEqual(await log.verify(), { ok: true, lines: 5, unkeyed: 0 });
    tamper(folder.path, sql);
    assert.deepEqual(await log.verify(), { ok: false, seq, reason });
  });
}

test("verify() finds lines cut off at the end by a head that was kept elsewhere, and only so", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const log = store.audit(hmac("a"));
  await fill(log, 5);
  const anchor = await log.head();
  assert.equal(anchor?.seq, 5);
  await log.append(entry("T6"));
  assert.deepEqual(await log.verify({ anchor }), { ok: true, lines: 6, unkeyed: 0 });
  tamper(folder.path, "DELETE FROM audit WHERE seq > 3");
  assert.deepEqual(await log.verify(), { ok: true, lines: 3, unkeyed: 0 });
  assert.deepEqual(await log.verify({ anchor }), { ok: false, seq: 4, reason: "missing" });
  await log.append(entry("other"));
  await log.append(entry("story"));
  assert.deepEqual(await log.verify({ anchor }), { ok: false, seq: 5, reason: "changed" });
});

test("verify() finds a change on a later page", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const log = store.audit(hmac("a"));
  await fill(log, 2_100);
  assert.deepEqual(await log.verify(), { ok: true, lines: 2_100, unkeyed: 0 });
  tamper(folder.path, "UPDATE audit SET actor = 'x' WHERE seq = 2050");
  assert.deepEqual(await log.verify(), { ok: false, seq: 2_050, reason: "changed" });
});

test("a chain begun without a key goes on with one, and never without again", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  await fill(store.audit(unkeyedMac), 2);
  await fill(store.audit(hmac("a")), 2);
  await fill(store.audit(hmac("b")), 1);
  await assert.rejects(store.audit(unkeyedMac).append(entry("forged")), {
    code: "STORE_UNAVAILABLE",
    message: /sealed with a key of the vault/,
  });
  const formerKeys = (keyId: string): AuditMac | undefined => (keyId === "a" ? hmac("a") : undefined);
  assert.deepEqual(await store.audit(hmac("b")).verify({ formerKeys }), { ok: true, lines: 5, unkeyed: 2 });
  assert.deepEqual(await store.audit(hmac("b")).verify(), { ok: false, seq: 3, reason: "key unknown" });
  assert.deepEqual(await store.audit(unkeyedMac).verify(), { ok: false, seq: 3, reason: "key unknown" });
});

test("append() continues one chain from two connections", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  await using second = await Store.open(folder.path, clock);
  const [a, b] = [store.audit(hmac("a")), second.audit(hmac("a"))];
  await Promise.all(
    Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? a : b).append(entry(`${index}`))),
  );
  assert.deepEqual(await store.audit(hmac("a")).verify(), { ok: true, lines: 40, unkeyed: 0 });
});
