import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
beforeEach(async () => {
  guest = await GuestIsolate.create();
});
afterEach(() => guest[Symbol.dispose]());

test("setTimeout() asks the host once and calls back with its arguments", () => {
  assert.equal(
    guest.eval("globalThis.seen = []; return setTimeout((...args) => seen.push(args), 5, 'a', 'b');"),
    "1",
  );
  assert.deepEqual([...guest.timers], [[1, 5]]);
  assert.equal(guest.eval("pending()"), "1");
  guest.fire(1);
  guest.fire(1);
  assert.equal(guest.eval("[seen, pending()]"), '[[["a","b"]],0]');
  assert.equal(guest.timers.size, 0);
});

test("setTimeout() clamps the wait to what a timer can hold", () => {
  guest.eval(
    "[0, -5, NaN, undefined, '7', 1.9, 2 ** 31, Infinity, {}, null].forEach((ms) => setTimeout(() => {}, ms))",
  );
  assert.deepEqual([...guest.timers.values()], [0, 0, 0, 0, 7, 1, 2 ** 31 - 1, 2 ** 31 - 1, 0, 0]);
});

test("setTimeout() refuses what is no function", () => {
  for (const callback of ["'globalThis.ran = 1'", "undefined", "{}"]) {
    assert.equal(guest.eval(`setTimeout(${callback}, 1)`), "threw TypeError");
    assert.equal(guest.eval(`setInterval(${callback}, 1)`), "threw TypeError");
  }
  assert.equal(guest.timers.size, 0);
});

test("setInterval() asks again after each call, until it is cleared", () => {
  guest.eval(
    "globalThis.n = 0; globalThis.id = setInterval(() => { if (++n === 3) clearInterval(id); }, 10);",
  );
  for (let turn = 1; turn <= 3; turn++) {
    assert.deepEqual([...guest.timers], [[1, 10]]);
    guest.fire(1);
  }
  assert.equal(guest.timers.size, 0);
  assert.equal(guest.eval("[n, pending()]"), "[3,0]");
});

test("clearTimeout() tells the host, and ignores what is no timer", () => {
  guest.eval(
    "globalThis.n = 0; const id = setTimeout(() => n++, 1); clearTimeout(id); clearTimeout(id); clearTimeout(); clearTimeout({}); clearInterval('x');",
  );
  assert.equal(guest.timers.size, 0);
  guest.fire(1);
  assert.equal(guest.eval("[n, pending()]"), "[0,0]");
});

test("fire() lets through what the callback throws, and the timer is gone", () => {
  guest.eval("setTimeout(() => { throw new RangeError('from the callback') })");
  assert.throws(() => guest.fire(1), { name: "RangeError", message: /from the callback/ });
  assert.equal(guest.eval("pending()"), "0");
});

test("setTimeout() holds at most 10,000 timers at once", () => {
  assert.equal(
    guest.eval("for (let i = 0; i < 10_000; i++) setTimeout(() => {}); return pending();"),
    "10000",
  );
  assert.equal(guest.eval("setTimeout(() => {})"), "threw RangeError");
  assert.equal(guest.timers.size, 10_000);
  guest.fire(1);
  assert.equal(guest.eval("setTimeout(() => {})"), "10001");
});

test("performance.now() counts whole milliseconds from the start of the run", () => {
  const code = `const before = performance.timeOrigin; const real = Date.now; const a = performance.now(); startClock();
    const b = performance.now(); return [Number.isInteger(a), a >= 0, b >= 0 && b <= a + 1000, performance.timeOrigin >= before, performance.toJSON().timeOrigin === performance.timeOrigin];`;
  assert.deepEqual(JSON.parse(guest.eval(code)), [true, true, true, true, true]);
});

test("installLazy() loads on the first touch and leaves plain properties", () => {
  const code = `let loads = 0; const target = {}; installLazy(target, ["A", "B", "C"], () => { loads++; return { A: 1, B: 2, C: 3 }; });
    const log = [loads, Object.keys(target), "A" in target];
    log.push(target.A, loads, Object.getOwnPropertyDescriptor(target, "A"), target.A, loads);
    target.B = "mine"; log.push(target.B, Object.getOwnPropertyDescriptor(target, "B"), loads);
    log.push(delete target.C, target.C, loads); return log;`;
  const plain = { writable: true, enumerable: false, configurable: true };
  assert.deepEqual(JSON.parse(guest.eval(code)), [
    0,
    [],
    true,
    1,
    1,
    { value: 1, ...plain },
    1,
    1,
    "mine",
    { value: "mine", ...plain },
    1,
    true,
    "<undefined>",
    1,
  ]);
});
