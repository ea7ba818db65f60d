import assert from "node:assert/strict";
import { test } from "node:test";
import { checkKey, checkScope, checkValue } from "../../../store/vault/limits.ts";

test("checkScope() takes global and workspaces", () => {
  for (const scope of ["global", "a", "payments-2_x", "0", "-", "x".repeat(200)]) checkScope(scope);
  const bad = ["", "all", "default", "A", "a b", "a/b", "a.b", "a\n", "ä", "a\0", "x".repeat(201)];
  for (const scope of bad)
    assert.throws(() => checkScope(scope), { code: "SECRETS_SCOPE_INVALID" }, JSON.stringify(scope));
});

test("checkKey() takes segments of letters, digits, points and dashes, joined by single slashes", () => {
  for (const key of ["A", "_", "0", "a/b/c", "TOKEN_2", "a.b-c/D.e", "x".repeat(200), "a..b"]) checkKey(key);
  const bad = [
    "",
    ".",
    "..",
    "a/..",
    "../a",
    "a//b",
    "/a",
    "a/",
    "-a",
    ".a",
    "a/-b",
    "a b",
    "a\n",
    "a\0b",
    "ä",
    "a:b",
    "a\\b",
    "__proto__",
    "x".repeat(201),
    "x".repeat(10_000),
  ];
  for (const key of bad)
    assert.throws(() => checkKey(key), { code: "SECRETS_NAME_INVALID" }, JSON.stringify(key));
});

test("checkValue() takes 4 bytes to 64 KiB that are no common word, and shorter ones on request", () => {
  for (const value of ["x9!z", "truer", "correct horse"]) checkValue("K", Buffer.from(value), false);
  checkValue("K", Buffer.alloc(65_536), false);
  checkValue("K", Buffer.from("a"), true);
  checkValue("K", Buffer.from("true"), true);
  const bad: [Buffer, boolean, string][] = [
    [Buffer.alloc(0), true, "SECRETS_UNMASKABLE"],
    [Buffer.from("abc"), false, "SECRETS_UNMASKABLE"],
    [Buffer.from("True"), false, "SECRETS_UNMASKABLE"],
    [Buffer.from("password"), false, "SECRETS_UNMASKABLE"],
    [Buffer.alloc(65_537), true, "SECRETS_TOO_LARGE"],
  ];
  for (const [value, unmaskable, code] of bad)
    assert.throws(() => checkValue("K", value, unmaskable), { code });
});
