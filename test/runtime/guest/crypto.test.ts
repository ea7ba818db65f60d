import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { evalInNode, GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
before(async () => {
  guest = await GuestIsolate.create();
});
after(() => guest[Symbol.dispose]());

test("getRandomValues() fills exactly the view it is given, and returns it", () => {
  const code = `const all = new Uint8Array(64); const part = all.subarray(16, 48); const back = crypto.getRandomValues(part);
    return [back === part, all.subarray(0, 16).every((b) => b === 0), all.subarray(48).every((b) => b === 0), new Set(part).size > 8];`;
  assert.deepEqual(JSON.parse(guest.eval(code)), [true, true, true, true]);
});

test("getRandomValues() takes and refuses what Node's does", () => {
  for (const array of [
    "new Int8Array(2)",
    "new Uint8Array(65536)",
    "new Uint8Array(65537)",
    "new Uint32Array(16385)",
    "new BigInt64Array(1)",
    "new Uint8ClampedArray(0)",
    "new Float32Array(1)",
    "new Float64Array(1)",
    "new DataView(new ArrayBuffer(1))",
    "new ArrayBuffer(1)",
    "[1]",
    "{ length: 1 }",
  ]) {
    const code = `crypto.getRandomValues(${array}).length`;
    assert.equal(guest.eval(code), evalInNode(code), array);
  }
});

test("randomUUID() makes different version 4 UUIDs", () => {
  const uuids = Array.from({ length: 50 }, () => guest.text("crypto.randomUUID()"));
  for (const uuid of uuids)
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(uuids).size, 50);
});
