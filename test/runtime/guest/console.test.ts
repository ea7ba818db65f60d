import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
beforeEach(async () => {
  guest = await GuestIsolate.create();
});
afterEach(() => guest[Symbol.dispose]());

const VALUES: readonly (readonly [value: string, text: string])[] = [
  [`"raw\\ntext"`, "raw\ntext"],
  [`["a\\n", "it's"]`, `[ "a\\n", "it's" ]`],
  [
    "[1, -0, 10n, true, null, undefined, Symbol('s'), NaN]",
    "[ 1, -0, 10n, true, null, undefined, Symbol(s), NaN ]",
  ],
  ["{}", "{}"],
  ["[]", "[]"],
  [
    "{ a: 1, 'b-c': { d: [] }, [Symbol('s')]: 2, 3: 4 }",
    `{ "3": 4, a: 1, "b-c": { d: [] }, [Symbol(s)]: 2 }`,
  ],
  ["Object.create(null)", "[null prototype] {}"],
  ["new (class Point { x = 1 })()", "Point { x: 1 }"],
  ["new (class Empty {})()", "Empty {}"],
  ["new Map([['k', { v: 1 }]])", `Map(1) { "k" => { v: 1 } }`],
  ["new Set([1, 'a'])", `Set(2) { 1, "a" }`],
  ["new (class Bag extends Set {})()", "Bag(0) {}"],
  ["new WeakMap()", "WeakMap {}"],
  ["Promise.resolve(1)", "Promise {}"],
  ["new Date(0)", "1970-01-01T00:00:00.000Z"],
  ["new Date(NaN)", "Invalid Date"],
  ["/a\\/b/gi", "/a\\/b/gi"],
  ["Object.assign(/a/, { x: 1 })", "/a/ { x: 1 }"],
  [
    "[new Number(-0), new String('s'), Object(Symbol('t'))]",
    `[ [Number: -0], [String: "s"], [Symbol: Symbol(t)] ]`,
  ],
  ["new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"],
  ["new ArrayBuffer(8)", "ArrayBuffer { byteLength: 8 }"],
  ["new DataView(new ArrayBuffer(8), 2)", "DataView { byteLength: 6 }"],
  ["function named() {}", "[Function: named]"],
  ["() => {}", "[Function: (anonymous)]"],
  ["class Thing { static x = 1 }", "[class Thing] { x: 1 }"],
  ["[1, , , 4]", "[ 1, <2 empty items>, 4 ]"],
  ["Object.assign([1], { extra: true })", "[ 1, extra: true ]"],
  ["new (class List extends Array {})(1, 2)", "List(2) [ 1, 2 ]"],
  [
    "(() => { const o = { a: 1 }; o.self = o; return [o, o]; })()",
    "[ { a: 1, self: [Circular] }, { a: 1, self: [Circular] } ]",
  ],
  [
    "{ a: { b: { c: { d: { e: {}, f: [1], g: 1, h: new Map() } } } } }",
    "{ a: { b: { c: { d: { e: [Object], f: [Array], g: 1, h: [Map] } } } } }",
  ],
  [
    "{ get a() { throw 1 }, set a(v) {}, get b() { throw 1 }, set c(v) {} }",
    "{ a: [Getter/Setter], b: [Getter], c: [Setter] }",
  ],
  [
    "Array.from({ length: 3 }, () => 'x'.repeat(40))",
    `[\n${Array.from({ length: 3 }, () => `  "${"x".repeat(40)}"`).join(",\n")}\n]`,
  ],
  [
    "{ e: Object.assign(new Error('m'), { stack: 'Error: m\\n    at f', code: 'E' }) }",
    `{\n  e: Error: m\n      at f { code: "E" }\n}`,
  ],
  [
    "Object.assign(new TypeError('m', { cause: 'why' }), { stack: 'TypeError: m' })",
    `TypeError: m { [cause]: "why" }`,
  ],
  ["Object.assign(new Error('m'), { stack: undefined })", "[Error: m]"],
];

test("inspect() writes values like source code", () => {
  for (const [value, text] of VALUES) {
    assert.equal(guest.text(`inspect(${value})`), text, value);
  }
});

