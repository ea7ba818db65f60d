/** base/clock.ts: the one form of a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rfc3339, systemClock } from "../../base/clock.ts";

test("rfc3339() writes UTC with milliseconds", () => {
  assert.equal(rfc3339(Date.UTC(2026, 10, 20, 9, 0, 0, 7)), "2026-11-20T09:00:00.007Z");
});

test("systemClock.now() is the time of the machine", () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(now >= before && now <= Date.now());
});
