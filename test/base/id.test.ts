/** base/id.ts: ids that sort by time and can not be guessed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isRunId, newRunId } from "../../base/id.ts";

const NOON = Date.UTC(2026, 10, 20, 12);

test("newRunId() gives ids that isRunId() accepts", () => {
  for (let index = 0; index < 1000; index++) assert.ok(isRunId(newRunId(NOON + index)));
  assert.ok(isRunId(newRunId(0)));
});

test("newRunId() writes the time as a ULID does", () => {
  // The example of the ULID specification: 1469918176385 is 01ARYZ6S41.
  assert.equal(newRunId(1_469_918_176_385).slice(4, 14), "01ARYZ6S41");
});

test("newRunId() sorts by time", () => {
  const times = [0, 1, 31, 32, NOON - 1, NOON, NOON + 1, 2 ** 48 - 1];
  const ids = times.map(newRunId);
  assert.deepEqual(ids.toSorted(), ids);
});

test("newRunId() does not repeat within a millisecond, and uses every bit", () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newRunId(NOON)));
  assert.equal(ids.size, 10_000);
  for (let place = 14; place < 30; place++) {
    const seen = new Set(Array.from(ids, (id) => id[place]));
    assert.equal(seen.size, 32, `character ${place}`);
  }
});

test("isRunId() refuses what could become a path, another id or two lines", () => {
  const id = newRunId(NOON);
  for (const text of [
    "",
    "run_",
    id.toLowerCase(),
    `${id}\n`,
    `${id}0`,
    id.slice(0, -1),
    `../${id}`,
    ` ${id}`,
  ]) {
    assert.equal(isRunId(text), false, JSON.stringify(text));
  }
  for (const letter of "ILOU") assert.equal(isRunId(`run_${letter}${id.slice(5)}`), false, letter);
});
