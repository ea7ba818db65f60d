import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isCommonWord, unmaskable } from "../../base/maskable.ts";
import { quote } from "../../base/text.ts";
import { formsOf } from "../../secrets/forms.ts";
import { Redactor } from "../../secrets/redact.ts";

const CANARY = "canary-7f3a-not-a-real-secret";
const TOKEN = "[REDACTED:SECRET_API]";

function redactorOf(...values: readonly (string | Uint8Array)[]): Redactor {
  return new Redactor(
    values.map((value, index) => ({ name: index === 0 ? "API" : `B${index}`, bytes: toBytes(value) })),
  );
}

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}

/** Writes `text` in chunks of `size` bytes. */
function streamed(redactor: Redactor, text: string, size: number): string {
  const bytes = Buffer.from(text);
  const stream = redactor.stream();
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(stream.push(bytes.subarray(at, at + size)));
  return Buffer.concat([...out, stream.end()]).toString();
}

/** Bytes of buffers that are really in use. */
function buffersInUse(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  assert.ok(typeof collect === "function");
  // Twice: the first pass finds dead buffers, their memory goes after it.
  for (let pass = 0; pass < 2; pass++) collect();
  return process.memoryUsage().arrayBuffers;
}

const PEM = [
  "-----BEGIN PRIVATE KEY-----",
  "Y2FuYXJ5LTdmM2Etbm90LWEtcmVhbC1zZWNyZXQtbGluZS1vbmU",
  "Y2FuYXJ5LTdmM2Etbm90LWEtcmVhbC1zZWNyZXQtbGluZS10d28",
  "-----END PRIVATE KEY-----",
  "",
].join("\n");

test("Redactor.redactText() replaces a value wherever it stands, and nothing else", () => {
  using redactor = redactorOf(CANARY);
  assert.equal(redactor.redactText(`a ${CANARY}${CANARY} z`), `a ${TOKEN}${TOKEN} z`);
  assert.equal(redactor.redactText(CANARY), TOKEN);
  assert.equal(redactor.redactText(CANARY.slice(0, -1)), CANARY.slice(0, -1));
  const lone = "lone \ud800 surrogate";
  assert.equal(redactor.redactText(lone), lone);
});

