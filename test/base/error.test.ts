/** base/error.ts: the table that HTTP, shell and docs agree on. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { AppError, ERROR_CODES, formatPosition, toAppError } from "../../base/error.ts";
import { EXIT_MEANINGS } from "../../cli/args.ts";

/** `| 3 | invalid manifest … |` of docs/cli.md. */
function documentedExits(markdown: string): Map<number, string> {
  return new Map(
    Array.from(markdown.matchAll(/^\| (\d+) \| (.+) \|$/gm), ([, exit, text]) => [Number(exit), text ?? ""]),
  );
}

test("ERROR_CODES uses only exit codes that docs/cli.md explains", () => {
  const documented = documentedExits(readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8"));
  assert.ok(documented.size > 5, `${documented.size} rows`);
  for (const [code, { exit }] of Object.entries(ERROR_CODES)) {
    assert.ok(documented.has(exit), `${code} exits ${exit}, which docs/cli.md does not explain`);
    assert.notEqual(exit, 0, `${code} is an error and may not look like success`);
  }
});

test("docs/cli.md explains the exit codes as --help does", () => {
  const documented = documentedExits(readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8"));
  for (const [exit, meaning] of Object.entries(EXIT_MEANINGS)) {
    const explained = documented.get(Number(exit)) ?? "";
    assert.ok(explained.startsWith(meaning), `${exit}: "${explained}" is not "${meaning}"`);
  }
});

test("documentedExits() misses a code that has no row", () => {
  assert.deepEqual([...documentedExits("| exit | means |\n|---|---|\n| 0 | ok |\n").keys()], [0]);
});

test("ERROR_CODES reports statuses that HTTP knows, and no system error blames an author", () => {
  for (const [code, { status, blame }] of Object.entries(ERROR_CODES)) {
    assert.ok(status === 200 || (status >= 400 && status < 600), code);
    if (status === 500) assert.notEqual(blame, "author", code);
  }
});

test("AppError carries code, hints, place and cause", () => {
  const cause = new Error("below");
  const at = { file: "task.yaml", line: 3, column: 9 };
  const error = new AppError("MANIFEST_TYPE", "timeout is a number", { hints: ["write 30s"], at, cause });
  assert.ok(error instanceof Error);
  assert.equal(error.name, "AppError");
  assert.equal(error.code, "MANIFEST_TYPE");
  assert.deepEqual(error.hints, ["write 30s"]);
  assert.equal(error.at, at);
  assert.equal(error.cause, cause);
});

test("AppError without options has no hints, no place and no cause property", () => {
  const error = new AppError("USAGE", "missing task");
  assert.deepEqual(error.hints, []);
  assert.equal(error.at, undefined);
  assert.equal(Object.hasOwn(error, "cause"), false);
});

test("toAppError() passes an AppError through and turns anything else into INTERNAL", () => {
  const error = new AppError("USAGE", "missing task");
  assert.equal(toAppError(error), error);
  const defect = new TypeError("x is not a function");
  const wrapped = toAppError(defect);
  assert.equal(wrapped.code, "INTERNAL");
  assert.equal(wrapped.message, "x is not a function");
  assert.equal(wrapped.cause, defect);
  assert.equal(toAppError("text").message, "text");
  assert.equal(toAppError(undefined).message, "undefined");
});

test("formatPosition() writes file:line:column", () => {
  assert.equal(formatPosition({ file: "tasks/a/task.yaml", line: 3, column: 9 }), "tasks/a/task.yaml:3:9");
});
