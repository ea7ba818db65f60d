import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { read } from "../store/vault/harness.ts";
import { CANARY, startOps, type Ops } from "./context.ts";

const GRANTED: Json = { writ: { secrets_write: ["oauth/*"] } };

const stored = async ({ vault }: Ops): Promise<readonly string[]> =>
  (await vault.list("global")).map(({ key }) => key).sort();

test("secrets ops store text and bytes, count versions, delete, and never answer a value", async () => {
  await using ops = await startOps(GRANTED);
  const first = await ops.call("secrets.set", {
    values: { "oauth/a": "first-not-real", "oauth/b": { hex: "00ff10" + "aa".repeat(8) } },
    if_version: {},
  });
  assert.deepEqual(first, { "oauth/a": 1, "oauth/b": 1 });
  assert.equal(await read(ops.vault, "global", "oauth/a"), "first-not-real");
  const bytes = await ops.vault.get("global", "oauth/b");
  assert.equal(bytes?.value.bytes.toString("hex"), "00ff10" + "aa".repeat(8));
  const second = await ops.call("secrets.set", {
    values: { "oauth/a": "second-not-real" },
    if_version: { "oauth/a": 1 },
  });
  assert.deepEqual(second, { "oauth/a": 2 });
  const deleted = await ops.call("secrets.delete", { keys: ["oauth/a", "oauth/none"], if_version: {} });
  assert.deepEqual(deleted, ["oauth/a"]);
  assert.deepEqual(await stored(ops), ["oauth/b"]);
  assert.deepEqual(
    new Set(ops.recorded),
    new Set(['+ secrets_write "oauth/a"', '+ secrets_write "oauth/b"', '+ secrets_write "oauth/none"']),
  );
});

test("secrets.set makes its values known to redaction, whether or not it succeeds", async () => {
  await using ops = await startOps(GRANTED);
  await ops.call("secrets.set", { values: { "oauth/a": "minted-7f3a-not-real" }, if_version: {} });
  assert.ok(ops.redactor.contains("x minted-7f3a-not-real"));
  const error = await ops.failing("secrets.set", {
    values: { "oauth/a": "refused-7f3a-not-real" },
    if_version: { "oauth/a": 9 },
  });
  assert.equal(error.code, "SECRETS_CONFLICT");
  assert.ok(ops.redactor.contains("x refused-7f3a-not-real"));
  assert.equal(await read(ops.vault, "global", "oauth/a"), "minted-7f3a-not-real");
});

const WRONG: readonly (readonly [string, Json])[] = [
  ["secrets.set", null],
  ["secrets.set", {}],
  ["secrets.set", { values: {}, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": "value-not-real" } }],
  ["secrets.set", { values: { "oauth/a": 1 }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": null }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": ["x"] }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": { hex: "0" } }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": { hex: "zz" } }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": { hex: "aabbccdd", utf8: "x" } }, if_version: {} }],
  ["secrets.set", { values: { "oauth/a": { base64: "AAAA" } }, if_version: {} }],
  ["secrets.set", { values: ["oauth/a"], if_version: {} }],
  ["secrets.set", { values: { "oauth/a": "value-not-real" }, if_version: { "oauth/a": -1 } }],
  ["secrets.set", { values: { "oauth/a": "value-not-real" }, if_version: { "oauth/a": "1" } }],
  ["secrets.set", { values: { "oauth/a": "value-not-real" }, if_version: {}, scope: "other" }],
  ["secrets.set", { values: { "oauth/a": "value-not-real" }, if_version: {}, workspace: "other" }],
  [
    "secrets.set",
    {
      values: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`oauth/k${n}`, "value-not-real"])),
      if_version: {},
    },
  ],
  ["secrets.set", { values: { "oauth/a": "lone \ud800 surrogate" }, if_version: {} }],
  ["secrets.delete", { keys: "oauth/before", if_version: {} }],
  ["secrets.delete", { keys: [1], if_version: {} }],
  ["secrets.delete", { keys: Array.from({ length: 101 }, () => "oauth/before"), if_version: {} }],
  ["secrets.delete", { keys: ["oauth/before"], if_version: { "oauth/before": 1.5 } }],
  ["secrets.delete", { keys: ["oauth/before"], if_version: {}, scope: "global" }],
];

test("secrets ops refuse wrong arguments, and the vault does not change", async () => {
  await using ops = await startOps(GRANTED);
  await ops.call("secrets.set", { values: { "oauth/before": "before-not-real" }, if_version: {} });
  for (const [name, args] of WRONG) {
    const error = await ops.failing(name, args);
    assert.equal(error.code, "OP_INVALID", `${name} ${JSON.stringify(args)}: ${error.message}`);
  }
  assert.deepEqual(await stored(ops), ["oauth/before"]);
  assert.equal(await read(ops.vault, "global", "oauth/before"), "before-not-real");
});

test("secrets ops refuse a redaction mark as a value, as text and as bytes, alone and inside", async () => {
  await using ops = await startOps(GRANTED);
  for (const mark of ["[REDACTED:SECRET_TOKEN]", `https://x/?t=[REDACTED:SECRET_A]&u=1`]) {
    for (const value of [mark, { hex: Buffer.from(mark).toString("hex") }]) {
      const error = await ops.failing("secrets.set", { values: { "oauth/a": value }, if_version: {} });
      assert.equal(error.code, "OP_INVALID");
      assert.match(error.message, /redaction mark/);
    }
  }
  assert.deepEqual(await stored(ops), []);
});

test("secrets ops are denied for every key outside the grant, and then no key of the call is written", async () => {
  await using ops = await startOps(GRANTED);
  await ops.vault.set("global", "other/b", Buffer.from("before-not-real"), { actor: "test" });
  const keys = [
    "other/b",
    "oauth",
    "oauth/",
    "oauth/a/b",
    "Oauth/a",
    "oauth/../other/b",
    "*",
    "oauth/*",
    "",
    "oauth/a ",
    "oauth/\u0430\u0000",
  ];
  for (const key of keys) {
    const values = Object.fromEntries([
      ["oauth/good", "value-not-real"],
      [key, "value-not-real"],
    ]);
    const error = await ops.failing("secrets.set", { values, if_version: {} });
    assert.equal(error.code, "PERMISSION_DENIED", key);
    assert.equal(
      (await ops.failing("secrets.delete", { keys: ["other/b", key], if_version: {} })).code,
      "PERMISSION_DENIED",
    );
  }
  assert.equal(await read(ops.vault, "global", "other/b"), "before-not-real");
  assert.deepEqual(await stored(ops), ["other/b"]);
});

test("secrets ops are denied without a grant, with the line to add, and the vault does not change", async () => {
  await using ops = await startOps();
  const error = await ops.failing("secrets.set", { values: { "oauth/a": "value-not-real" }, if_version: {} });
  assert.equal(error.code, "PERMISSION_DENIED");
  assert.deepEqual(error.hints, ['add to task.yaml: permissions: { writ: { secrets_write: ["oauth/a"] } }']);
  assert.deepEqual(ops.recorded, ['- secrets_write "oauth/a"']);
  assert.deepEqual(await stored(ops), []);
});

test("secrets.set refuses a key that holds a secret", async () => {
  await using ops = await startOps({ writ: { secrets_write: true } });
  const error = await ops.failing("secrets.set", {
    values: { [`oauth/${CANARY}`]: "value-not-real" },
    if_version: {},
  });
  assert.equal(error.code, "SECRETS_PERSIST_DENIED");
  assert.doesNotMatch(error.message + error.hints.join(), /canary/);
  assert.deepEqual(await stored(ops), []);
});
