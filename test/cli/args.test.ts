/** cli/args.ts: what a line of arguments means, and what it can not mean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asksFor, findVerb, GLOBAL_OPTIONS, parseCommand, renderHelp, type Usage } from "../../cli/args.ts";

const usage: Usage = {
  name: "brew",
  summary: "Makes tea.",
  operands: ["<leaf>", "[cup]"],
  options: {
    time: { short: "t", value: "MIN", help: "how long" },
    with: { short: "w", value: "WHAT", many: true, help: "what goes in" },
    strong: { help: "more leaf" },
  },
  examples: ["writ brew assam"],
  exits: [3],
};

test("parseCommand() takes options before, between and after operands", () => {
  const args = parseCommand(usage, [
    "-t",
    "3",
    "assam",
    "--with=milk",
    "mug",
    "-w",
    "sugar",
    "--strong",
    "-C",
    "x",
  ]);
  assert.deepEqual(args.operands, ["assam", "mug"]);
  assert.equal(args.text("time"), "3");
  assert.deepEqual(args.list("with"), ["milk", "sugar"]);
  assert.equal(args.flag("strong"), true);
  assert.equal(args.flag("json"), false);
  assert.equal(args.text("cwd"), "x");
});

test("parseCommand() takes everything after -- as operands", () => {
  assert.deepEqual(parseCommand(usage, ["--", "-t", "--strong"]).operands, ["-t", "--strong"]);
});

test("parseCommand() takes a value that looks like an option only behind =", () => {
  assert.equal(parseCommand(usage, ["a", "--time=-1"]).text("time"), "-1");
  assert.equal(parseCommand(usage, ["a", "--time", "-"]).text("time"), "-");
  assert.throws(() => parseCommand(usage, ["a", "--time", "-1"]), { code: "USAGE" });
});

const refused: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
  [[], /<leaf> is missing/],
  [["a", "b", "c"], /3 arguments are too many/],
  [["a", "--tiem", "3"], /did you mean "--time"/],
  [["a", "--time"], /needs a value: --time MIN/],
  [["a", "-t"], /needs a value: -t MIN/],
  [["a", "-t", "1", "-t", "2"], /-t is given twice/],
  [["a", "--strong=yes"], /--strong takes no value/],
  [["a", "--__proto__"], /no option "--__proto__"/],
  [["a", "--constructor=x"], /no option "--constructor"/],
  [["a", "-x"], /no option "-x"/],
  [["a", "--no-strong"], /no option "--no-strong"/],
];
for (const [argv, message] of refused) {
  test(`parseCommand() refuses ${JSON.stringify(argv)}`, () => {
    assert.throws(() => parseCommand(usage, argv), { code: "USAGE", message });
  });
}

test("Args.flag() throws for a name that is in no table", () => {
  const args = parseCommand(usage, ["a"]);
  assert.throws(() => args.flag("storng"), /in no table/);
  assert.throws(() => args.text("toString"), /in no table/);
});

test("findVerb() passes over global options and their values", () => {
  assert.equal(findVerb(["-C", "dir", "--json", "run", "-p", "x=1"]), 3);
  assert.equal(findVerb(["--config=a.yaml", "run"]), 1);
  assert.equal(findVerb(["--json"]), 1);
  assert.throws(() => findVerb(["--dry", "run"]), { code: "USAGE" });
});

test("asksFor() sees a flag on a line that is otherwise wrong, but not behind --", () => {
  assert.equal(asksFor("json", ["rnu", "--nope", "--json"], GLOBAL_OPTIONS), true);
  assert.equal(asksFor("help", ["x", "-h"], GLOBAL_OPTIONS), true);
  assert.equal(asksFor("help", ["x", "--", "-h"], GLOBAL_OPTIONS), false);
  assert.equal(asksFor("help", ["-C", "-h"], GLOBAL_OPTIONS), false);
});

test("renderHelp() names every option, example and exit code", () => {
  const help = renderHelp(usage);
  for (const part of [
    "usage: writ brew <leaf> [cup] [options]",
    "-t, --time MIN",
    "    --strong",
    "writ brew assam",
    "3 a manifest",
    "-h, --help",
  ]) {
    assert.ok(help.includes(part), part);
  }
});
