/** base/text.ts: what a person's terminal gets to see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { didYouMean, escapeControl, escapeLine, orList, quote, truncate } from "../../base/text.ts";

test("escapeControl() makes escape sequences visible and keeps tab and newline", () => {
  assert.equal(escapeControl("a\tb\nc"), "a\tb\nc");
  assert.equal(escapeControl("\x1b[2Jgone\r\x00\x7f\x9b"), "\\x1b[2Jgone\\x0d\\x00\\x7f\\x9b");
});

test("escapeControl() makes text that reorders or hides itself visible", () => {
  assert.equal(escapeControl("a\u202eb\u2066c\u2028d\ufeff"), "a\\u202eb\\u2066c\\u2028d\\ufeff");
});

test("escapeControl() leaves letters, emoji and combining marks alone", () => {
  const text = "grüße 日本語 👩‍👩‍👧 é";
  assert.equal(escapeControl(text), text);
});

test("escapeControl() leaves no control character in any text", () => {
  const control = /[\p{Cc}\p{Bidi_Control}]/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(escapeControl(text).replaceAll(/[\t\n]/g, ""), control);
    }),
  );
});

test("escapeLine() gives one line, whatever it is given", () => {
  assert.equal(escapeLine("a\nb\tc\r\n"), "a\\nb\\tc\\x0d\\n");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(escapeLine(text).split(/[\n\r\u2028\u2029\u0085]/).length, 1);
    }),
  );
});

test("truncate() keeps a text of the limit and marks one past it", () => {
  assert.equal(truncate("abc", 3), "abc");
  assert.equal(truncate("abcd", 3), "abc… (1 more characters)");
  assert.equal(truncate("", 0), "");
});

test("quote() escapes before it cuts", () => {
  assert.equal(quote("a\nb"), '"a\\nb"');
  assert.equal(quote("\x1b".repeat(3), 4), '"\\x1b… (8 more characters)"');
});

test("orList() joins as a sentence would", () => {
  assert.equal(orList([]), "");
  assert.equal(orList(["a"]), "a");
  assert.equal(orList(["a", "b"]), "a or b");
  assert.equal(orList(["a", "b", "c"]), "a, b or c");
});

test("didYouMean() finds a slip and stays silent about another word", () => {
  const keys = ["permissions", "params", "trigger", "timeout"];
  assert.equal(didYouMean("permisions", keys), "permissions");
  assert.equal(didYouMean("tirgger", keys), "trigger");
  assert.equal(didYouMean("PARAMS", keys), "params");
  assert.equal(didYouMean("banana", keys), undefined);
  assert.equal(didYouMean("", keys), undefined);
  assert.equal(didYouMean("x", []), undefined);
});

test("didYouMean() prefers the nearest candidate", () => {
  assert.equal(didYouMean("cron", ["crow", "cron_tz", "cron"]), "cron");
});