test("inspect() shows errors by their stack, of any kind", () => {
  assert.match(guest.text("inspect(new RangeError('m'))"), /^RangeError: m\n +at /);
  assert.match(guest.text("inspect(new DOMException('m', 'AbortError'))"), /^AbortError: m\n +at /);
  assert.match(
    guest.text("inspect(new Error('a', { cause: new Error('b') }))"),
    /^Error: a\n[^]*\[cause\]: Error: b\n/,
  );
  assert.match(
    guest.text("inspect(new AggregateError([new Error('b')], 'a'))"),
    /^AggregateError: a\n[^]*\[errors\]: \[\n/,
  );
});

test("inspect() survives hostile values", () => {
  const hostile: readonly (readonly [string, string])[] = [
    ["new Proxy({}, { ownKeys() { throw new Error('no') } })", "[uninspectable]"],
    ["new Proxy({}, { getPrototypeOf() { throw null } })", "[uninspectable]"],
    ["{ a: new Proxy([], { get() { throw 1 } }), b: 2 }", "{ a: [uninspectable], b: 2 }"],
    ["(() => { const p = Proxy.revocable({}, {}); p.revoke(); return [p.proxy]; })()", "[ [uninspectable] ]"],
    ["Object.defineProperty({}, 'constructor', { get() { throw 1 } })", "{}"],
    ["Object.create(Map.prototype)", "Map {}"],
    [
      "{ toString() { throw 1 }, [Symbol.iterator]: 5, toJSON: 6 }",
      "{\n  toString: [Function: toString],\n  toJSON: 6,\n  [Symbol(Symbol.iterator)]: 5\n}",
    ],
    ["Object.assign(() => {}, { name2: 1 })", "[Function: (anonymous)] { name2: 1 }"],
  ];
  for (const [value, text] of hostile) assert.equal(guest.text(`inspect(${value})`), text, value);
});

test("inspect() runs no getter, toString or toJSON", () => {
  const code = `let ran = 0; const bump = () => ++ran; class Odd extends Error { get stack() { return bump(); } get name() { return bump(); } }
    const odd = new Odd("m"); ran = 0; Object.defineProperty(odd, "message", { get: bump }); Object.defineProperty(odd, "stack", { get: bump });
    inspect([odd, { get a() { return bump(); } }, { toString: bump, toJSON: bump, valueOf: bump, [Symbol.toPrimitive]: bump }, Object.defineProperty(new Map([[1, 2]]), "size", { get: bump })]);
    const before = ran; format(["%s %d %o %O", { toString: bump, valueOf: bump }, { valueOf: bump }, odd, odd]); return [before, ran];`;
  assert.deepEqual(JSON.parse(guest.eval(code)), [0, 0]);
});

test("inspect() is bounded in items, strings, bytes and work", () => {
  assert.match(
    guest.text("inspect(Array.from({ length: 250 }, (_, i) => i))"),
    /\b99,\n  … 150 more\n\]$|99, … 150 more\n\]$/,
  );
  assert.match(guest.text("inspect(new Array(1e9))"), /^\[ <100 empty items>, … 999999900 more \]$/);
  assert.match(
    guest.text("inspect(Object.fromEntries(Array.from({ length: 101 }, (_, i) => ['k' + i, i])))"),
    /… 1 more\n\}$/,
  );
  assert.match(guest.text("inspect(new Set(Array(300).keys()))"), /… 200 more\n\}$/);
  assert.match(guest.text("inspect(['x'.repeat(10_001)])"), /^\[\n  "x{10000}"… 1 more characters\n\]$/);
  assert.match(guest.text("inspect(new Error('x'.repeat(20_000)))"), /^Error: x{9993}… \d+ more characters$/);
  const wide = guest.text(
    "let wide = 'xxxxxxxxxx'; for (let i = 0; i < 4; i++) wide = Array(100).fill(wide); return inspect(wide);",
  );
  assert.ok(Buffer.byteLength(wide) <= 60 * 1024 && wide.endsWith("… [cut at 60 KiB]"));
});

test("inspect() cuts at 60 KiB of UTF-8, between characters", () => {
  for (const [unit, fits] of [
    ["a", 61_440],
    ["é", 30_720],
    ["€", 20_480],
  ] as const) {
    assert.equal(guest.text(`inspect("${unit}".repeat(${fits}))`), unit.repeat(fits));
    const cut = guest.text(`inspect("${unit}".repeat(${fits + 1}))`);
    assert.ok(cut.endsWith(`${unit}… [cut at 60 KiB]`) && Buffer.byteLength(cut) <= 61_440, unit);
  }
  const emoji = guest.text(`inspect("a" + "\u{1F600}".repeat(40_000))`);
  assert.ok(
    emoji.isWellFormed() && emoji.endsWith("… [cut at 60 KiB]") && Buffer.byteLength(emoji) <= 61_440,
  );
});