test("Redactor.redactText() replaces every spelling of a value", () => {
  const value = `pä"ss'w\\o/rd <&> 100% x=${CANARY}\ttail\u0001\nnext line`;
  using redactor = redactorOf(`  ${value}\n`);
  const bytes = Buffer.from(value);
  const percent = (text: string): string => text.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const url = new URL("https://user@h.test/");
  url.searchParams.set("q", value.trim());
  const spellings: Record<string, string> = {
    raw: value,
    windows: value.replaceAll("\n", "\r\n"),
    json: JSON.stringify(value).slice(1, -1),
    jsonSlash: JSON.stringify(value).slice(1, -1).replaceAll("/", "\\/"),
    jsonHtml: JSON.stringify(value)
      .slice(1, -1)
      .replaceAll(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
    jsonAscii: JSON.stringify(value).slice(1, -1).replaceAll("ä", "\\u00e4"),
    inspect: inspect(value, { breakLength: Infinity }).slice(1, -1),
    component: encodeURIComponent(value),
    componentLower: percent(encodeURIComponent(value)),
    uri: encodeURI(value),
    form: new URLSearchParams({ q: value }).toString().slice(2),
    formLower: percent(new URLSearchParams({ q: value }).toString().slice(2)),
    base64: bytes.toString("base64").replace(/=+$/, "").slice(0, -1),
    hex: bytes.toString("hex"),
    hexUpper: bytes.toString("hex").toUpperCase(),
    xml: value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
    html: value
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;"),
    shell: value.replaceAll("'", "'\\''"),
  };
  for (const [name, spelling] of Object.entries(spellings)) {
    assert.equal(redactor.redactText(`<${spelling}>`), `<${TOKEN}>`, name);
  }
});

test("Redactor.redactText() replaces a value inside base64 in every phase, with both alphabets", () => {
  using redactor = redactorOf(`${CANARY}\u00ff?>`);
  for (const lead of ["", "u", "us", "user:", "user-2:"]) {
    for (const tail of ["", "x", "@host", "@host/database"]) {
      for (const alphabet of ["base64", "base64url"] as const) {
        const encoded = Buffer.from(`${lead}${CANARY}\u00ff?>${tail}`).toString(alphabet);
        const shown = redactor.redactText(encoded);
        assert.match(shown, /\[REDACTED:SECRET_API\]/, `${lead}|${tail}`);
        assert.doesNotMatch(
          Buffer.from(shown.replaceAll(TOKEN, ""), "base64").toString("latin1"),
          /7f3a|secret/,
        );
      }
    }
  }
});

test("Redactor.redactText() replaces a URL's query, path and password as URL writes them", () => {
  const value = "p ä's\"w<o>rd{1}|^`#x";
  using redactor = redactorOf(value);
  const url = new URL("https://h.test/");
  url.search = value.replaceAll("#", "%23");
  url.password = value;
  url.username = "u";
  url.pathname = `/${value}`;
  const shown = redactor.redactText(`${url.password} ${url.pathname}`);
  assert.equal(shown, `${TOKEN} /${TOKEN}`);
});

test("Redactor replaces a PEM key whole, by line, without breaks and indented, but not its armour", () => {
  using redactor = redactorOf(PEM);
  const [first = "", one = "", two = ""] = PEM.split("\n");
  for (const text of [PEM.trim(), one, `    ${two}`, `${one}${two}`, PEM.trim().replaceAll("\n", "\\n")]) {
    const shown = redactor.redactText(text);
    assert.match(shown, /REDACTED/);
    assert.doesNotMatch(shown, /Y2FuYXJ5|bGluZS/);
  }
  assert.equal(redactor.redactText(first), first);
  for (const size of [1, 7, 64]) assert.equal(streamed(redactor, `a ${PEM.trim()} b`, size), `a ${TOKEN} b`);
});

test("Redactor replaces the leaves of a JSON value and the password of a DSN", () => {
  using account = redactorOf(JSON.stringify({ id: 7, key: PEM, nested: [{ token: CANARY }], short: "abc" }));
  assert.equal(account.redactText(`got ${CANARY}`), `got ${TOKEN}`);
  assert.doesNotMatch(account.redactText(PEM), /Y2FuYXJ5/);
  assert.equal(account.redactText("abc"), "abc");
  for (const dsn of [`postgres://app:${CANARY}@db.test:5432/x`, `app:${CANARY}`, `redis://:${CANARY}@r`]) {
    using redactor = redactorOf(dsn);
    assert.equal(redactor.redactText(`with ${CANARY}.`), `with ${TOKEN}.`, dsn);
  }
  using hook = redactorOf("https://hooks.test/services/fake");
  assert.equal(hook.redactText("//hooks.test/services/other"), "//hooks.test/services/other");
});

test("Redactor replaces a trailing-newline value where it is used without one", () => {
  using redactor = redactorOf(`${CANARY}\n`);
  assert.equal(redactor.redactText(`Bearer ${CANARY} x`), `Bearer ${TOKEN} x`);
});

test("Redactor finds values of 4 and 5 bytes only as whole words", () => {
  using redactor = redactorOf("x7q2", "-q9-z");
  assert.equal(
    redactor.redactText("x7q2 ax7q2 x7q2b _x7q2 (x7q2) éx7q2é"),
    `${TOKEN} ax7q2 x7q2b _x7q2 (${TOKEN}) é${TOKEN}é`,
  );
  assert.equal(redactor.redactText("a-q9-z"), "a[REDACTED:SECRET_B1]");
  for (const size of [1, 2, 3]) {
    assert.equal(streamed(redactor, "ax7q2 x7q2 x7q2b x7q2", size), `ax7q2 ${TOKEN} x7q2b ${TOKEN}`);
  }
});

test("Redactor.unmaskable names values too short or too common, which pass unchanged", () => {
  using redactor = redactorOf("abc", "true", "  ab  ", "Password\n", CANARY);
  assert.deepEqual(redactor.unmaskable, ["API", "B1", "B2", "B3"]);
  assert.equal(redactor.redactText("abc true Password"), "abc true Password");
  assert.equal(redactor.redactText(CANARY), "[REDACTED:SECRET_B4]");
  assert.equal(unmaskable(Buffer.from("abc")), "too short");
  assert.equal(unmaskable(Buffer.from("admin")), "too common");
  assert.equal(unmaskable(Buffer.from("x7q2")), undefined);
  assert.ok(isCommonWord("REDACTED"));
  assert.deepEqual(formsOf(Buffer.from("none")), []);
});

test("Redactor labels a stretch of overlapping values by the longest, and touching values apart", () => {
  using redactor = redactorOf("abcdef", "defghij", "klmnop");
  assert.equal(redactor.redactText("abcdefghijklmnop"), "[REDACTED:SECRET_B1][REDACTED:SECRET_B2]");
  using twins = new Redactor([
    { name: "Z", bytes: Buffer.from(CANARY) },
    { name: "A", bytes: Buffer.from(CANARY) },
  ]);
  assert.equal(twins.redactText(CANARY), "[REDACTED:SECRET_A]");
});

test("Redactor does not redact its own marks again", () => {
  using redactor = redactorOf("*****x*****", "SECRET_API", CANARY);
  assert.equal(redactor.redactText(`${CANARY} *****x*****`), "[REDACTED:SECRET_B2] [REDACTED:SECRET_API]");
});

test("Redactor.redactText() replaces the beginning of a value that was cut off", () => {
  const long = `canary-not-a-real-secret-${"0123456789".repeat(30)}`;
  using redactor = redactorOf(long, "other-canary-7f3a-not-real");
  const token = "[REDACTED:PARTIAL]";
  const base64 = Buffer.from(long).toString("base64");
  for (const [text, expected] of [
    [quote(`x ${long}`, 80), `"x ${token}… (247 more characters)"`],
    [`${JSON.stringify(long.slice(0, 100))}… 225 more characters`, `"${token}"… 225 more characters`],
    [`${base64.slice(0, 90)}…`, `${token}…`],
    [`${long.slice(0, 9)}… and ${long.slice(0, 20)}…`, `${token}… and ${token}…`],
    [`${long} ${long.slice(0, 50)}…`, `${TOKEN} ${token}…`],
    // Too little to tell anything, and what no cut follows.
    [`${long.slice(0, 7)}…`, `${long.slice(0, 7)}…`],
    [`canary-not-a-real thing…`, `canary-not-a-real thing…`],
    [long.slice(0, 50), long.slice(0, 50)],
  ] as const) {
    assert.equal(redactor.redactText(text), expected);
  }
});

test("RedactStream masks a self-overlapping value for every cut in two and in three", () => {
  for (const [value, text] of [
    ["hunter2hunter3X", "log hunter2hunter2hunter3X end"],
    ["AKIA9xyz12345", "AKIAKIA9xyz12345"],
  ] as const) {
    using redactor = redactorOf(value);
    const expected = text.replace(value, TOKEN);
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const stream = redactor.stream();
        const parts = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        const out = [...parts.map((part) => stream.push(Buffer.from(part))), stream.end()];
        assert.equal(Buffer.concat(out).toString(), expected);
      }
    }
  }
});

