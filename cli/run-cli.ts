/** From arguments to an exit code: finds the verb, loads it, and reports whatever it throws. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { AppError, ERROR_CODES, toAppError } from "../base/error.ts";
import { didYouMean, quote } from "../base/text.ts";
import {
  asksFor,
  columns,
  findVerb,
  GLOBAL_OPTIONS,
  optionRows,
  parseCommand,
  renderHelp,
  section,
  TOP_OPTIONS,
  usageError,
  type Args,
} from "./args.ts";
import type { Command, Context } from "./command.ts";
import { packageVersion } from "./package.ts";
import { Terminal } from "./terminal.ts";
import { Interrupted, type World } from "./world.ts";

const EXIT_INTERRUPTED = 130;

interface Entry {
  /** What `writ --help` says of it. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** Modules are loaded when their verb is used: `writ --version` pays for none of them. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  init: {
    summary: "make a project that runs",
    load: async () => (await import("./commands/init.ts")).init,
  },
  run: {
    summary: "run a task once",
    load: async () => (await import("./commands/run.ts")).run,
  },
  check: {
    summary: "every problem in every manifest, offline",
    load: async () => (await import("./commands/check.ts")).check,
  },
  explain: {
    summary: "what a task may do, in words",
    load: async () => (await import("./commands/explain.ts")).explain,
  },
  "secrets set": {
    summary: "store a value, as a new version",
    load: async () => (await import("./commands/secrets-set.ts")).secretsSet,
  },
  "secrets list": {
    summary: "names, versions and dates; never a value",
    load: async () => (await import("./commands/secrets-list.ts")).secretsList,
  },
  "secrets delete": {
    summary: "destroy a secret, all its versions",
    load: async () => (await import("./commands/secrets-delete.ts")).secretsDelete,
  },
  "secrets keygen": {
    summary: "make a master key",
    load: async () => (await import("./commands/secrets-keygen.ts")).secretsKeygen,
  },
  schema: {
    summary: "the JSON Schema of task.yaml or writ.yaml, for editors",
    load: async () => (await import("./commands/schema.ts")).schema,
  },
};

/** Runs one command line to its end and answers the exit code; never rejects. */
export async function runCli(world: World): Promise<number> {
  const json = asksFor("json", world.argv, GLOBAL_OPTIONS);
  const quiet = asksFor("quiet", world.argv, GLOBAL_OPTIONS);
  const terminal = new Terminal(world, { json, quiet });
  try {
    const code = await dispatch(world, terminal);
    await terminal.flush();
    return code;
  } catch (thrown) {
    if (thrown instanceof Interrupted) return EXIT_INTERRUPTED;
    const error = toAppError(thrown);
    terminal.error(error);
    return ERROR_CODES[error.code].exit;
  }
}

async function dispatch(world: World, terminal: Terminal): Promise<number> {
  const { argv } = world;
  const verbAt = findVerb(argv);
  const before = argv.slice(0, verbAt);
  if (asksFor("version", before, TOP_OPTIONS)) {
    terminal.line(await packageVersion());
    return 0;
  }
  if (verbAt === argv.length) {
    if (!asksFor("help", before, TOP_OPTIONS)) {
      throw usageError("there is no verb", "`writ --help` lists what there is");
    }
    terminal.line(overview());
    return 0;
  }
  const { name, rest } = findCommand(argv, verbAt);
  const entry = COMMANDS[name];
  if (entry === undefined) {
    terminal.line(overview(`${name} `));
    return 0;
  }
  const command = await entry.load();
  if (asksFor("help", rest, { ...command.options, ...GLOBAL_OPTIONS })) {
    terminal.line(renderHelp(command));
    return 0;
  }
  const args = parseCommand(command, rest);
  return await command.run(args, await contextFor(world, terminal, args));
}

/** The command's name, of one word or two, and the arguments without it. */
function findCommand(argv: readonly string[], verbAt: number): { name: string; rest: string[] } {
  const verb = argv[verbAt] ?? "";
  const rest = argv.toSpliced(verbAt, 1);
  if (Object.hasOwn(COMMANDS, verb)) return { name: verb, rest };
  const names = Object.keys(COMMANDS);
  const under = names
    .filter((name) => name.startsWith(`${verb} `))
    .map((name) => name.slice(verb.length + 1));
  if (under.length === 0) {
    throw usageError(
      `unknown verb ${quote(verb)}${suggestion(verb, new Set(names.map((name) => name.split(" ")[0] ?? name)))}`,
      "`writ --help` lists what there is",
    );
  }
  const second = rest[verbAt];
  if (second !== undefined && under.includes(second)) {
    return { name: `${verb} ${second}`, rest: rest.toSpliced(verbAt, 1) };
  }
  if (asksFor("help", rest, GLOBAL_OPTIONS)) return { name: verb, rest };
  if (second === undefined || second.startsWith("-")) {
    throw usageError(
      `"writ ${verb}" needs one of: ${under.join(", ")}`,
      `\`writ ${verb} --help\` says what they do`,
    );
  }
  throw usageError(
    `unknown verb ${quote(`${verb} ${second}`)}${suggestion(second, under, `${verb} `)}`,
    `\`writ ${verb} --help\` lists what there is`,
  );
}

function suggestion(word: string, known: Iterable<string>, before = ""): string {
  const near = didYouMean(word, known);
  return near === undefined ? "" : `; did you mean "${before}${near}"?`;
}

async function contextFor(world: World, terminal: Terminal, args: Args): Promise<Context> {
  const cwd = resolve(world.cwd, args.text("cwd") ?? ".");
  if (args.text("cwd") !== undefined) {
    const found = await stat(cwd).catch(() => undefined);
    if (found?.isDirectory() !== true) {
      throw new AppError("FILE_NOT_FOUND", `there is no folder ${quote(cwd, 200)}, which -C names`);
    }
  }
  return { world, terminal, cwd, configFile: args.text("config") };
}

function overview(under = ""): string {
  const verbs = Object.entries(COMMANDS).filter(([name]) => name.startsWith(under));
  return [
    `usage: writ ${under}<verb> [arguments] [options]`,
    ...section("Verbs", columns(verbs.map(([name, { summary }]) => [name, summary]))),
    ...section("Everywhere", optionRows(TOP_OPTIONS)),
    "",
    "`writ <verb> --help` says more. Every error has a page in docs/errors/, the exit codes are in docs/cli.md.",
  ].join("\n");
}