test("format() follows the directives of the console", () => {
  const table: readonly (readonly [args: string, text: string])[] = [
    ["", ""],
    ["'a', 1, 'b', ['c']", `a 1 b [ "c" ]`],
    ["1, 'a'", "1 a"],
    ["'%s is %d years and %i, %f', 'Bob', 42.5, '42.9px', '1.5x'", "Bob is 42.5 years and 42, 1.5"],
    ["'%d %i %d %d', '0x10', 5n, {}, Symbol()", "16 5n NaN NaN"],
    ["'%s %s %s', null, 10n, { a: 1 }", "null 10n { a: 1 }"],
    [
      "'%j %j %j', { a: [1] }, undefined, (() => { const o = {}; o.o = o; return o })()",
      `{"a":[1]} undefined { o: [Circular] }`,
    ],
    ["'%o %O', 'x', { a: 1 }", `"x" { a: 1 }`],
    ["'%cred%c', 'color: red', ''", "red"],
    ["'100%% %x %s', 'a', 'b'", "100% %x a b"],
    ["'%s %s', 'one'", "one %s"],
    ["'%s'", "%s"],
    ["'100%%'", "100%%"],
    ["'%s', '%s', 'x'", "%s x"],
    ["'$& %s', '$1'", "$& $1"],
  ];
  for (const [args, text] of table) assert.equal(guest.text(`format([${args}])`), text, args);
  const huge = guest.text("format(['x'.repeat(1e6), 'y'.repeat(1e6), ...Array(1e5).fill('z')])");
  assert.ok(huge.endsWith("… [cut at 60 KiB]") && huge.length <= 61_440);
});

test("console methods have their levels, one call each", () => {
  guest.eval(
    "console.log('a', 1); console.info('b'); console.debug('c'); console.warn('d'); console.error('e\\nf'); console.log(); console.dir({ a: 1 });",
  );
  assert.deepEqual(guest.lines, [
    "info a 1",
    "info b",
    "debug c",
    "warn d",
    "error e\nf",
    "info ",
    "info { a: 1 }",
  ]);
});

test("console methods work without their object", () => {
  guest.eval(
    "const { log, group, groupEnd } = console; group(); log('x'); groupEnd(); [1].forEach(console.warn);",
  );
  assert.deepEqual(guest.lines, ["info   x", "warn 1 0 [ 1 ]"]);
});

test("console.group() indents every line until groupEnd()", () => {
  guest.eval(
    "console.group('g'); console.log('a\\nb'); console.group(); console.log('c'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('d');",
  );
  assert.deepEqual(guest.lines, ["info g", "info   a\n  b", "info     c", "info d"]);
  guest.eval("for (let i = 0; i < 1e4; i++) console.group(); console.log('x\\n'.repeat(3e4));");
  const last = guest.lines.at(-1) ?? "";
  assert.ok(last.startsWith("info " + " ".repeat(40) + "x\n") && Buffer.byteLength(last) <= 61_440 + 5);
});

test("console.assert() writes only when the condition fails", () => {
  guest.eval(
    "console.assert(true, 'no'); console.assert(false); console.assert(0, 'n is %d', 3); console.assert(false, { a: 1 });",
  );
  assert.deepEqual(guest.lines, [
    "error Assertion failed",
    "error Assertion failed: n is 3",
    "error Assertion failed: { a: 1 }",
  ]);
});

test("console.count() and countReset() count by label", () => {
  guest.eval(
    "console.count(); console.count('x'); console.count(); console.countReset(); console.count(); console.countReset('y');",
  );
  assert.deepEqual(guest.lines, [
    "info default: 1",
    "info x: 1",
    "info default: 2",
    "info default: 1",
    `warn Count for "y" does not exist`,
  ]);
});

test("console.time() measures by label", () => {
  guest.eval(
    "console.time('t'); console.time('t'); console.timeLog('t', 'so far'); console.timeEnd('t'); console.timeEnd('t');",
  );
  const [again, log, end, gone] = guest.lines;
  assert.equal(again, `warn Timer "t" already exists`);
  assert.match(log ?? "", /^info t: \d+ ms so far$/);
  assert.match(end ?? "", /^info t: \d+ ms$/);
  assert.equal(gone, `warn Timer "t" does not exist`);
});

test("console.trace() adds the stack of its caller", () => {
  guest.eval("(function caller() { console.trace('here %d', 1); })();");
  assert.match(guest.lines[0] ?? "", /^info Trace: here 1\n +at caller /);
});

test("console.table() aligns rows and columns", () => {
  guest.eval(
    "console.table([{ a: 1, b: 'x' }, { a: 22, c: { d: 1 } }]); console.table(['p', 'q']); console.table(5);",
  );
  assert.deepEqual(guest.lines, [
    "info (index)  a   b  c\n0        1   x\n1        22     { d: 1 }",
    "info (index)  Values\n0        p\n1        q",
    "info 5",
  ]);
});
