/** Every way of printing a Secret yields its name; the value leaves by `bytes` and `text()` alone. */
import assert from "node:assert/strict";
import { Console } from "node:console";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { format, formatWithOptions, inspect } from "node:util";
import { deserialize, serialize } from "node:v8";
import { AppError, toAppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";

const VALUE = "canary-7f3a-not-a-real-secret";
const FORMS = [VALUE, Buffer.from(VALUE).toString("base64"), Buffer.from(VALUE).toString("hex")];

const secret = (): Secret => new Secret("TOKEN", Buffer.from(VALUE));

/** Bytes of a Buffer print as `63 61 6e`, so spaces and commas are taken out before looking. */
function assertSilent(printed: string): void {
  const bytes = [...Buffer.from(VALUE)].join(",");
  for (const form of FORMS) {
    assert.ok(!printed.includes(form), printed);
    assert.ok(!printed.replaceAll(/\s/g, "").includes(form), printed);
  }
  assert.ok(!printed.replaceAll(/\s/g, "").includes(bytes), printed);
}

function consoleOutput(value: unknown): string {
  const stream = new PassThrough();
  const output = new Console({ stdout: stream, stderr: stream });
  output.log(value);
  output.log("%s %o %O %j", value, value, value, value);
  output.dir(value, { showHidden: true, depth: null });
  output.table([value]);
  return String(stream.read());
}

const printed: Readonly<Record<string, (value: Secret) => string>> = {
  "String()": (value) => String(value),
  "toString()": (value) => value.toString(),
  // oxlint-disable-next-line typescript/restrict-template-expressions -- the mistake that must stay harmless
  "a template literal": (value) => `${value}`,
  "Symbol.toPrimitive": (value) => value[Symbol.toPrimitive](),
  "toLocaleString()": (value) => value.toLocaleString(),
  "Array.join()": (value) => [value].join(),
  "JSON.stringify()": (value) => JSON.stringify(value),
  "JSON.stringify() of a holder": (value) => JSON.stringify({ deep: [{ value }] }),
  "inspect()": (value) => inspect(value),
  "inspect() with every option": (value) =>
    inspect(value, { showHidden: true, depth: null, getters: true, showProxy: true }),
  "inspect() of a holder": (value) =>
    inspect({ a: [new Map([["k", value]])] }, { showHidden: true, depth: null }),
  "inspect() of a proxy": (value) => inspect(new Proxy(value, {}), { showProxy: true, showHidden: true }),
  "inspect() without custom inspectors": (value) =>
    inspect(value, { customInspect: false, showHidden: true, depth: null, getters: false }),
  "format()": (value) => format("%s %o %O %j %d", value, value, value, value, value),
  "formatWithOptions()": (value) => formatWithOptions({ showHidden: true }, "%O", { value }),
  "console.*": consoleOutput,
  // oxlint-disable-next-line typescript/no-misused-spread -- the same
  spread: (value) => inspect({ ...value }, { showHidden: true, depth: null }),
  "Object.assign()": (value) => inspect(Object.assign({}, value), { showHidden: true, depth: null }),
  "Object.entries()": (value) => inspect(Object.entries(value)),
  "for … in": (value) => {
    const seen: unknown[] = [];
    for (const key in value) seen.push(key, Reflect.get(value, key));
    return inspect(seen);
  },
  "own property descriptors": (value) => inspect(Object.getOwnPropertyDescriptors(value), { depth: null }),
  "the cause of an Error": (value) => inspect(new Error("failed", { cause: value }), { showHidden: true }),
  "the cause of an AppError": (value) => {
    const error = new AppError("INTERNAL", "failed", { cause: value });
    return inspect(error, { depth: null }) + String(error) + (error.stack ?? "") + JSON.stringify(error);
  },
  "being thrown": (value) => {
    const error = toAppError(value);
    return `${inspect(error, { depth: null })} ${error.message}`;
  },
  "an AssertionError": (value) => {
    try {
      assert.deepStrictEqual({ value }, { value: "something else" });
      return assert.fail("the two differ");
    } catch (error) {
      return inspect(error, { depth: null });
    }
  },
  "the stack of an error in a callback": (value) => {
    try {
      return [value].map((item) => Reflect.get(item, "missing").deeper).join();
    } catch (error) {
      return inspect(error);
    }
  },
};

for (const [way, print] of Object.entries(printed)) {
  test(`Secret does not print, through ${way}`, () => {
    assertSilent(print(secret()));
  });
}

test("assertSilent() fails on a value that does print", () => {
  for (const leak of [
    VALUE,
    FORMS[1],
    FORMS[2],
    inspect(Buffer.from(VALUE)),
    [...Buffer.from(VALUE)].join(", "),
  ]) {
    assert.throws(() => assertSilent(`before ${leak} after`));
  }
});

test("Secret names itself where a value was expected", () => {
  const value = secret();
  assert.equal(String(value), "[SECRET:TOKEN]");
  assert.equal(JSON.stringify({ value }), '{"value":"[SECRET:TOKEN]"}');
  assert.equal(inspect({ value }), "{ value: [SECRET:TOKEN] }");
});

test("structuredClone() and v8.serialize() of a Secret carry no value", () => {
  const value = secret();
  assertSilent(inspect(structuredClone(value), { showHidden: true, depth: null }));
  const bytes = serialize({ value });
  assert.ok(!bytes.includes(VALUE));
  assertSilent(inspect(deserialize(bytes), { showHidden: true, depth: null }));
});

test("Secret.bytes and Secret.text() give the value", () => {
  const value = secret();
  assert.equal(value.text(), VALUE);
  assert.equal(value.bytes.toString(), VALUE);
});

test("Secret.wipe() zeroes the very bytes it was given, also when called twice", () => {
  const bytes = Buffer.from(VALUE);
  const value = new Secret("TOKEN", bytes);
  value.wipe();
  value.wipe();
  assert.deepEqual(bytes, Buffer.alloc(VALUE.length));
  assert.equal(value.text(), "\0".repeat(VALUE.length));
});

test("Secret is wiped at the end of a using block, when the block throws as well", () => {
  const bytes = Buffer.from(VALUE);
  assert.throws(() => {
    using value = new Secret("TOKEN", bytes);
    throw new Error(value.name);
  }, /^Error: TOKEN$/);
  assert.deepEqual(bytes, Buffer.alloc(VALUE.length));
});

test("Secret.isText says whether a variable can hold the value", () => {
  const isText = (bytes: Buffer): boolean => new Secret("K", bytes).isText;
  assert.equal(isText(Buffer.from("grüße")), true);
  assert.equal(isText(Buffer.from([0xff, 0xfe])), false);
  assert.equal(isText(Buffer.from("a\0b")), false);
});
