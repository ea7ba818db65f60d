import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { evalInNode, evalInNodeLater, GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
before(async () => {
  guest = await GuestIsolate.create();
});
after(() => guest[Symbol.dispose]());

const LISTENERS = [
  "const t = new EventTarget(), s = []; t.addEventListener('x', () => s.push(1)); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('y')); return s;",
  "const t = new EventTarget(), s = []; const f = () => s.push(1); t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', f, true); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; t.addEventListener('x', () => s.push(1), { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; const f = () => s.push(1); t.addEventListener('x', f); t.removeEventListener('x', f, { capture: true }); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; t.addEventListener('x', (e) => { s.push(1); e.stopImmediatePropagation(); }); t.addEventListener('x', () => s.push(2)); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; t.addEventListener('x', { handleEvent(e) { s.push(this === t, e.type); } }); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; t.addEventListener('x', function (e) { s.push(this === t, e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath().length); }); const e = new Event('x'); t.dispatchEvent(e); return [...s, e.target === t, e.currentTarget, e.eventPhase, e.composedPath().length];",
  "const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault()); const a = new Event('x', { cancelable: true }), b = new Event('x'); return [t.dispatchEvent(a), a.defaultPrevented, a.returnValue, t.dispatchEvent(b), b.defaultPrevented];",
  "const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event('x', { cancelable: true }));",
  "const t = new EventTarget(), s = []; const g = () => s.push('g'); t.addEventListener('x', () => { t.removeEventListener('x', g); t.addEventListener('x', () => s.push('late')); }); t.addEventListener('x', g); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; const c = new AbortController(); t.addEventListener('x', () => s.push(1), { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return s;",
  "const t = new EventTarget(), s = []; t.addEventListener('x', () => s.push(1), { signal: AbortSignal.abort() }); t.dispatchEvent(new Event('x')); return s;",
  "new EventTarget().addEventListener('x', () => {}, { signal: {} })",
  "const t = new EventTarget(); t.dispatchEvent({ type: 'x' });",
  "new Event()",
  "const e = new Event('x', { bubbles: true, composed: true }); return [e.type, e.bubbles, e.cancelable, e.composed, e.isTrusted, e.cancelBubble, typeof e.timeStamp, String(e)];",
  "const e = new CustomEvent('x', { detail: { a: 1 }, cancelable: true }); return [e.detail, e.cancelable, e instanceof Event, new CustomEvent('y').detail, String(e)];",
  "[Event.AT_TARGET, Event.BUBBLING_PHASE, Object.prototype.toString.call(new EventTarget())]",
];

test("EventTarget and Event behave like Node's", () => {
  for (const code of LISTENERS) assert.equal(guest.eval(code), evalInNode(code), code);
});

test("dispatchEvent() calls capturing listeners first, as the standard has it", () => {
  const code =
    "const t = new EventTarget(), s = []; t.addEventListener('x', () => s.push('bubble')); t.addEventListener('x', () => s.push('capture'), true); t.dispatchEvent(new Event('x')); return s;";
  assert.deepEqual(JSON.parse(guest.eval(code)), ["capture", "bubble"]);
});

test("dispatchEvent() refuses an event that is under way", () => {
  const code =
    "const t = new EventTarget(), e = new Event('x'); let name; t.addEventListener('x', () => { try { t.dispatchEvent(e) } catch (error) { name = error.name } }); t.dispatchEvent(e); return name;";
  assert.equal(guest.eval(code), '"InvalidStateError"');
});

test("dispatchEvent() goes on after a listener that throws, and the error fails the run", () => {
  const dispatch = (callback: string): string =>
    `globalThis.seen = []; const t = new EventTarget(); t.addEventListener('x', ${callback}); t.addEventListener('x', () => seen.push('next')); seen.push(t.dispatchEvent(new Event('x')));`;
  assert.throws(() => guest.eval(dispatch("() => { throw new Error('one') }")), /^Error: one/);
  assert.deepEqual(JSON.parse(guest.eval("seen")), ["next", true]);
  assert.throws(() => guest.eval(dispatch("{}")), /^TypeError: handleEvent is not a function/);
  assert.deepEqual(JSON.parse(guest.eval("seen")), ["next", true]);
  assert.throws(() => guest.eval("reportError(new Error('two'))"), /^Error: two/);
});

test("ErrorEvent() carries the error", () => {
  const code =
    "const e = new ErrorEvent('error', { message: 'm', lineno: 3, error: 7 }); return [e.message, e.filename, e.lineno, e.colno, e.error, e instanceof Event];";
  assert.deepEqual(JSON.parse(guest.eval(code)), ["m", "", 3, 0, 7, true]);
});

const SIGNALS = [
  "const c = new AbortController(); return [c.signal.aborted, c.signal.reason, c.signal === c.signal, String(c), String(c.signal)];",
  "const c = new AbortController(); c.abort(); return [c.signal.aborted, c.signal.reason.name, c.signal.reason.code, c.signal.reason instanceof DOMException];",
  "const c = new AbortController(); c.abort('why'); c.abort('again'); return c.signal.reason;",
  "const c = new AbortController(); c.abort(null); return [c.signal.aborted, c.signal.reason];",
  "const c = new AbortController(), s = []; c.signal.onabort = function (e) { s.push(e.type, e.isTrusted, e.target === c.signal, this === c.signal) }; c.signal.addEventListener('abort', () => s.push('listener')); c.abort(); c.abort(); return s;",
  "const c = new AbortController(), s = []; c.signal.onabort = () => s.push(1); c.signal.onabort = () => s.push(2); c.abort(); return s;",
  "const c = new AbortController(), s = []; c.signal.onabort = () => s.push(1); c.signal.onabort = null; c.abort(); return [s, c.signal.onabort];",
  "AbortSignal.abort().throwIfAborted()",
  "try { AbortSignal.abort(7).throwIfAborted() } catch (e) { return e }",
  "new AbortController().signal.throwIfAborted()",
  "const s = AbortSignal.abort('r'); return [s.aborted, s.reason, s instanceof EventTarget];",
  "new AbortSignal()",
  "AbortSignal.any([]).aborted",
  "AbortSignal.any([1])",
  "AbortSignal.any()",
  "const a = AbortSignal.abort('a'); return AbortSignal.any([new AbortController().signal, a, AbortSignal.abort('b')]).reason;",
  "const a = new AbortController(), b = new AbortController(); const any = AbortSignal.any([a.signal, b.signal]); const s = []; any.onabort = () => s.push(any.reason); b.abort('b'); a.abort('a'); return [s, any.reason];",
  "const a = new AbortController(); const x = AbortSignal.any([a.signal]), y = AbortSignal.any([x, x]); const s = []; a.signal.onabort = () => s.push('a', x.aborted, y.aborted); a.abort(1); return [s, y.reason];",
];

test("AbortController and AbortSignal behave like Node's", () => {
  for (const code of SIGNALS) assert.equal(guest.eval(code), evalInNode(code), code);
});

test("AbortSignal.any() tells the signals in the order they were made, as the standard has it", () => {
  const code = `const a = new AbortController(); const x = AbortSignal.any([a.signal]), y = AbortSignal.any([x]); const s = [];
    y.onabort = () => s.push("y"); x.onabort = () => s.push("x"); a.signal.onabort = () => s.push("a"); a.abort(); return s;`;
  assert.deepEqual(JSON.parse(guest.eval(code)), ["a", "x", "y"]);
});

test("AbortSignal.timeout() aborts with a TimeoutError when its timer ends", () => {
  guest.timers.clear();
  assert.equal(guest.eval("globalThis.late = AbortSignal.timeout(250); return late.aborted;"), "false");
  const [[id, ms] = [0, 0]] = guest.timers;
  assert.equal(ms, 250);
  guest.fire(id);
  for (const wait of ["-1", "NaN", "Infinity", "'x'"]) {
    assert.equal(guest.eval(`AbortSignal.timeout(${wait})`), "threw TypeError", wait);
  }
  assert.deepEqual(JSON.parse(guest.eval("[late.aborted, late.reason.name, late.reason.code]")), [
    true,
    "TimeoutError",
    23,
  ]);
});

const EXCEPTIONS = [
  "const e = new DOMException('m', 'AbortError'); return [e.name, e.message, e.code, String(e), e instanceof Error, e instanceof DOMException, Object.prototype.toString.call(e), Error.isError(e)];",
  "const e = new DOMException(); return [e.name, e.message, e.code, String(e)];",
  "const e = new DOMException('m', 'NoSuchName'); return [e.name, e.code];",
  "[DOMException.ABORT_ERR, DOMException.prototype.DATA_CLONE_ERR, DOMException.VALIDATION_ERR, Object.keys(DOMException).length, DOMException.name]",
  "['IndexSizeError', 'InvalidCharacterError', 'QuotaExceededError', 'TimeoutError', 'DataCloneError', 'NotReadableError'].map((name) => new DOMException('', name).code)",
  "new DOMException('m', 'AbortError').stack.split('\\n')[0]",
  "DOMException('m')",
  "Object.keys(new DOMException('m', 'x'))",
];

test("DOMException behaves like Node's", () => {
  for (const code of EXCEPTIONS) assert.equal(guest.eval(code), evalInNode(code), code);
});

test("queueMicrotask() runs its callback after the present task", async () => {
  const code = "const s = []; queueMicrotask(() => s.push(2)); s.push(1); await null; return s;";
  assert.equal(await guest.evalLater(code), await evalInNodeLater(code));
  assert.equal(guest.eval("queueMicrotask('x')"), "threw TypeError");
});
