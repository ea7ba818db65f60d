import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import ivm from "isolated-vm";
import { bundleGuest, evalInNode, GuestIsolate } from "./isolate.ts";

const HOSTS =
  `example.com EXAMPLE.com a.b.c. 2130706433 0x7f.1 127.1 0 0x 0x.0x.0 017700000001 256.256.256.256 1.2.3.4.5
4294967296 1.2.3.08 1.2.3.4. 1..2 １２７.0.0.1 ０ｘ７ｆ.1 例え.jp 例え。jp faß.de ＧＯ.com Bücher.example xn--bcher-kva.example
xn--a xn-- xn--zn7c.com a\\u00ADb.com \\u00AD %41.com %e4%be%8b.jp a%2fb a%2fé é%2f.evil.com é%3a80 é%40b é%5cx é%00 a%00b a%20b é%20b
a_b.com -a- a--b é--b [::1] [::ffff:7f00:1] [::ffff:127.0.0.1] [1:2:3:4:5:6:7:8] [1::8::] [::1.2.3] [v1.a] [] [::1%25eth0]
user@host user:pass@host :pass@host @host user@ u%40:p%3a@h host:80 host:443 host:0 host:65535 host:65536 host:-1 host:a host:
host:00000080 a<b a>b a^b a|b a\\tb a\\nb ★ ℡.com ﷺ a／b é／b a？b é＃b ؜.com ‍.com ☃.net 👩‍💻.com aא.com אa.com 1א \\uD800 \\uFFFD.com
xn--ls8h.la XN--LS8H.la ẞ.de ς.gr İ.com a。 。 . .. \\u0001 a"b é"b é\`b é{b} é^b é|b é%7f`.split(/\s+/);

const PATHS =
  `\\\\a\\\\b /%2e/%2E%2e/c /a/../../b /./. /a//b /a;b=c?d=e#f /?q=ü#ü ?x#y #z //evil.com/ /a%zz /a%00b /\\u00e9\\uD83D\\uDE00
/a|b /a^b /{}\`"<>' /C|/x /%c3%28 ?a=%zz&b='"<>\` #<>"\`\\u0000`.split(/\s+/);

const OTHERS = [
  "",
  " ",
  "http:",
  "http:/",
  "http://",
  "http:///",
  "http:a",
  "http:/a",
  "http:\\\\\\\\a\\\\b",
  "  http://a  ",
  "ht\\ntp://a",
  "//a",
  "/a",
  "a",
  "..",
  "?q",
  "#f",
  "file:",
  "file:///",
  "file://localhost/x",
  "file://host/x",
  "file:C|/x",
  "file:///C:/../..",
  "file:c:\\\\x",
  "FILE:/x",
  "mailto:a@b",
  "data:text/plain,x y #z ",
  "javascript:alert(1)",
  "blob:https://a.com/1",
  "blob:nope",
  "blob:file:///x",
  "about:blank",
  "foo://host:80/p?q#f",
  "foo:opaque",
  "foo:/a/b",
  "foo:////a",
  "foo://%41/",
  "foo://é/",
  "foo://a b/",
  "foo:// /",
  "foo://[::1]/",
  "foo://u:p@h/",
  "foo:",
  "ws://a:80",
  "wss://a:443",
  "ftp://a:21",
  "http://a:21",
  "gopher://a:70/",
  "1http://a",
  "-a:b",
  "a.b+c-d:e",
  "\\u00e9:x",
  "http://a/ b?c d#e f",
  "http://u@v@w",
  "http://u:p:q@w",
  "http://a?b?c#d#e",
  "http://a/%7Efoo/../%7ebar",
  "tel:1234",
  "urn:ietf:rfc:2648",
  "https://ex\\tample.com",
  "h\\tttp://x",
  "http://\\u0000",
  "http://a\\u00A0b",
  "http://a/\\uDC00\\uD800",
  "non-special:..",
  "non-special:/..//p",
  "web+demo:/.//not-a-host/",
];

const BASES = [
  "https://u:p@base.example:8080/x/y?q#f",
  "file:///C:/d/e",
  "mailto:x@y",
  "foo://h/a/b",
  "foo:/.//p",
];

/** Everything one can read of a URL; `null` when it does not parse. */
const READ = `(u) => u && [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname,
  u.search, u.hash, [...u.searchParams], String(u), JSON.stringify(u)]`;

let guest: GuestIsolate;
before(async () => {
  guest = await GuestIsolate.create();
});
after(() => guest[Symbol.dispose]());

