/** A command's arguments: one table parses them and writes the help. */
import { parseArgs } from "node:util";
import { AppError } from "../base/error.ts";
import { didYouMean, quote } from "../base/text.ts";

export interface Option {
  readonly short?: string;
  /** What the help calls the value; left out = a flag, which has none. */
  readonly value?: string;
  /** May be given more than once. */
  readonly many?: true;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

export interface Usage {
  /** The words after `writ`. */
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** `<x>` must be there, `[x]` may be, a trailing `…` takes the rest. */
  readonly operands: readonly string[];
  readonly options: Options;
  /** Sentences for `--help`, below the usage. */
  readonly notes?: readonly string[];
  readonly examples: readonly string[];
  /** Exit codes this command can end with, beside 0, 1, 2 and 130. */
  readonly exits: readonly (keyof typeof EXIT_MEANINGS)[];
}

/** `docs/cli.md` lists the same. */
export const EXIT_MEANINGS = {
  0: "it worked",
  1: "the run failed, or the installation has a problem",
  2: "the command line, or a value given on it, is wrong",
  3: "a manifest or a script is not valid, or the run was blocked",
  4: "no such task or file",
  7: "the run was skipped",
  78: "writ.yaml is wrong",
  124: "the run took too long",
  130: "cancelled or interrupted",
} as const;

export const GLOBAL_OPTIONS: Options = {
  cwd: { short: "C", value: "DIR", help: "work as if started in DIR" },
  config: {
    value: "FILE",
    help: "this writ.yaml; else the one WRIT_CONFIG names, else the first one upwards",
  },
  json: { help: "the result as one JSON document on stdout; warnings and an error on stderr, one a line" },
  quiet: { short: "q", help: "on stderr nothing but warnings and errors" },
  help: { short: "h", help: "this text" },
};

/** Before the verb there is one more. */
export const TOP_OPTIONS: Options = { ...GLOBAL_OPTIONS, version: { help: "the version" } };

/** What was given, by the names of the table. Asking for a name that is not in the table is a defect. */
export class Args {
  readonly operands: readonly string[];
  readonly #options: Options;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(operands: readonly string[], options: Options, values: ReadonlyMap<string, readonly string[]>) {
    this.operands = operands;
    this.#options = options;
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.list(name).length > 0;
  }

  text(name: string): string | undefined {
    return this.list(name)[0];
  }

  list(name: string): readonly string[] {
    if (!Object.hasOwn(this.#options, name)) throw new Error(`--${name} is in no table`);
    return this.#values.get(name) ?? [];
  }
}

export function usageError(message: string, ...hints: readonly string[]): AppError {
  return new AppError("USAGE", message, { hints });
}

/** Where the verb stands in `argv`: at its end when there is none. Only global options may stand before it. */
export function findVerb(argv: readonly string[]): number {
  const { tokens } = tokenize(argv, TOP_OPTIONS);
  const at = tokens.find((token) => token.kind === "positional")?.index ?? argv.length;
  for (const token of tokens) {
    if (token.kind === "option" && token.index < at) checkOption(token, TOP_OPTIONS, "writ");
  }
  return at;
}

/** Whether the flag was given, whatever else is wrong with the line. */
export function asksFor(option: string, argv: readonly string[], options: Options): boolean {
  return tokenize(argv, options).tokens.some((token) => token.kind === "option" && token.name === option);
}

/** Throws `USAGE` for what the table does not allow. */
export function parseCommand(usage: Usage, argv: readonly string[]): Args {
  const options = { ...usage.options, ...GLOBAL_OPTIONS };
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokenize(argv, options).tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const option = checkOption(token, options, `writ ${usage.name}`);
    const given = values.get(token.name);
    if (given === undefined) values.set(token.name, [token.value ?? ""]);
    else if (option.many === true) given.push(token.value ?? "");
    else if (option.value !== undefined)
      throw usageError(`${token.rawName} is given twice; it takes one value`);
  }
  const least = usage.operands.filter((operand) => operand.startsWith("<")).length;
  const most = usage.operands.at(-1)?.endsWith("…") === true ? Infinity : usage.operands.length;
  if (operands.length < least) {
    throw usageError(`${usage.operands[operands.length]} is missing`, `usage: ${usageLine(usage)}`);
  }
  // What is too much is not repeated: it may be a secret that lost its quotes.
  if (operands.length > most) {
    throw usageError(`${operands.length} arguments are too many`, `usage: ${usageLine(usage)}`);
  }
  return new Args(operands, options, values);
}

type Token = ReturnType<typeof tokenize>["tokens"][number];

/** Node's parser without its strictness, whose messages repeat what was typed and suggest nothing. */
function tokenize(argv: readonly string[], options: Options) {
  const types = Object.entries(options).map(([name, { short, value }]) => [
    name,
    { type: value === undefined ? ("boolean" as const) : ("string" as const), ...(short && { short }) },
  ]);
  return parseArgs({
    args: [...argv],
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
}

function checkOption(token: Extract<Token, { kind: "option" }>, options: Options, of: string): Option {
  const { name, rawName, value, inlineValue } = token;
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const near = name.length > 1 ? didYouMean(name, Object.keys(options)) : undefined;
    throw usageError(
      `${of} has no option ${quote(rawName)}${near === undefined ? "" : `; did you mean "--${near}"?`}`,
      `\`${of} --help\` lists what there is`,
    );
  }
  if (option.value === undefined) {
    if (value !== undefined) throw usageError(`${rawName} takes no value`);
    return option;
  }
  if (value === undefined) throw usageError(`${rawName} needs a value: ${rawName} ${option.value}`);
  // `--input --json` is a forgotten value; who means it writes `--input=--json`.
  if (!inlineValue && /^-./.test(value)) {
    throw usageError(`${rawName} needs a value, and ${quote(value)} looks like an option`);
  }
  return option;
}

function usageLine({ name, operands, options }: Usage): string {
  const some = Object.keys(options).length > 0 ? " [options]" : "";
  return `writ ${[name, ...operands].join(" ")}${some}`;
}

export function renderHelp(usage: Usage): string {
  const exits = ([0, 1, 2, ...usage.exits, 130] as const).map((code) => `${code} ${EXIT_MEANINGS[code]}`);
  return [
    `usage: ${usageLine(usage)}`,
    "",
    usage.summary,
    ...(usage.notes === undefined ? [] : ["", ...usage.notes]),
    ...section("Options", optionRows(usage.options)),
    ...section("Everywhere", optionRows(GLOBAL_OPTIONS)),
    ...section("Examples", usage.examples),
    ...section("Exit codes", exits),
    "",
  ].join("\n");
}

export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)];
}

export function optionRows(options: Options): string[] {
  const rows = Object.entries(options).map(([name, { short, value, help }]) => {
    const flags = short === undefined ? `    --${name}` : `-${short}, --${name}`;
    return [value === undefined ? flags : `${flags} ${value}`, help] as const;
  });
  return columns(rows);
}

/** Left column padded to the widest of its cells. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd());
}
