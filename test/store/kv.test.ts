import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import fc from "fast-check";
import { systemClock } from "../../base/clock.ts";
import type { Json } from "../../base/json.ts";
import {
  KV_KEY_MAX_BYTES,
  KV_LIST_MAX,
  KV_NAMESPACE_MAX_BYTES,
  KV_NAMESPACE_MAX_KEYS,
  KV_VALUE_MAX_BYTES,
} from "../../store/kv.ts";
import { STORE_FILE, Store } from "../../store/store.ts";
import { temporaryFolder } from "./folder.ts";
import { AT } from "./run-values.ts";

test("get() gives what set() stored, in a store of any JSON value", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const values: Json[] = [
    null,
    false,
    0,
    -0.5,
    1e300,
    "",
    "\0\ud800 é",
    [],
    [1, [null]],
    {},
    { "": { a: 1 } },
    JSON.parse('{"__proto__":{"polluted":1}}'),
  ];
  for (const value of values) {
    await kv.set("k", value);
    assert.equal(JSON.stringify((await kv.get("k"))?.value), JSON.stringify(value));
  }
  assert.equal(await kv.get("other"), undefined);
  assert.equal(await kv.delete("k"), true);
  assert.equal(await kv.delete("k"), false);
  assert.equal(await kv.get("k"), undefined);
});

test("namespaces never meet, whatever their names and keys look like", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const names = ["a", "a/b", "a%", "a_", "A", "a'", 'a"', "a/../b", "*", "é", "e\u0301", " a", "a "];
  for (const name of names) await store.kv(name).set("b/k", name);
  for (const name of names) {
    assert.deepEqual(
      (await store.kv(name).list("")).map(({ key, value }) => [key, value]),
      [["b/k", name]],
    );
  }
  await store.kv("a").delete("b/k");
  for (const name of names.slice(1)) assert.equal((await store.kv(name).get("b/k"))?.value, name);
});

test("names SQLite would store as something else are refused, and nothing is written", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  for (const bad of ["", "a\0b", "\ud800", "x\udc00y"]) {
    await assert.rejects(kv.set(bad, 1), { code: "OP_INVALID" });
    await assert.rejects(kv.get(bad), { code: "OP_INVALID" });
    assert.throws(() => store.kv(bad), { code: "OP_INVALID" });
  }
  assert.deepEqual(await kv.list(""), []);
});

test("list() equals a filter by prefix, for keys and prefixes full of special characters", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const unit = fc.constantFrom(
    "a",
    "b",
    "/",
    "%",
    "_",
    "*",
    "?",
    "[",
    "'",
    "\\",
    "é",
    "\u{10ffff}",
    "\uffff",
    "😀",
  );
  const text = (minLength: number) => fc.string({ unit, minLength, maxLength: 4 });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(text(1), { maxLength: 12 }), text(0), async (keys, prefix) => {
      const kv = store.kv(`round-${round++}`);
      await Promise.all(keys.map((key) => kv.set(key, key)));
      const expected = keys
        .filter((key) => key.startsWith(prefix))
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(
        (await kv.list(prefix)).map(({ key }) => key),
        expected,
      );
    }),
    { numRuns: 150 },
  );
});

test("list() pages by the last key, and never gives more than its limit", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const keys = Array.from({ length: KV_LIST_MAX + 5 }, (_, index) => `k${String(index).padStart(6, "0")}`);
  await Promise.all(keys.map((key) => kv.set(key, 1)));
  const first = await kv.list("k", { limit: 3 });
  assert.deepEqual(
    first.map(({ key }) => key),
    keys.slice(0, 3),
  );
  const second = await kv.list("k", { limit: 2, after: "k000002" });
  assert.deepEqual(
    second.map(({ key }) => key),
    keys.slice(3, 5),
  );
  assert.equal((await kv.list("")).length, KV_LIST_MAX);
  assert.equal((await kv.list("", { limit: -1 })).length, 1);
});

test("cas() writes only over the version it names, and a version never comes back after a delete", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const first = await kv.cas("k", undefined, "a");
  assert.ok(first !== undefined);
  assert.equal(await kv.cas("k", undefined, "b"), undefined);
  assert.equal(await kv.cas("k", first + 1, "b"), undefined);
  assert.equal((await kv.get("k"))?.value, "a");
  const second = await kv.cas("k", first, "b");
  assert.ok(second !== undefined && second > first);
  await kv.delete("k");
  assert.equal(await kv.cas("k", second, "c"), undefined);
  const third = await kv.cas("k", undefined, "c");
  assert.ok(third !== undefined && third > second);
});

test("cas() lets one of many win, across connections", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await using second = await Store.open(folder.path, systemClock);
  const won = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      (index % 2 === 0 ? store : second).kv("t").cas("lock", undefined, index),
    ),
  );
  assert.equal(won.filter((version) => version !== undefined).length, 1);
});