test("RedactStream.push() lets go of what can no longer match, and end() of the unterminated rest", () => {
  using redactor = redactorOf(CANARY);
  const stream = redactor.stream();
  assert.equal(stream.push(Buffer.from("progress 50% ")).toString(), "progress 50% ");
  assert.equal(stream.push(Buffer.from("canary-7f3a")).toString(), "");
  assert.equal(stream.push(Buffer.from(" no")).toString(), "canary-7f3a no");
  assert.equal(stream.push(Buffer.from("canary-")).toString(), "");
  assert.equal(stream.end().toString(), "canary-");
  assert.equal(stream.push(Buffer.from(`not-a ${CANARY}`)).toString(), "not-a ");
  assert.equal(stream.end().toString(), TOKEN);
});

test("RedactStream.push() holds no more than one value when its matches overlap without end", () => {
  using redactor = redactorOf("aaaaaaaa");
  const stream = redactor.stream();
  const chunk = Buffer.alloc(64 * 1024, "a");
  let out = 0;
  const before = buffersInUse();
  for (let index = 0; index < 256; index++) out += stream.push(chunk).length;
  assert.equal(out, 0);
  assert.ok(buffersInUse() - before < 1024 * 1024, "the covered bytes were kept");
  assert.equal(stream.push(Buffer.from("b")).toString(), `${TOKEN}b`);
});

