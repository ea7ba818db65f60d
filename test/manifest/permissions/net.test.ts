import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseAddress, parseRange, rangeContains } from "../../../manifest/permissions/address.ts";
import type { NetRule } from "../../../manifest/permissions/net.ts";
import {
  covers,
  describeNetRule,
  hostPatternProblem,
  parseNetRule,
} from "../../../manifest/permissions/net.ts";

function rule(line: string): NetRule {
  const parsed = parseNetRule(line);
  if (!parsed.ok) assert.fail(`${line}: ${parsed.message}`);
  return parsed.rule;
}

suite("parseNetRule()", () => {
  const host = {
    kind: "host",
    scheme: "https",
    host: "api.github.com",
    wildcard: false,
    port: undefined,
    path: undefined,
  };
  const cases: readonly [string, string[] | undefined, object][] = [
    ["*", undefined, { kind: "any" }],
    ["GET *", ["GET"], { kind: "any" }],
    ["api.github.com", undefined, host],
    ["API.GitHub.com:8443", undefined, { ...host, port: 8443 }],
    ["*.example.com", undefined, { ...host, host: "example.com", wildcard: true }],
    ["localhost:3000", undefined, { ...host, host: "localhost", port: 3000 }],
    ["[::1]:3000", undefined, { ...host, host: "[::1]", port: 3000 }],
    ["127.0.0.1", undefined, { ...host, host: "127.0.0.1" }],
    ["https://api.github.com", undefined, host],
    ["https://api.github.com/", undefined, { ...host, path: [""] }],
    [
      "GET,POST https://api.github.com/repos/*/issues",
      ["GET", "POST"],
      { ...host, path: ["repos", "*", "issues"] },
    ],
    [
      "http://localhost:3000/**",
      undefined,
      { ...host, scheme: "http", host: "localhost", port: 3000, path: ["**"] },
    ],
    ["https://a.io//x", undefined, { ...host, host: "a.io", path: ["", "x"] }],
  ];
  for (const [line, methods, target] of cases) {
    test(`reads ${line}`, () => {
      const read = rule(line);
      assert.deepEqual(read.methods && [...read.methods], methods);
      assert.deepEqual(read.target, target);
    });
  }

  test("reads ranges with and without a port", () => {
    for (const [line, prefix, port] of [
      ["ip:10.0.0.0/8", 8, undefined],
      ["ip:10.0.0.5:8080", 32, 8080],
      ["ip:10.0.0.0/8:8080", 8, 8080],
      ["ip:fd00::/8", 8, undefined],
      ["ip:[fd00::1]:8080", 128, 8080],
    ] as const) {
      const { target } = rule(line);
      assert.ok(target.kind === "ip");
      assert.deepEqual([target.range.prefix, target.port], [prefix, port]);
    }
  });

  for (const line of [
    "",
    " a.io",
    "a.io ",
    "a.io b.io c.io",
    "GET  a.io",
    "GET,  a.io",
    "TRACE a.io",
    "GET",
    "a.io/x",
    "//a.io",
    "https://",
    "https:///x",
    "ws://a.io",
    "file:///etc/passwd",
    "a.io:0",
    "a.io:99999",
    "a.io:",
    "a.io:8o",
    "*.",
    "*.*.io",
    "*.127.0.0.1",
    "a..io",
    ".a.io",
    "a.io.",
    "-a.io",
    "1",
    "127.1",
    "0x7f000001",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "１２７.0.0.1",
    "a。io",
    "bücher.example",
    "::1",
    "[::1",
    "[fe80::1%25eth0]",
    "[0:0:0:0:0:0:0:1]",
    "https://a.io/x#y",
    "https://a.io/..",
    "https://a.io/.",
    "https://a.io/%2E",
    "https://a.io/%5c",
    "https://a.io/a;b",
    "https://a.io/a\\b",
    "https://a.io/a b",
    "https://a.io/é",
    "https://a.io/***",
    "ip:",
    "ip:*",
    "ip:10.0.0.0/",
    "ip:10.0.0.0/08",
    "ip:10.0.0.1/31",
    "ip:::ffff:10.0.0.0/104",
    "ip:fd00::1:8080:x",
    "ip:010.0.0.1",
    "ip:localhost",
    "a.io\0",
    "a\u2028.io",
    `${"a.".repeat(200)}io`,
    `${"a".repeat(64)}.io`,
    "constructor ",
  ]) {
    test(`refuses ${JSON.stringify(line.slice(0, 60))}`, () => {
      const parsed = parseNetRule(line);
      assert.ok(!parsed.ok, `was read: ${JSON.stringify(parsed)}`);
      assert.notEqual(parsed.message, "");
    });
  }

  test("takes 2001:db8::1 between ip: and the end for an address, never for a port", () => {
    const { target } = rule("ip:fd00::1:8080");
    assert.ok(target.kind === "ip" && target.port === undefined && target.range.prefix === 128);
  });

  test("never throws, and a host it reads is the host a request would go to", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 40 }),
          fc.domain(),
          fc.ipV4(),
          fc.ipV6(),
          fc.webUrl(),
        ),
        (line) => {
          const parsed = parseNetRule(line);
          if (!parsed.ok || parsed.rule.target.kind !== "host" || parsed.rule.target.wildcard) return;
          const { scheme, host, port } = parsed.rule.target;
          assert.equal(new URL(`${scheme}://${host}:${port ?? 1}/`).hostname, host);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

suite("covers()", () => {
  const cases: readonly [string, string, boolean][] = [
    ["a.io", "a.io", true],
    ["a.io", "A.io", true],
    ["A.io", "a.io", true],
    ["a.io:8443", "a.io", true],
    ["POST https://a.io/token", "a.io", true],
    ["http://a.io", "a.io", false],
    ["http://localhost:3000", "localhost", true],
    ["http://127.0.0.1:3000", "127.0.0.1", true],
    ["http://10.0.0.1", "10.0.0.1", false],
    ["a.io", "b.a.io", false],
    ["a.io", "*.a.io", false],
    ["*.a.io", "b.a.io", true],
    ["*.a.io", "c.b.a.io", true],
    ["*.a.io", "*.a.io", true],
    ["*.a.io", "*.b.a.io", true],
    ["*.b.a.io", "*.a.io", false],
    ["*.a.io", "a.io", false],
    ["*.a.io", "ba.io", false],
    ["*", "a.io", true],
    ["*", "*.a.io", true],
    ["*", "10.0.0.1", false],
    ["*", "localhost", false],
    ["*", "[::1]", false],
    ["ip:10.0.0.0/8", "10.1.2.3", true],
    ["ip:10.0.0.0/8", "11.1.2.3", false],
    ["ip:10.0.0.0/8", "a.io", false],
    ["ip:fd00::/8", "[fd00::1]", true],
  ];
  for (const [line, pattern, expected] of cases) {
    test(`${line} ${expected ? "covers" : "does not cover"} ${pattern}`, () => {
      assert.equal(covers(rule(line), pattern), expected);
    });
  }
});

suite("addresses", () => {
  test("parseAddress() reads every spelling of one address to the same bits, when it is strict", () => {
    assert.deepEqual(parseAddress("::ffff:10.0.0.1"), parseAddress("10.0.0.1"));
    assert.deepEqual(parseAddress("2001:DB8:0::1"), parseAddress("2001:db8::1"));
    for (const text of [
      "",
      "1",
      "127.1",
      "010.0.0.1",
      "1.2.3.256",
      "fe80::1%eth0",
      "::1::",
      "[::1]",
      "g::",
    ]) {
      assert.equal(parseAddress(text), undefined, text);
    }
  });

  test("rangeContains() agrees with the bits, for every prefix", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, prefix, other) => {
        const address = parseAddress(base);
        const candidate = parseAddress(other);
        if (address === undefined || candidate === undefined) return;
        const shift = BigInt(32 - prefix);
        const range = { ...address, bits: (address.bits >> shift) << shift, prefix };
        assert.ok(rangeContains(range, address));
        assert.equal(rangeContains(range, candidate), address.bits >> shift === candidate.bits >> shift);
      }),
    );
  });

  test("parseRange() refuses bits below the prefix, and rangeContains() another family", () => {
    assert.equal(parseRange("10.0.0.1/24"), undefined);
    const range = parseRange("0.0.0.0/0");
    const six = parseAddress("::1");
    assert.ok(range !== undefined && six !== undefined);
    assert.equal(rangeContains(range, six), false);
  });
});

test("hostPatternProblem() takes hosts and wildcards, and nothing with more in it", () => {
  for (const good of ["a.io", "*.a.io", "localhost", "127.0.0.1", "[::1]"])
    assert.equal(hostPatternProblem(good), undefined);
  for (const wrong of ["", "a.io:443", "https://a.io", "a.io/x", "*", "*.", "*.*.io", "a b"]) {
    assert.notEqual(hostPatternProblem(wrong), undefined, wrong);
  }
});

test("describeNetRule() calls a line broad, when a reader should look twice", () => {
  const broad = ["*", "GET *", "*.com", "ip:0.0.0.0/0", "ip:10.0.0.0/8", "ip:fd00::/8"];
  const narrow = ["a.io", "*.example.com", "ip:10.0.0.5", "https://a.io/**", "http://a.io"];
  for (const line of broad) assert.ok(describeNetRule(rule(line)).broad, line);
  for (const line of narrow) assert.ok(!describeNetRule(rule(line)).broad, line);
  assert.equal(
    describeNetRule(rule("GET,POST https://a.io:8443/v1/**")).text,
    "send GET, POST to a.io, port 8443, the path /v1/**",
  );
  assert.match(describeNetRule(rule("http://a.io")).text, /over plain http/);
});