test("increment() counts every call once, starts at 0 and refuses what is no number", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const sums = await Promise.all(Array.from({ length: 50 }, () => kv.increment("n")));
  assert.deepEqual(
    sums,
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
  assert.equal(await kv.increment("n", -0.5), 49.5);
  for (const value of ["1", null, [1], true]) {
    await kv.set("x", value);
    await assert.rejects(kv.increment("x"), { code: "OP_INVALID" });
    assert.deepEqual((await kv.get("x"))?.value, value);
  }
  await kv.set("big", Number.MAX_VALUE);
  await assert.rejects(kv.increment("big", Number.MAX_VALUE), { code: "OP_INVALID" });
  await assert.rejects(kv.increment("n", Number.NaN), { code: "OP_INVALID" });
});

test("an expired entry is not there for anybody, and its room is free again", async () => {
  using folder = temporaryFolder();
  let now = AT;
  await using store = await Store.open(folder.path, { now: () => now });
  const kv = store.kv("task");
  await kv.set("k", "canary-7f3a-not-a-real-secret", { ttlMs: 100 });
  await kv.set("n", 1, { ttlMs: 100 });
  now += 50;
  assert.equal(await kv.increment("n"), 2);
  now += 49;
  assert.equal((await kv.get("k"))?.value, "canary-7f3a-not-a-real-secret");
  now += 1;
  assert.equal(await kv.get("k"), undefined);
  assert.deepEqual(await kv.list(""), []);
  assert.equal(await kv.delete("k"), false);
  assert.ok((await kv.cas("k", undefined, "again")) !== undefined);
  assert.equal(await kv.increment("n"), 1);
  now += 1_000_000;
  assert.equal((await kv.get("n"))?.value, 1);
  for (const ttlMs of [0, -1, Number.NaN, Infinity]) {
    await assert.rejects(kv.set("k", 1, { ttlMs }), { code: "OP_INVALID" });
  }
});

test("keys and values may have their largest size, and not one byte more", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const key = "é".repeat(KV_KEY_MAX_BYTES / 2);
  await kv.set(key, 1);
  await assert.rejects(kv.set(`${key}x`, 1), { code: "KV_LIMIT", message: /513 bytes; at most 512/ });
  const value = "x".repeat(KV_VALUE_MAX_BYTES - 2);
  await kv.set("v", value);
  await assert.rejects(kv.set("v", `${value}y`), { code: "KV_LIMIT" });
  assert.equal((await kv.get("v"))?.value, value);
  const deep: Json = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  await assert.rejects(kv.set("d", deep), { code: "OP_INVALID", message: /nested too deeply/ });
});

test("a namespace holds its number of keys and no more; other namespaces and existing keys go on", async () => {
  using folder = temporaryFolder();
  let now = AT;
  await using store = await Store.open(folder.path, { now: () => now });
  const kv = store.kv("task");
  const keys = Array.from({ length: KV_NAMESPACE_MAX_KEYS - 1 }, (_, index) => `k${index}`);
  await Promise.all(keys.map((key) => kv.set(key, 1)));
  await kv.set("short-lived", 1, { ttlMs: 10 });
  await assert.rejects(kv.set("one more", 1), { code: "KV_LIMIT", message: /10000 keys/ });
  await assert.rejects(kv.increment("one more"), { code: "KV_LIMIT" });
  assert.equal(await kv.get("one more"), undefined);
  await kv.set("k0", 2);
  await store.kv("other").set("one more", 1);
  now += 10;
  await kv.set("one more", 1);
  await kv.delete("k1");
  await kv.set("and another", 1);
});

test("a namespace holds its number of bytes and no more, counted through every kind of write", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const kv = store.kv("task");
  const size = KV_VALUE_MAX_BYTES;
  const value = "x".repeat(size - 2 - 4);
  const count = KV_NAMESPACE_MAX_BYTES / size;
  await Promise.all(
    Array.from({ length: count }, (_, index) => kv.set(String(index).padStart(4, "0"), value)),
  );
  await assert.rejects(kv.set("x", 1), { code: "KV_LIMIT", message: /67108864 bytes/ });
  await kv.set("0000", "smaller");
  await kv.set("x", 1);
  await kv.delete("0001");
  await kv.cas("y", undefined, value);
  const raw = new Sqlite(join(folder.path, STORE_FILE), { readonly: true });
  assert.deepEqual(
    raw.prepare("SELECT keys, bytes FROM kv_namespaces").get(),
    raw
      .prepare("SELECT count(*) AS keys, sum(octet_length(key) + octet_length(value)) AS bytes FROM kv")
      .get(),
  );
  raw.close();
});