test("Redactor.add() masks a late value from the next byte on, also in what a stream holds back", () => {
  using redactor = redactorOf("late-canary-prefix-and-more");
  const stream = redactor.stream();
  assert.equal(stream.push(Buffer.from("see late-canary-pref")).toString(), "see ");
  redactor.add("minted", Buffer.from("late-canary-pref!"));
  assert.equal(stream.push(Buffer.from("!.")).toString(), "[REDACTED:SECRET_minted].");
  assert.equal(redactor.redactText("late-canary-pref!"), "[REDACTED:SECRET_minted]");
  redactor.add("again", Buffer.from("late-canary-pref!"));
  assert.equal(redactor.redactText("late-canary-pref!"), "[REDACTED:SECRET_minted]");
});

test("Redactor.add() masks every spelling of a value that was only a part of another one so far", () => {
  const part = "canary-part-7f3a-not-real";
  using redactor = redactorOf(JSON.stringify({ access_token: part }));
  redactor.add("part", Buffer.from(part));
  for (const encoding of ["base64", "hex"] as const) {
    const spelled = Buffer.from(part).toString(encoding);
    assert.ok(!redactor.redactText(spelled).includes(spelled.slice(0, 16)), encoding);
  }
});

test("Redactor.add() takes many values in time that does not grow with their square", () => {
  using redactor = redactorOf(CANARY);
  const started = performance.now();
  for (let index = 0; index < 2000; index++)
    redactor.add("many", Buffer.from(`late-value-${index}-not-real`));
  assert.ok(performance.now() - started < 5000, "2000 late values took more than 5 s");
  for (const index of [0, 999, 1999]) {
    assert.equal(
      redactor.redactText(`late-value-${index}-not-real ${CANARY}`),
      `[REDACTED:SECRET_many] ${TOKEN}`,
    );
  }
});

test("Redactor.add() refuses values that would take the daemon's memory", () => {
  using redactor = redactorOf(CANARY);
  assert.throws(
    () => {
      for (let index = 0; index < 100; index++)
        redactor.add("big", Buffer.alloc(64 * 1024, `fake ${index} & `));
    },
    { code: "SECRETS_TOO_LARGE" },
  );
  assert.equal(redactor.redactText(CANARY), TOKEN);
});

test("Redactor makes a token of a name that could be mistaken for something else", () => {
  using redactor = new Redactor([{ name: "a]\u001b[31m b", bytes: Buffer.from(CANARY) }]);
  assert.equal(redactor.redactText(CANARY), "[REDACTED:SECRET_a___31m_b]");
});

test("Redactor.redactJson() changes strings, keys and numbers that hold a value, and keeps the rest", () => {
  using redactor = redactorOf(CANARY, "90210471");
  const shown = redactor.redactJson({
    ok: [true, null, 1.5, `x ${CANARY}`],
    [CANARY]: 1,
    [CANARY.toUpperCase()]: 2,
    [JSON.stringify(CANARY)]: { n: 90210471, m: 190210471 },
  });
  assert.deepEqual(JSON.parse(JSON.stringify(shown)), {
    ok: [true, null, 1.5, `x ${TOKEN}`],
    [TOKEN]: 1,
    [`"${TOKEN}"`]: { n: "[REDACTED:SECRET_B1]", m: "1[REDACTED:SECRET_B1]" },
    [CANARY.toUpperCase()]: 2,
  });
  const twins = redactor.redactJson({ [CANARY]: 1, [Buffer.from(CANARY).toString("hex")]: 2 });
  assert.deepEqual(Object.entries(twins ?? {}), [
    [TOKEN, 1],
    [`${TOKEN} (2)`, 2],
  ]);
});

