/** base/json.ts: rewriting strings without touching the shape. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isJsonArray, mapStrings } from "../../base/json.ts";
import type { Json } from "../../base/json.ts";

const shout = (text: string): string => text.toUpperCase();

test("mapStrings() changes every string and every key, and nothing else", () => {
  const value: Json = { a: ["b", 1, null, true, { c: "d" }], e: "" };
  const changed = JSON.stringify(mapStrings(value, shout));
  assert.equal(changed, '{"A":["B",1,null,true,{"C":"D"}],"E":""}');
});

test("mapStrings() leaves its input as it was", () => {
  const value: Json = { a: ["b"] };
  mapStrings(value, shout);
  assert.deepEqual(value, { a: ["b"] });
});

test("mapStrings() keeps a key named __proto__ as data", () => {
  const value: Json = JSON.parse('{"__proto__":{"admin":"yes"}}');
  const changed = mapStrings(value, (text) => text);
  assert.equal(JSON.stringify(changed), '{"__proto__":{"admin":"yes"}}');
  assert.equal(Reflect.get({}, "admin"), undefined);
});

test("isJsonArray() tells arrays from objects that look like one", () => {
  assert.equal(isJsonArray([]), true);
  assert.equal(isJsonArray({ length: 0 }), false);
  assert.equal(isJsonArray(null), false);
  assert.equal(isJsonArray("ab"), false);
});
