import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { evalInNode, GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
before(async () => {
  guest = await GuestIsolate.create();
});
after(() => guest[Symbol.dispose]());

/** `c` is the clone of `v`; the rest says what to look at. */
const VALUES: readonly (readonly [value: string, look: string])[] = [
  ["1", "c"],
  ["-0", "c"],
  ["NaN", "c"],
  ["10n ** 30n", "c"],
  ["'\\uD800x'", "c"],
  ["undefined", "c"],
  ["null", "c"],
  ["{ a: 1, b: { c: [1, 2] } }", "[c, c !== v, c.b !== v.b]"],
  [
    "Object.create(null, { a: { value: 1, enumerable: true }, b: { value: 2 } })",
    "[c, Object.getPrototypeOf(c) === Object.prototype]",
  ],
  ["new (class Point { x = 1; get y() { return 2 } #z = 3 })()", "[c, c.constructor === Object]"],
  ["{ get a() { return 7 } }", "[c, Object.getOwnPropertyDescriptor(c, 'a')]"],
  ["{ [Symbol('s')]: 1, a: 2 }", "[c, Reflect.ownKeys(c).length]"],
  ['JSON.parse(\'{"__proto__": {"x": 1}}\')', "[Object.keys(c), c.x]"],
  ["{ get a() { delete this.b; return 1 }, b: 2 }", "c"],
  ["[1, , 3]", "[c, c.length, 1 in c]"],
  ["Object.assign([1], { extra: 2 })", "[c.extra, c.length, Array.isArray(c)]"],
  ["new Array(5)", "[c.length, Object.keys(c)]"],
  [
    "(() => { const o = {}; o.self = o; o.list = [o]; return o })()",
    "[c.self === c, c.list[0] === c, c !== v]",
  ],
  [
    "(() => { const s = {}; return [s, s, new Map([[s, s]])] })()",
    "[c[0] === c[1], c[2].get(c[0]) === c[0]]",
  ],
  [
    "new Map([[1, { a: 1 }], ['k', new Map([[2, 3]])]])",
    "[c instanceof Map, [...c.keys()], c.get(1), c.get('k').get(2)]",
  ],
  ["new Set([1, 'a', { b: 1 }])", "[c instanceof Set, [...c]]"],
  ["(() => { const m = new Map(); m.set(m, m); return m })()", "[...c][0][0] === c && [...c][0][1] === c"],
  ["new (class extends Map {})([[1, 2]])", "[c.constructor === Map, [...c]]"],
  ["new Date(5)", "[c instanceof Date, c.getTime()]"],
  ["new Date(NaN)", "c.getTime()"],
  ["Object.assign(/a\\/b/giu, { lastIndex: 3 })", "[c instanceof RegExp, c.source, c.flags, c.lastIndex]"],
  [
    "[new Boolean(false), new Number(-0), new String('s'), Object(1n)]",
    "[c.map((x) => typeof x), c.map((x) => x.valueOf())]",
  ],
  ["new Uint8Array([1, 2, 3]).buffer", "[c instanceof ArrayBuffer, [...new Uint8Array(c)], c !== v]"],
  [
    "new Uint8Array([1, 2, 3, 4]).subarray(1, 3)",
    "[c.constructor.name, [...c], c.byteOffset, c.buffer.byteLength]",
  ],
  [
    "(() => { const b = new ArrayBuffer(8); return [new Uint16Array(b, 2, 2), new DataView(b, 1, 3), b] })()",
    "[c[0].buffer === c[2], c[1].buffer === c[2], c[0].length, c[0].byteOffset, c[1].byteOffset, c[1].byteLength]",
  ],
  [
    "[Int8Array, Uint8ClampedArray, Int16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float32Array, Float64Array].map((T) => new T(2))",
    "c.map((x) => [x.constructor.name, x.length])",
  ],
  [
    "new Error('m')",
    "[c instanceof Error, c.name, c.message, Object.keys(c), typeof c.stack, c.stack === v.stack]",
  ],
  [
    "[new RangeError('r'), new TypeError('t'), new SyntaxError('s'), new EvalError('e'), new URIError('u'), new ReferenceError('f')]",
    "c.map((e) => [e.name, e.constructor.name, e.message])",
  ],
  ["new Error('m', { cause: { a: new Error('n') } })", "[c.cause.a.message, Object.keys(c)]"],
  ["(() => { const e = new Error('m'); e.cause = e; return e })()", "c.cause === c"],
  ["Object.assign(new Error('m'), { name: 'Mine', extra: 1 })", "[c.name, c.extra, String(c)]"],
  ["new AggregateError([1], 'm')", "[c.constructor === Error, c.message]"],
  ["new (class MyError extends TypeError {})('m')", "[c.constructor.name, c.message]"],
  ["new Error()", "[Object.hasOwn(c, 'message'), c.message]"],
  ["new DOMException('m', 'DataError')", "[c instanceof DOMException, c.name, c.message, c.code]"],
  ["new Map(Object.entries({ a: [new Set([1])] }))", "[...c.get('a')[0]]"],
];

test("structuredClone() copies what Node copies", () => {
  for (const [value, look] of VALUES) {
    const code = `const v = ${value}; const c = structuredClone(v); return ${look};`;
    assert.equal(guest.eval(code), evalInNode(code), value);
  }
});

const REFUSED = [
  "() => {}",
  "class {}",
  "Symbol('s')",
  "Object(Symbol('s'))",
  "{ deep: [{ f() {} }] }",
  "new WeakMap()",
  "new WeakSet()",
  "new WeakRef({})",
  "Promise.resolve()",
  "new Proxy(function () {}, {})",
  "(function* () {})()",
  "(async function* () {})()",
  "new Map([[1, 2]]).entries()",
  "new Map([[() => {}, 1]])",
  "new Set([Symbol()])",
  "new Error('m', { cause: () => {} })",
  "new FinalizationRegistry(() => {})",
  "(() => { const b = new ArrayBuffer(1); b.transfer(); return b })()",
  "new URL('https://a')",
  "new URLSearchParams()",
];

test("structuredClone() refuses what Node refuses", () => {
  for (const value of REFUSED) {
    const code = `structuredClone(${value})`;
    assert.equal(guest.eval(code), "threw DataCloneError", value);
    assert.equal(evalInNode(code), "threw DataCloneError", value);
  }
});

test("structuredClone() refuses the platform's own objects, which Node empties", () => {
  for (const value of [
    "new Event('x')",
    "new AbortController().signal",
    "new TextEncoder()",
    "new EventTarget()",
  ]) {
    assert.equal(guest.eval(`structuredClone(${value})`), "threw DataCloneError", value);
  }
});

const TRANSFERS = [
  "const b = new Uint8Array([1, 2]).buffer; const c = structuredClone(b, { transfer: [b] }); return [b.byteLength, b.detached, [...new Uint8Array(c)]];",
  "const a = new Uint8Array([1, 2, 3, 4]).subarray(1); const c = structuredClone({ a, list: [a, a.buffer] }, { transfer: [a.buffer] }); return [a.length, [...c.a], c.a.byteOffset, c.list[0] === c.a, c.list[1] === c.a.buffer];",
  "const b = new ArrayBuffer(4); const c = structuredClone(new Map([[b, new DataView(b, 1)]]), { transfer: [b] }); const [[k, v]] = c; return [k.byteLength, v.buffer === k, v.byteLength, b.detached];",
  "const b = new ArrayBuffer(4); const c = structuredClone(new Set([new Uint8Array(b)]), { transfer: new Set([b]) }); return [[...c][0].length, b.detached];",
  "const b = new ArrayBuffer(4); const c = structuredClone(1, { transfer: [b] }); return [c, b.detached];",
  "const b = new ArrayBuffer(4); const c = structuredClone({ x: 1, b, y: 2 }, { transfer: [b] }); return [Object.keys(c), c.b.byteLength];",
  "const b = new ArrayBuffer(4); try { structuredClone({ b, f() {} }, { transfer: [b] }) } catch (e) { return [e.name, b.detached, b.byteLength] }",
  "const b = new ArrayBuffer(4); return structuredClone(b, { transfer: [b, b] });",
  "const b = new ArrayBuffer(4); b.transfer(); return structuredClone(1, { transfer: [b] });",
  "structuredClone(1, { transfer: [{}] })",
  "structuredClone(1, { transfer: [1] })",
  "structuredClone(1, { transfer: 5 })",
  "structuredClone(1, 5)",
  "structuredClone(1, null)",
  "structuredClone(1, { transfer: undefined })",
  "structuredClone()",
];

test("structuredClone() transfers buffers like Node", () => {
  for (const code of TRANSFERS) assert.equal(guest.eval(code), evalInNode(code), code);
});

test("structuredClone() of a value nested too deep throws RangeError and does not end the isolate", () => {
  const code = "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; return structuredClone(v);";
  assert.equal(guest.eval(code), "threw RangeError");
  assert.equal(guest.eval("structuredClone([1])"), "[1]");
});
