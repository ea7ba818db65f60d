import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { CANARY, startOps } from "./context.ts";

test("kv ops answer what the store holds, with versions", async () => {
  await using ops = await startOps();
  assert.equal(await ops.call("kv.get", { key: "a" }), null);
  assert.equal(await ops.call("kv.set", { key: "a", value: { b: [1, null, "x"] } }), 1);
  assert.deepEqual(await ops.call("kv.get", { key: "a" }), { value: { b: [1, null, "x"] }, version: 1 });
  assert.equal(await ops.call("kv.cas", { key: "a", version: 7, value: 1 }), null);
  assert.deepEqual((await ops.kv.get("a"))?.value, { b: [1, null, "x"] });
  assert.equal(await ops.call("kv.cas", { key: "a", version: 1, value: 1 }), 2);
  assert.equal(await ops.call("kv.cas", { key: "new", version: 0, value: 1 }), 3);
  assert.equal(await ops.call("kv.cas", { key: "new", version: 0, value: 2 }), null);
  assert.equal(await ops.call("kv.increment", { key: "n", by: 2 }), 2);
  assert.equal(await ops.call("kv.increment", { key: "n", by: -0.5 }), 1.5);
  assert.deepEqual(await ops.call("kv.list", { prefix: "n" }), ["n", "new"]);
  assert.deepEqual(await ops.call("kv.list", { prefix: "", limit: 1 }), ["a"]);
  assert.equal(await ops.call("kv.delete", { key: "a" }), true);
  assert.equal(await ops.call("kv.delete", { key: "a" }), false);
  assert.deepEqual(new Set(ops.recorded), new Set(["+ kv"]));
});

test("kv.set with a ttl gives an entry that ends", async () => {
  await using ops = await startOps();
  await ops.call("kv.set", { key: "a", value: 1, ttl: 0.000_001 });
  for (const deadline = Date.now() + 2_000; (await ops.kv.get("a")) !== undefined;)
    assert.ok(Date.now() < deadline, "the entry did not end");
  assert.equal(await ops.call("kv.get", { key: "a" }), null);
});

const WRONG: readonly (readonly [string, Json])[] = [
  ["kv.get", null],
  ["kv.get", []],
  ["kv.get", {}],
  ["kv.get", "a"],
  ["kv.get", { key: "" }],
  ["kv.get", { key: 1 }],
  ["kv.get", { key: ["a"] }],
  ["kv.get", { key: "a", namespace: "other" }],
  ["kv.get", { key: "a", version: 1 }],
  ["kv.set", { key: "a" }],
  ["kv.set", { value: 1 }],
  ["kv.set", { key: "a", value: 1, ttl: 0 }],
  ["kv.set", { key: "a", value: 1, ttl: -1 }],
  ["kv.set", { key: "a", value: 1, ttl: "1" }],
  ["kv.set", { key: "a", value: 1, ttl: 1e12 }],
  ["kv.set", { key: "a", value: 1, ttl: null }],
  ["kv.set", { key: "a", value: 1, task: "other" }],
  ["kv.cas", { key: "a", value: 1 }],
  ["kv.cas", { key: "a", version: -1, value: 1 }],
  ["kv.cas", { key: "a", version: 0.5, value: 1 }],
  ["kv.cas", { key: "a", version: "0", value: 1 }],
  ["kv.increment", { key: "a" }],
  ["kv.increment", { key: "a", by: "1" }],
  ["kv.increment", { key: "a", by: null }],
  ["kv.list", {}],
  ["kv.list", { prefix: 1 }],
  ["kv.list", { prefix: "", limit: 0 }],
  ["kv.list", { prefix: "", limit: 1001 }],
  ["kv.list", { prefix: "", limit: 1.5 }],
  ["kv.delete", { key: "a", keys: ["b"] }],
];

test("kv ops refuse wrong arguments, and nothing changes", async () => {
  await using ops = await startOps();
  await ops.kv.set("a", "before");
  for (const [name, args] of WRONG) {
    const error = await ops.failing(name, args);
    assert.equal(error.code, "OP_INVALID", `${name} ${JSON.stringify(args)}: ${error.message}`);
  }
  const entries = await ops.kv.list("");
  assert.deepEqual(
    entries.map(({ key, value }) => [key, value]),
    [["a", "before"]],
  );
});

test("kv ops are denied with the line to add, and have no effect, when the manifest says kv: false", async () => {
  await using ops = await startOps({ writ: { kv: false } });
  await ops.kv.set("a", "before");
  const calls: readonly (readonly [string, Json])[] = [
    ["kv.get", { key: "a" }],
    ["kv.set", { key: "a", value: 1 }],
    ["kv.delete", { key: "a" }],
    ["kv.list", { prefix: "" }],
    ["kv.cas", { key: "a", version: 1, value: 1 }],
    ["kv.increment", { key: "n", by: 1 }],
    // Denied before it is read: wrong arguments learn nothing either.
    ["kv.set", null],
  ];
  for (const [name, args] of calls) {
    const error = await ops.failing(name, args);
    assert.equal(error.code, "PERMISSION_DENIED", name);
    assert.match(error.hints.join(), /kv: true/);
  }
  assert.deepEqual(await ops.kv.get("a"), { key: "a", value: "before", version: 1 });
  assert.equal((await ops.kv.list("")).length, 1);
  assert.deepEqual(new Set(ops.recorded), new Set(["- kv"]));
});

test("kv refuses to store a secret in a value, a key or deep inside, and nothing changes", async () => {
  await using ops = await startOps();
  const base64 = Buffer.from(`x${CANARY}y`).toString("base64");
  const values: Json[] = [
    CANARY,
    `before ${CANARY} after`,
    [{ a: [CANARY] }],
    { [CANARY]: 1 },
    base64,
    encodeURIComponent(CANARY),
  ];
  for (const value of values) {
    for (const [name, args] of [
      ["kv.set", { key: "k", value }],
      ["kv.cas", { key: "k", version: 0, value }],
    ] as const) {
      const error = await ops.failing(name, args);
      assert.equal(error.code, "SECRETS_PERSIST_DENIED", JSON.stringify(value));
      assert.doesNotMatch(error.message + error.hints.join(), /canary/);
    }
  }
  assert.equal((await ops.failing("kv.set", { key: CANARY, value: 1 })).code, "SECRETS_PERSIST_DENIED");
  assert.equal(
    (await ops.failing("kv.increment", { key: `n ${CANARY}`, by: 1 })).code,
    "SECRETS_PERSIST_DENIED",
  );
  assert.deepEqual(await ops.kv.list(""), []);
});

test("kv takes a value that is beyond its limits nowhere, and says so", async () => {
  await using ops = await startOps();
  assert.equal((await ops.failing("kv.set", { key: "k", value: "x".repeat(300_000) })).code, "KV_LIMIT");
  assert.equal((await ops.failing("kv.set", { key: "k".repeat(513), value: 1 })).code, "KV_LIMIT");
  assert.deepEqual(await ops.kv.list(""), []);
});
