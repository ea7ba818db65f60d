/** cli/run-cli.ts: every command line ends with an exit code, whatever happens on the way. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "../../cli/run-cli.ts";
import { fakeWorld, type FakeWorld } from "./fake-world.ts";

/** A world whose stdout fails like a file descriptor does. */
function failingWorld(argv: readonly string[], code: string): FakeWorld {
  const world = fakeWorld(argv);
  world.stdout._transform = (_chunk, _encoding, done) => {
    done(Object.assign(new Error(`${code}: write`), { code }));
  };
  return world;
}

test("runCli() ends quietly when the reader of stdout goes away", async () => {
  const world = failingWorld(["--help"], "EPIPE");
  assert.equal(await runCli(world), 0);
  assert.equal(world.stderr.text, "");
});

test("runCli() says that stdout could not be written", async () => {
  const world = failingWorld(["--help"], "ENOSPC");
  assert.equal(await runCli(world), 1);
  assert.match(world.stderr.text, /^FILE_UNUSABLE could not write to stdout: ENOSPC/);
});

test("runCli() calls what nobody foresaw a defect, with its stack and exit 1", async () => {
  const world = fakeWorld(["init"], { cwd: "/" });
  Object.defineProperty(world, "cwd", {
    get: () => {
      throw new TypeError("nobody foresaw this");
    },
  });
  assert.equal(await runCli(world), 1);
  assert.match(world.stderr.text, /^INTERNAL nobody foresaw this\nhint: .*report/);
  assert.match(world.stderr.text, /at .*run-cli\.ts/);

  const json = fakeWorld(["init", "--json"]);
  Object.defineProperty(json, "cwd", {
    get: () => {
      throw new TypeError("nobody foresaw this");
    },
  });
  assert.equal(await runCli(json), 1);
  const document: unknown = JSON.parse(json.stderr.text);
  assert.ok(typeof document === "object" && document !== null && "stack" in document);
  assert.match(String(document.stack), /at .*run-cli\.ts/);
});

test("runCli() ends with 130 and says nothing when a prompt is broken off", async () => {
  const cwd = join(import.meta.dirname, "fixtures/project");
  const world = fakeWorld(["secrets", "set", "one"], { tty: true, cwd });
  world.stdin.write("\u0003");
  assert.equal(await runCli(world), 130);
  assert.equal(world.stderr.text, "value of one (not shown): \n");
});

test("every exit code a command names is one that docs/cli.md lists", async () => {
  const listed = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
  for (const verb of [
    "init",
    "run",
    "check",
    "explain",
    "secrets set",
    "secrets list",
    "secrets delete",
    "secrets keygen",
    "schema",
  ]) {
    const world = fakeWorld([...verb.split(" "), "--help"]);
    assert.equal(await runCli(world), 0, verb);
    const codes = [...(world.stdout.text.split("Exit codes:")[1]?.matchAll(/^ {2}(\d+) /gm) ?? [])];
    assert.ok(codes.length >= 4, verb);
    for (const [, code] of codes) assert.match(listed, new RegExp(`^\\| ${code} \\| `, "m"));
  }
});