test("Redactor.redactJson() refuses a value too deep to walk, and walks a wide one", () => {
  using redactor = redactorOf(CANARY);
  const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
  assert.throws(() => redactor.redactJson(deep), { code: "OUTPUT_INVALID" });
  assert.equal(redactor.contains(deep), false);
  const wide = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, index) => [`${CANARY}${index}`, CANARY]),
  );
  assert.equal(Object.keys(redactor.redactJson(wide) ?? {}).length, 20_000);
});

test("Redactor.redactError() changes message, stack and hints and keeps the code", () => {
  using redactor = redactorOf(CANARY);
  const error = {
    code: "TASK_THREW",
    message: `bad ${CANARY}`,
    stack: `Error: ${CANARY}\n at x`,
    hints: [CANARY],
  };
  assert.deepEqual(redactor.redactError(error), {
    code: "TASK_THREW",
    message: `bad ${TOKEN}`,
    stack: `Error: ${TOKEN}\n at x`,
    hints: [TOKEN],
  });
  const bare: { message: string; stack: string | undefined } = { message: "fine", stack: undefined };
  assert.deepEqual(redactor.redactError(bare), bare);
});

test("Redactor.contains() sees a value in bytes, leaves, keys and numbers", () => {
  using redactor = redactorOf(CANARY, "90210471", "x7q2");
  assert.equal(redactor.contains(Buffer.from(`..${CANARY}`)), true);
  assert.equal(redactor.contains({ a: [{ [CANARY]: 1 }] }), true);
  assert.equal(redactor.contains([90210471]), true);
  assert.equal(redactor.contains("ends with x7q2"), true);
  assert.equal(redactor.contains({ a: ["nothing", 1, null, true] }), false);
  assert.equal(redactor.contains(Buffer.from(CANARY.slice(1))), false);
});

test("Redactor without secrets gives back the very same things", () => {
  using redactor = new Redactor();
  const value = { a: [1] };
  const bytes = Buffer.from("bytes");
  assert.equal(redactor.redactJson(value), value);
  assert.equal(redactor.stream().push(bytes).buffer, bytes.buffer);
  assert.equal(redactor.contains("x"), false);
});

test("Redactor masks bytes that are no text, raw and encoded", () => {
  const bytes = Buffer.from([0xff, 0, 0x80, 7, 9, 0xfe, 1, 2, 3, 0xc0]);
  using redactor = redactorOf(bytes);
  const stream = redactor.stream();
  const out = Buffer.concat([stream.push(Buffer.concat([Buffer.from("a"), bytes])), stream.end()]);
  assert.equal(out.toString(), `a${TOKEN}`);
  assert.equal(redactor.redactText(bytes.toString("hex")), TOKEN);
});

test("Redactor[Symbol.dispose]() forgets the values", () => {
  const redactor = redactorOf(CANARY);
  redactor[Symbol.dispose]();
  assert.equal(redactor.redactText(CANARY), CANARY);
});

test("Redactor needs memory in proportion to its values", () => {
  const perByte = (kib: number): number => {
    const value = Buffer.alloc(kib * 1024);
    for (let index = 0; index < value.length; index++)
      value[index] = 33 + ((index * index * 31 + (index >> 7)) % 90);
    const before = buffersInUse();
    using redactor = redactorOf(value);
    assert.equal(redactor.unmaskable.length, 0);
    return (buffersInUse() - before) / value.length;
  };
  const small = perByte(16);
  const large = perByte(64);
  assert.ok(large < small * 1.3, `${large} bytes for each byte of a large value, ${small} of a small one`);
});
