/** base/json.ts */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isJsonArray } from "../../base/json.ts";

test("isJsonArray() tells arrays from objects that look like one", () => {
  assert.equal(isJsonArray([]), true);
  assert.equal(isJsonArray({ length: 0 }), false);
  assert.equal(isJsonArray("[]"), false);
});
