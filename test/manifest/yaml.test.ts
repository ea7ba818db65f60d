import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_YAML_ALIASES,
  MAX_YAML_BYTES,
  MAX_YAML_NESTING,
  MAX_YAML_TOKENS,
  MAX_YAML_VALUES,
  parseYaml,
} from "../../manifest/yaml.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function codes(text: string): string[] {
  return parseYaml(bytes(text), "t.yaml").problems.map(({ code }) => code);
}

test("parseYaml() holds each limit, at the limit and one past it", () => {
  const long = (size: number): string => `a: ${"x".repeat(size - 3)}`;
  assert.deepEqual(codes(long(MAX_YAML_BYTES)), []);
  assert.deepEqual(codes(long(MAX_YAML_BYTES + 1)), ["MANIFEST_TOO_LARGE"]);

  const flow = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`;
  const block = (depth: number): string =>
    Array.from({ length: depth }, (_, at) => `${" ".repeat(at)}a:\n`).join("");
  for (const nest of [flow, block]) {
    assert.deepEqual(codes(nest(MAX_YAML_NESTING)), []);
    assert.deepEqual(codes(nest(MAX_YAML_NESTING + 1)), ["MANIFEST_SYNTAX"]);
  }

  const aliases = (count: number): string => `a: &v x\nb: [${"*v,".repeat(count)}]`;
  assert.deepEqual(codes(aliases(MAX_YAML_ALIASES)), []);
  assert.deepEqual(codes(aliases(MAX_YAML_ALIASES + 1)), ["MANIFEST_ALIASES"]);

  // "[" and "]" and, for each item, the mark of a scalar, the scalar and a comma.
  const tokens = (items: number): string => `[${"1,".repeat(items)}]`;
  const most = Math.floor((MAX_YAML_TOKENS - 10) / 3);
  assert.deepEqual(codes(tokens(most)), []);
  assert.deepEqual(codes(tokens(most + 10)), ["MANIFEST_TOO_LARGE"]);

  const repeated = (size: number): string => `a: &v [${"1,".repeat(size)}]\nb: [*v,*v,*v,*v,*v,*v,*v,*v,*v]`;
  assert.deepEqual(codes(repeated(MAX_YAML_VALUES / 10 - 10)), []);
  assert.deepEqual(codes(repeated(MAX_YAML_VALUES / 10 + 10)), ["MANIFEST_ALIASES"]);
});

test("parseYaml() finds keys and values, also behind an alias, quoted, or after a byte order mark", () => {
  const text = 'a: &v\n  b: 1\n  "c d": [x, { e: y }]\nf: *v\ng:\n? h\n: i\n';
  const { document, problems } = parseYaml(bytes(`\ufeff${text}`), "t.yaml");
  assert.ok(document !== undefined);
  assert.deepEqual(problems, []);
  const at = (path: PropertyKey[], part?: "key" | "value"): string => {
    const { file, line, column } = document.at(path, part);
    return `${file}:${line}:${column}`;
  };
  assert.equal(at(["a", "b"]), "t.yaml:2:6");
  assert.equal(at(["a", "b"], "key"), "t.yaml:2:3");
  assert.equal(at(["a", "c d", 1, "e"]), "t.yaml:3:19");
  assert.equal(at(["f"]), "t.yaml:4:4");
  assert.equal(at(["f", "c d", 0]), "t.yaml:3:11");
  assert.equal(at(["g"]), "t.yaml:5:1");
  assert.equal(at(["h"]), "t.yaml:7:3");
  assert.equal(at(["a", "nowhere", 3]), "t.yaml:2:3");
});

test("parseYaml() reads YAML 1.2, where yes is text, 010 is ten and a date is text", () => {
  const { document } = parseYaml(
    bytes("a: yes\nb: 010\nc: 2027-01-31\nd: 0x10\ne: ~\n1: one\ntrue: t\n"),
    "t",
  );
  assert.deepEqual(
    { ...Object(document?.value) },
    { a: "yes", b: 10, c: "2027-01-31", d: 16, e: null, "1": "one", true: "t" },
  );
});

test("parseYaml() gives mappings without a prototype, so that no key is special", () => {
  const { document } = parseYaml(bytes("constructor: 1\ntoString: 2\n"), "t");
  assert.equal(Object.getPrototypeOf(document?.value), null);
});
