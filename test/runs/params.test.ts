import assert from "node:assert/strict";
import { test } from "node:test";
import type { ParamSpec } from "../../manifest/manifest.ts";
import { resolveParams, type GivenParam } from "../../runs/params.ts";

const spec = (given: Partial<ParamSpec>): ParamSpec => ({
  type: "string",
  required: false,
  default: undefined,
  enum: undefined,
  description: undefined,
  ...given,
});

const specs = new Map<string, ParamSpec>([
  ["mode", spec({ enum: ["daily", "full"], default: "full" })],
  ["limit", spec({ type: "number", default: 10 })],
  ["dry", spec({ type: "boolean" })],
  ["filter", spec({ type: "json" })],
]);

const ACCEPTED: readonly [string, Record<string, GivenParam>, object][] = [
  ["nothing: the defaults", {}, { mode: "full", limit: 10 }],
  ["text as a string", { mode: { text: "daily" } }, { mode: "daily", limit: 10 }],
  ["text as a number", { limit: { text: "-1.5e3" } }, { mode: "full", limit: -1500 }],
  ["text as a boolean", { dry: { text: "false" } }, { mode: "full", limit: 10, dry: false }],
  ["text as JSON", { filter: { text: '{"a":[1]}' } }, { mode: "full", limit: 10, filter: { a: [1] } }],
  [
    "values of the type",
    { limit: { value: 0 }, dry: { value: true } },
    { mode: "full", limit: 0, dry: true },
  ],
  ["null as JSON", { filter: { value: null } }, { mode: "full", limit: 10, filter: null }],
];

for (const [what, given, expected] of ACCEPTED) {
  test(`resolveParams() takes ${what}`, () => {
    assert.deepEqual({ ...resolveParams(specs, new Map(Object.entries(given))) }, expected);
  });
}

const REFUSED: readonly [string, Record<string, GivenParam>, RegExp][] = [
  [
    "a param that is not declared, with the one that is meant",
    { lmit: { text: "1" } },
    /no param "lmit"; did you mean "limit"/,
  ],
  ["a name far from any", { zzzzzz: { text: "1" } }, /declare it under params:/],
  ["text that is no number", { limit: { text: "ten" } }, /param "limit" is not a number/],
  ["an empty number", { limit: { text: " " } }, /param "limit" is not a number/],
  ["an infinite number", { limit: { text: "1e999" } }, /param "limit" is not a number/],
  ["text that is no boolean", { dry: { text: "yes" } }, /param "dry" is not a boolean/],
  ["text that is no JSON", { filter: { text: "{" } }, /param "filter" is not a json/],
  ["a value of another type", { limit: { value: "10" } }, /param "limit" is not a number/],
  ["a value outside the enum", { mode: { text: "weekly" } }, /must be "daily" or "full"/],
  ["a name of the prototype", { __proto__x: { text: "1" }, constructor: { text: "1" } }, /there is no param/],
];

for (const [what, given, message] of REFUSED) {
  test(`resolveParams() refuses ${what}`, () => {
    assert.throws(() => resolveParams(specs, new Map(Object.entries(given))), {
      code: "PARAM_INVALID",
      message,
    });
  });
}

test("resolveParams() names everything that is wrong at once", () => {
  const given = new Map<string, GivenParam>([
    ["limit", { text: "x" }],
    ["nope", { text: "x" }],
  ]);
  const required = new Map([...specs, ["key", spec({ required: true })]]);
  assert.throws(
    () => resolveParams(required, given),
    (error: Error & { hints?: string[] }) => [error.message, ...(error.hints ?? [])].length === 3,
  );
});

test("resolveParams() keeps a param called __proto__ a param", () => {
  const params = resolveParams(new Map([["__proto__", spec({})]]), new Map([["__proto__", { text: "x" }]]));
  assert.deepEqual(Object.keys(params), ["__proto__"]);
  assert.equal(({} as { x?: unknown }).x, undefined);
});
