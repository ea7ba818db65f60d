/** cli/terminal.ts: the rules of output, one by one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { Terminal } from "../../cli/terminal.ts";
import { Interrupted } from "../../cli/world.ts";
import { fakeWorld, type FakeWorld } from "./fake-world.ts";

const VALUE = "canary-7f3a-not-a-real-secret";
const NORMAL = { json: false, quiet: false };

function terminalOn(world: FakeWorld, mode: Partial<typeof NORMAL> = {}): Terminal {
  return new Terminal(world, { ...NORMAL, ...mode });
}

test("Terminal writes the result to stdout and everything else to stderr", () => {
  const world = fakeWorld([]);
  const terminal = terminalOn(world);
  terminal.line("result");
  terminal.json({ a: 1 });
  terminal.note("note");
  terminal.warn("careful");
  terminal.log("info", "log");
  terminal.verdict(true, "success", "x");
  terminal.error(new AppError("USAGE", "wrong", { hints: ["right"], at: { file: "f", line: 1, column: 2 } }));
  assert.equal(world.stdout.text, 'result\n{\n  "a": 1\n}\n');
  assert.equal(
    world.stderr.text,
    "note\nwarning: careful\ninfo   log\nsuccess x\nUSAGE f:1:2 wrong\nhint: right\nsee docs/errors/USAGE.md\n",
  );
});

test("Terminal under --json has one document a line on stderr: each warning, then the error", () => {
  const world = fakeWorld([]);
  const terminal = terminalOn(world, { json: true });
  terminal.note("note");
  terminal.warn("careful");
  terminal.log("error", "log");
  terminal.verdict(false, "failure", "x");
  terminal.reason({ code: "TASK_THREW", message: "x" });
  assert.equal(world.stderr.text, '{"warning":"careful"}\n');
  terminal.error(
    new AppError("USAGE", "wrong\u202e", { hints: ["right"], at: { file: "f", line: 1, column: 2 } }),
  );
  assert.deepEqual(JSON.parse(world.stderr.text.slice(world.stderr.text.indexOf("\n"))), {
    code: "USAGE",
    message: "wrong\u202e",
    at: { file: "f", line: 1, column: 2 },
    hints: ["right"],
  });
  assert.ok(!world.stderr.text.includes("\u202e"));
});

test("Terminal under --quiet says warnings, errors and what went wrong, and no more", () => {
  const world = fakeWorld([]);
  const terminal = terminalOn(world, { quiet: true });
  terminal.note("note");
  terminal.log("error", "log");
  terminal.verdict(true, "success", "x");
  assert.equal(world.stderr.text, "");
  terminal.warn("careful");
  terminal.verdict(false, "failure", "x");
  assert.equal(world.stderr.text, "warning: careful\nfailure x\n");
});

test("Terminal makes control characters visible on every way out", () => {
  const world = fakeWorld([], { tty: true });
  const terminal = terminalOn(world);
  const evil = "\u001b[2J\u009b\u202e\r\u0007";
  terminal.line(evil);
  terminal.json({ evil });
  terminal.note(evil);
  terminal.warn(evil);
  terminal.log("warn", evil);
  terminal.verdict(false, "failure", evil);
  terminal.reason({ code: evil, message: evil, hints: [evil], stack: `x\n    at ${evil}` });
  terminal.error(new AppError("USAGE", evil, { hints: [evil], at: { file: evil, line: 1, column: 1 } }));
  terminal.line(`${evil} ${evil}`, "red");
  for (const { text } of [world.stdout, world.stderr]) {
    // oxlint-disable-next-line no-control-regex -- the colours that we write ourselves
    const rest = text.replaceAll(/\u001b\[\d+m/g, "");
    // oxlint-disable-next-line no-control-regex -- what must not be there
    assert.doesNotMatch(rest, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  }
});

test("Terminal.json() writes text that parses to the same value", () => {
  const world = fakeWorld([]);
  const value = { "k\u202e": '\u001b\u009b\u2028"\\\n' };
  terminalOn(world).json(value);
  assert.deepEqual(JSON.parse(world.stdout.text), value);
});

test("Terminal indents what follows a newline in text from outside", () => {
  const world = fakeWorld([]);
  const terminal = terminalOn(world);
  terminal.log("info", "a\nsuccess forged");
  terminal.reason({ code: "TASK_THREW", message: "a\nsuccess forged", hints: ["a\nsuccess forged"] });
  assert.doesNotMatch(world.stderr.text, /^success/m);
});

const colours: readonly (readonly [env: Record<string, string>, tty: boolean, coloured: boolean])[] = [
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ CI: "true" }, true, false],
  [{ TERM: "dumb" }, true, false],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "0" }, false, false],
  [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, true],
];
for (const [env, tty, coloured] of colours) {
  test(`Terminal ${coloured ? "uses" : "uses no"} colour with ${JSON.stringify(env)} ${tty ? "on" : "off"} a terminal`, () => {
    const world = fakeWorld([], { env, tty });
    terminalOn(world).verdict(false, "failure", "x");
    assert.equal(world.stderr.text.includes("\u001b["), coloured);
  });
}

test("Terminal.progress() shows after a second, on a terminal only, and leaves a clean line", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const shown = (given: Parameters<typeof fakeWorld>[1], mode = {}): string => {
    const world = fakeWorld([], given);
    const terminal = terminalOn(world, mode);
    const progress = terminal.progress("running\u001b[2J x");
    t.mock.timers.tick(999);
    assert.equal(world.stderr.text, "");
    t.mock.timers.tick(1001);
    progress.stop();
    progress[Symbol.dispose]();
    const text = world.stderr.text;
    t.mock.timers.tick(5000);
    assert.equal(world.stderr.text, text);
    return text;
  };
  const text = shown({ tty: true, env: { NO_COLOR: "1" } });
  assert.match(text, /running\\x1b\[2J x \d s/);
  assert.ok(text.endsWith("\r\u001b[K"));
  assert.equal(shown({ tty: false }), "");
  assert.equal(shown({ tty: true, env: { CI: "1" } }), "");
  assert.equal(shown({ tty: true }, { json: true }), "");
  assert.equal(shown({ tty: true }, { quiet: true }), "");
});

const typed: readonly (readonly [what: string, keys: readonly (string | Buffer)[], value: string])[] = [
  ["one chunk", [`${VALUE}\r`], VALUE],
  ["key by key", [...VALUE.split(""), "\n"], VALUE],
  ["backspace over a character of several bytes", ["aé日", "\u007f", "\b", "b\r"], "ab"],
  ["backspace at the start", ["\u007f\u007fok", "\r"], "ok"],
  ["Ctrl-U", ["wrong\u0015right\r"], "right"],
  ["Ctrl-D after text", ["text", "\u0004"], "text"],
  ["arrow and function keys", ["a\u001b[D", "\u001bOP\u001b[15~b", "\r"], "ab"],
  ["nothing", ["\r"], ""],
];
for (const [what, keys, value] of typed) {
  test(`Terminal.askHidden() takes ${what}, and echoes nothing`, async () => {
    const world = fakeWorld([], { tty: true });
    const answer = terminalOn(world).askHidden("the token", "give --token");
    for (const key of keys) world.stdin.write(key);
    assert.equal((await answer).toString(), value);
    assert.equal(world.stderr.text, "the token (not shown): \n");
    assert.equal(world.stdout.text, "");
    assert.equal(world.stdin.raw, false);
  });
}

test("Terminal.askHidden() turns the echo off before it asks", async () => {
  const world = fakeWorld([], { tty: true });
  const raw: boolean[] = [];
  const write = world.stderr.write.bind(world.stderr);
  world.stderr.write = (text: string) => {
    raw.push(world.stdin.raw);
    return write(text);
  };
  const answer = terminalOn(world).askHidden("it", "x");
  world.stdin.write("\r");
  await answer;
  assert.deepEqual(raw, [true, false]);
});

test("Terminal.askHidden() ends with Ctrl-C, and leaves the terminal as it was", async () => {
  for (const key of ["\u0003", "abc\u0003", "\u0004"]) {
    const world = fakeWorld([], { tty: true });
    const answer = terminalOn(world).askHidden("it", "x");
    world.stdin.write(key);
    await assert.rejects(answer, Interrupted);
    assert.equal(world.stdin.raw, false);
  }
});

test("Terminal.askHidden() refuses a paste of several lines instead of taking the first", async () => {
  const world = fakeWorld([], { tty: true });
  const answer = terminalOn(world).askHidden("it", "x");
  world.stdin.write("first\rsecond\r");
  await assert.rejects(answer, { code: "USAGE", message: /more than one line/ });
});

test("Terminal.askHidden() takes 64 KiB and not a byte more", async () => {
  const most = "x".repeat(64 * 1024);
  const world = fakeWorld([], { tty: true });
  const answer = terminalOn(world).askHidden("it", "x");
  world.stdin.write(`${most}\r`);
  assert.equal((await answer).length, most.length);
  const other = fakeWorld([], { tty: true });
  const refused = terminalOn(other).askHidden("it", "x");
  other.stdin.write(`${most}x\r`);
  await assert.rejects(refused, { code: "SECRETS_TOO_LARGE" });
});

test("Terminal.askHidden() names the option to give where nobody can be asked", async () => {
  const off = terminalOn(fakeWorld([])).askHidden("it", "give --it");
  await assert.rejects(off, { code: "USAGE", hints: ["give --it"] });
  const json = terminalOn(fakeWorld([], { tty: true }), { json: true }).askHidden("it", "give --it");
  await assert.rejects(json, { code: "USAGE", hints: ["give --it"] });
});
