import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { loadDotenv, parseDotenv } from "../../secrets/dotenv.ts";

async function taskFolder(): Promise<{ readonly path: string; readonly outside: string } & AsyncDisposable> {
  const base = await mkdtemp(join(tmpdir(), "writ-dotenv-"));
  await mkdir(join(base, "task"));
  return {
    path: join(base, "task"),
    outside: base,
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  };
}

const ACCEPTED: readonly (readonly [text: string, expected: Readonly<Record<string, string>>])[] = [
  ["", {}],
  ["\n\n# only a comment\n  # and another", {}],
  ["A=b", { A: "b" }],
  ["A=b # comment\nB=c", { A: "b", B: "c" }],
  ["A=pa#ss\nB=#none", { A: "pa#ss", B: "" }],
  ["A=\nB= \nC=x", { A: "", B: "", C: "x" }],
  ["export A=b\nexport\tB=c\nexport=1", { A: "b", B: "c", export: "1" }],
  ["A = spaced out  \r\nB=c\r\n", { A: "spaced out", B: "c" }],
  ["\ufeffA=b", { A: "b" }],
  ["A=x=y==", { A: "x=y==" }],
  ["A=$B ${C}", { A: "$B ${C}" }],
  ["A='it is # \\n $x'", { A: "it is # \\n $x" }],
  ["A=`a 'b' \"c\"`", { A: "a 'b' \"c\"" }],
  ['A="x\\ny\\t\\"q\\" \\\\n \\$ \\z"', { A: 'x\ny\t"q" \\n \\$ \\z' }],
  ['A="two\nlines" # done\nB=1', { A: "two\nlines", B: "1" }],
  ["A='-----BEGIN\nX\n'\nB=1", { A: "-----BEGIN\nX\n", B: "1" }],
  ["A=1\nA=2", { A: "2" }],
  ["A=it's", { A: "it's" }],
  ["app.name=x\nA-B=y", { "app.name": "x", "A-B": "y" }],
  ["A=''\nB=\"\"", { A: "", B: "" }],
];

test("parseDotenv() reads what dotenv files hold", () => {
  for (const [text, expected] of ACCEPTED) {
    assert.deepEqual(Object.fromEntries(parseDotenv(text)), expected, JSON.stringify(text));
  }
});

test("parseDotenv() refuses what it does not understand, by line, and never repeats it", () => {
  for (const [text, line] of [
    ["A=1\ncanary", 2],
    ["A: canary", 1],
    ["=canary", 1],
    ['A="canary', 1],
    ["\n\nA='canary\nB=2", 3],
    ["A='x''canary'", 1],
    ['A="x" canary', 1],
    ['A="x\ny" canary', 2],
    ["canary key=x", 1],
  ] as const) {
    assert.throws(
      () => parseDotenv(text),
      (error) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, "DOTENV_INVALID");
        assert.match(error.message, new RegExp(`line ${line} `), JSON.stringify(text));
        assert.doesNotMatch(error.message, /canary/);
        return true;
      },
    );
  }
});

test("parseDotenv() takes time in proportion to a hostile file", () => {
  const started = performance.now();
  for (const text of [
    "A='".repeat(80_000),
    `A="${"\\".repeat(200_001)}`,
    `A=${" #".repeat(100_000)}`,
    " ".repeat(250_000),
  ]) {
    try {
      parseDotenv(text);
    } catch (error) {
      assert.ok(error instanceof AppError);
    }
  }
  assert.ok(performance.now() - started < 2000);
});

test("loadDotenv() lets later files win and skips missing ones", async () => {
  await using task = await taskFolder();
  await mkdir(join(task.path, "env"));
  await writeFile(join(task.path, ".env"), "A=1\nB=1");
  await writeFile(join(task.path, "env", "local"), "B=2\n__proto__=x");
  const variables = await loadDotenv(task.path, [".env", "missing", "env/local", "env/missing/deep"]);
  assert.deepEqual(
    [...variables],
    [
      ["A", "1"],
      ["B", "2"],
      ["__proto__", "x"],
    ],
  );
  assert.equal((await loadDotenv(task.path, [])).size, 0);
});

test("loadDotenv() refuses files that really lie outside the task's folder, and what is no small text file", async () => {
  await using task = await taskFolder();
  const at = (name: string): string => join(task.path, name);
  await writeFile(join(task.outside, "other.env"), "A=canary");
  await symlink(join(task.outside, "other.env"), at("link"));
  await symlink(task.outside, at("folder-link"));
  execFileSync("mkfifo", [at("fifo")]);
  await writeFile(at("huge"), `A=${"x".repeat(256 * 1024)}`);
  await writeFile(at("latin1"), Buffer.from([0x41, 0x3d, 0xe9]));
  for (const [name, code] of [
    ["../other.env", "SECRETS_ACCESS_DENIED"],
    ["../missing.env", "SECRETS_ACCESS_DENIED"],
    [join(task.outside, "other.env"), "SECRETS_ACCESS_DENIED"],
    ["link", "SECRETS_ACCESS_DENIED"],
    ["folder-link/other.env", "SECRETS_ACCESS_DENIED"],
    ["fifo", "SECRETS_ACCESS_DENIED"],
    [".", "SECRETS_ACCESS_DENIED"],
    ["huge", "SECRETS_TOO_LARGE"],
    ["latin1", "DOTENV_INVALID"],
  ] as const) {
    await assert.rejects(loadDotenv(task.path, [name]), { code }, name);
  }
});

test("parseDotenv() takes a hostile line in time that does not grow with its square", () => {
  const spaces = " ".repeat(250_000);
  const started = performance.now();
  assert.equal(parseDotenv(`A=x${spaces}y`).get("A")?.length, 250_002);
  assert.equal(parseDotenv(`A=x${"#".repeat(250_000)}`).get("A")?.length, 250_001);
  assert.throws(() => parseDotenv(`A="${"\\".repeat(250_000)}`), { code: "DOTENV_INVALID" });
  assert.ok(performance.now() - started < 2000);
});