/** The tables spell odd characters as escapes, which are left to the literal. */
function literal(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

function same(code: string): void {
  assert.equal(guest.eval(code), evalInNode(code), code);
}

test("URL() parses hosts like Node, however they are spelt", () => {
  for (const host of HOSTS) {
    for (const url of [`https://${host}/`, `foo://${host}/`]) same(`(${READ})(URL.parse(${literal(url)}))`);
  }
});

test("URL() parses paths, queries and fragments like Node", () => {
  for (const path of PATHS) {
    for (const start of ["https://h", "foo://h", "foo:", "file:"])
      same(`(${READ})(URL.parse(${literal(start + path)}))`);
  }
});

test("URL() resolves against a base like Node", () => {
  for (const input of [...OTHERS, ...PATHS]) {
    same(`(${READ})(new URL(${literal(input)}))`);
    same(`URL.canParse(${literal(input)})`);
    for (const base of BASES) same(`(${READ})(URL.parse(${literal(input)}, "${base}"))`);
  }
});

test("URL() asks the host about names that are not ASCII, and about no others", () => {
  guest.asked.length = 0;
  assert.equal(guest.text("new URL('https://EXAMPLE.com:8/1.2').href"), "https://example.com:8/1.2");
  assert.equal(guest.text("new URL('https://xn--bcher-kva.example').host"), "xn--bcher-kva.example");
  assert.deepEqual(guest.asked, []);
  assert.equal(guest.text("new URL('https://１２７.1').host"), "127.0.0.1");
  assert.equal(guest.text("new URL('https://bücher.example').host"), "xn--bcher-kva.example");
  assert.deepEqual(guest.asked, ["１２７.1", "bücher.example"]);
});

test("toASCII() refuses names that the host would cut short", () => {
  guest.asked.length = 0;
  for (const domain of ["a/é", "é\\\\x", "é:80", "u@é", "é?x", "é#x", "a\\té", " é", "é%41", "[é"]) {
    assert.equal(guest.eval(`toASCII("${domain}")`), "null", domain);
  }
  assert.deepEqual(guest.asked, []);
});

test("URL setters do what Node's do", () => {
  const values = [
    "",
    "x",
    "X:y",
    "a b",
    "é",
    "#f",
    "?q",
    "/p",
    "//h",
    "80",
    "443",
    "0",
    "65536",
    "8a",
    "h:81",
    "[::1]",
    "2130706433",
    "%41",
    "javascript",
    "https",
    "foo",
    "\\\\a",
    "a@b",
    "\\t",
    "..",
    "%zz",
    "a&b=c",
  ];
  const urls = [
    "https://u:p@h:1/p?q#f",
    "file:///x",
    "mailto:x",
    "foo://h/p",
    "foo:/p",
    "data:a b#c",
    "http://h",
  ];
  for (const property of [
    "href",
    "protocol",
    "username",
    "password",
    "host",
    "hostname",
    "port",
    "pathname",
    "search",
    "hash",
  ]) {
    for (const url of urls) {
      for (const value of values) {
        same(`const u = new URL("${url}"); u.${property} = "${value}"; return (${READ})(u);`);
      }
    }
  }
});

test("URLSearchParams does what Node's does", () => {
  const inits = [
    `""`,
    `"?a=1&b=2"`,
    `"a=%zz&b=+ +&c"`,
    `"=&&=a&b="`,
    `"é=\\uD800&%C3%28=%F0%9F%98%80"`,
    `[["a", "1"], ["a", "2"]]`,
    `{ b: 1, a: "x y" }`,
    `new URLSearchParams("q=1")`,
    `new Map([["k", "v"]])`,
    `[["a"]]`,
    `5`,
    `null`,
    `undefined`,
    `"a=1;b=2"`,
    `"*-._~!'()"`,
  ];
  const steps = [
    "",
    `p.append("a", "b c")`,
    `p.set("a", 9)`,
    `p.delete("a")`,
    `p.delete("a", "1")`,
    `p.sort()`,
    `p.append("é", "&=+%")`,
  ];
  for (const init of inits) {
    for (const step of steps) {
      same(
        `const p = new URLSearchParams(${init}); ${step}; return [String(p), p.size, [...p], [...p.keys()], [...p.values()], p.get("a"), p.getAll("a"), p.has("a"), p.has("a", "1")];`,
      );
    }
  }
  for (const step of steps) {
    same(
      `const u = new URL("https://h/?a=1&a=2#f"); const p = u.searchParams; ${step}; return [u.href, u.searchParams === p];`,
    );
  }
  same(`const u = new URL("https://h/?a=1"); const p = u.searchParams; u.search = "?b=2"; return [...p];`);
  same(`const seen = []; new URLSearchParams("a=1&b=2").forEach((v, k) => seen.push(k + v)); return seen;`);
});

test("URL classes look like the platform's", () => {
  for (const code of [
    "[URL.name, URLSearchParams.name, URL.length, URLSearchParams.length]",
    "[String(URL.prototype[Symbol.toStringTag]), Object.prototype.toString.call(new URLSearchParams())]",
    "Object.keys(URL.prototype).sort()",
    "new URL('x')",
    "URL('https://a')",
    "URL.prototype.href",
    "new URL()",
    "new (class Mine extends URL {})('https://a').constructor.name",
    "new URL('https://a') instanceof URL",
    "new URL(new URL('https://a/b'), undefined).href",
    "new URL({ toString: () => 'https://a' }).href",
    "new URL('https://a', Symbol())",
    "structuredClone(new URL('https://a'))",
  ]) {
    same(code);
  }
  assert.equal(guest.eval("'createObjectURL' in URL || 'webkitURL' in globalThis"), "false");
});

test("URL can be loaded late, whatever the task has done to the globals it is made with", async () => {
  const script = await bundleGuest(`
    import { installLazy } from "./lazy.ts";
    installLazy(globalThis, ["URL", "URLSearchParams"], () => require("./url.ts"));`);
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  try {
    const context = isolate.createContextSync();
    context.evalSync("delete globalThis.SharedArrayBuffer; globalThis.TextEncoder = class Mine {};");
    context.evalSync(script);
    assert.equal(
      context.evalSync("typeof Object.getOwnPropertyDescriptor(globalThis, 'URL').get"),
      "function",
    );
    assert.equal(context.evalSync("new URL('/é?q=ü', 'https://h').href"), "https://h/%C3%A9?q=%C3%BC");
    assert.equal(context.evalSync("new URL('https://h/?a=1').searchParams instanceof URLSearchParams"), true);
    const globals = "[typeof SharedArrayBuffer, TextEncoder.name, typeof TextDecoder, URL.name].join()";
    assert.equal(context.evalSync(globals), "undefined,Mine,undefined,URL");
  } finally {
    isolate.dispose();
  }
});
