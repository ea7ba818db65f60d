import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { evalInNode, GuestIsolate } from "./isolate.ts";

let guest: GuestIsolate;
before(async () => {
  guest = await GuestIsolate.create();
});
after(() => guest[Symbol.dispose]());

function same(code: string): void {
  assert.equal(guest.eval(code), evalInNode(code), code);
}

const STRINGS = [
  `""`,
  `"abc"`,
  `"é\\u20AC\\uD83D\\uDE00"`,
  `"\\uD800a\\uDC00"`,
  `"\\uFEFFx"`,
  `"\\0\\x7f\\x80\\xff"`,
  `"a".repeat(70000) + "é"`,
];

test("TextEncoder encodes like Node's", () => {
  for (const text of STRINGS) {
    same(
      `const b = new TextEncoder().encode(${text}); return [b.length, [...b.slice(0, 40)], [...b.slice(-4)]];`,
    );
    for (const size of [0, 1, 2, 3, 4, 10]) {
      same(`const t = new Uint8Array(${size}); return [new TextEncoder().encodeInto(${text}, t), [...t]];`);
    }
  }
  same("[...new TextEncoder().encode()]");
  same("[new TextEncoder().encoding, String(new TextEncoder())]");
  same("TextEncoder()");
});

const BYTES = [
  [],
  [0x61, 0xc3, 0xa9],
  [0xef, 0xbb, 0xbf, 0x61],
  [0xff, 0xfe, 0x61, 0x00],
  [0xfe, 0xff, 0x00, 0x61],
  [0xc3],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x98, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80, 0xff, 0x61],
  [0x3d, 0xd8, 0x00, 0xde],
  [0x3d, 0xd8],
  [0x00, 0xde, 0x61, 0x00],
  [0x61],
  [0xe2, 0x82, 0x61],
  [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf],
];
const LABELS = [
  "utf-8",
  "UTF8",
  "utf-16le",
  "utf-16be",
  "latin1",
  " windows-1252\\n",
  "iso-8859-2",
  "koi8-r",
];

test("TextDecoder decodes like Node's, whole and in pieces", () => {
  for (const label of LABELS) {
    for (const bytes of BYTES) {
      for (const options of ["{}", "{ fatal: true }", "{ ignoreBOM: true }"]) {
        const decoder = `const d = new TextDecoder("${label}", ${options}); const b = new Uint8Array([${bytes.join()}]);`;
        same(`${decoder} return d.decode(b);`);
        if (!label.startsWith("utf") && !label.startsWith("UTF")) continue;
        same(
          `${decoder} let s = ""; for (const x of b) s += d.decode(Uint8Array.of(x), { stream: true }); return s + d.decode();`,
        );
      }
    }
  }
});

test("TextDecoder has the properties and refusals of Node's", () => {
  for (const code of [
    "const d = new TextDecoder('UTF-16', { fatal: 1 }); return [d.encoding, d.fatal, d.ignoreBOM, String(d)];",
    "new TextDecoder('latin1').encoding",
    "new TextDecoder('no-such')",
    "new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(0xff))",
    "new TextDecoder().decode(new Uint8Array([0x61, 0x62, 0x63]).buffer)",
    "new TextDecoder().decode(new DataView(new Uint8Array([0x61, 0x62, 0x63]).buffer, 1))",
    "new TextDecoder().decode()",
    "new TextDecoder().decode('x')",
    "const d = new TextDecoder(); d.decode(Uint8Array.of(0xe2), { stream: true }); return [d.decode(), d.decode(Uint8Array.of(0x61))];",
  ]) {
    same(code);
  }
});

test("btoa() and atob() do what Node's do", () => {
  const plain = [
    `""`,
    `"a"`,
    `"ab"`,
    `"abc"`,
    `"\\xff\\x00\\x80"`,
    `"é"`,
    `"€"`,
    `"a\\uD800"`,
    `null`,
    `undefined`,
    `12`,
    `"x".repeat(20000)`,
  ];
  const encoded = [
    `""`,
    `"YQ=="`,
    `"YQ"`,
    `"YQ="`,
    `"YWI="`,
    `"YWI"`,
    `"YWJj"`,
    `" Y W\\tJ\\nj\\r\\f"`,
    `"YWJj="`,
    `"YWJj=="`,
    `"===="`,
    `"="`,
    `"A"`,
    `"AAAAA"`,
    `"YR=="`,
    `"-_8="`,
    `"+/8="`,
    `"Y\\u00a0Q="`,
    `"é"`,
    `null`,
    `"ab=c"`,
    `"YQ==="`,
    `"YQ==YQ=="`,
    `undefined`,
    `"YWJj".repeat(9000)`,
  ];
  for (const value of plain) same(`btoa(${value})`);
  for (const value of encoded)
    same(`const s = atob(${value}); return [s.length, [...s.slice(0, 10)].map((c) => c.charCodeAt())];`);
  same("btoa()");
  same("atob()");
  same("try { atob('*') } catch (e) { return [e.name, e.code, e instanceof DOMException] }");
  same(
    "const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)); return [btoa(all), atob(btoa(all)) === all];",
  );
});
