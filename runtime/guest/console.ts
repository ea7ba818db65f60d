/** console: text for the run's log. */
import { performance } from "./performance.ts";
import { cut, format, inspect } from "./inspect.ts";
import type { LogLevel } from "../../sdk/wire.ts";

const { captureStackTrace } = Error;
const { getOwnPropertyDescriptor, ownKeys } = Reflect;

/** Indentation of nested groups stops here, in spaces. */
const MAX_INDENT = 40;
/** Rows, and columns, of a table. */
const MAX_TABLE = 100;
/** Characters of one cell. */
const MAX_CELL = 40;

export interface Console {
  log(...args: readonly unknown[]): void;
  info(...args: readonly unknown[]): void;
  debug(...args: readonly unknown[]): void;
  warn(...args: readonly unknown[]): void;
  error(...args: readonly unknown[]): void;
  trace(...args: readonly unknown[]): void;
  assert(condition?: unknown, ...args: readonly unknown[]): void;
  dir(value?: unknown): void;
  table(rows?: unknown): void;
  group(...args: readonly unknown[]): void;
  groupCollapsed(...args: readonly unknown[]): void;
  groupEnd(): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...args: readonly unknown[]): void;
  timeEnd(label?: string): void;
}

/** Each call of a method is at most one call of `emit`, however many lines it has. */
export function makeConsole(emit: (level: LogLevel, text: string) => void): Console {
  const counts = new Map<string, number>();
  const starts = new Map<string, number>();
  let indent = "";

  function write(level: LogLevel, text: string): void {
    emit(level, indent === "" ? text : cut(`${indent}${text.replaceAll("\n", `\n${indent}`)}`));
  }

  const printer =
    (level: LogLevel) =>
    (...args: readonly unknown[]): void => {
      write(level, format(args));
    };

  function elapsed(label: string, args: readonly unknown[]): void {
    const start = starts.get(label);
    if (start === undefined) write("warn", `Timer "${label}" does not exist`);
    else
      write(
        "info",
        cut(`${label}: ${performance.now() - start} ms${args.length > 0 ? ` ${format(args)}` : ""}`),
      );
  }

  function group(...args: readonly unknown[]): void {
    if (args.length > 0) write("info", format(args));
    indent = " ".repeat(Math.min(indent.length + 2, MAX_INDENT));
  }

  return {
    log: printer("info"),
    info: printer("info"),
    debug: printer("debug"),
    warn: printer("warn"),
    error: printer("error"),
    trace: function trace(...args) {
      const here: { readonly stack?: unknown } = {};
      captureStackTrace(here, trace);
      const frames = String(here.stack).replace(/^.*/, "");
      write("info", cut(`Trace${args.length > 0 ? `: ${format(args)}` : ""}${frames}`));
    },
    assert(condition, ...args) {
      if (!condition)
        write("error", args.length > 0 ? `Assertion failed: ${format(args)}` : "Assertion failed");
    },
    dir(value) {
      write("info", inspect(value));
    },
    table(rows) {
      write("info", typeof rows === "object" && rows !== null ? cut(table(rows)) : format([rows]));
    },
    group,
    groupCollapsed: group,
    groupEnd() {
      indent = indent.slice(2);
    },
    count(label = "default") {
      const count = (counts.get(label) ?? 0) + 1;
      counts.set(label, count);
      write("info", cut(`${label}: ${count}`));
    },
    countReset(label = "default") {
      if (!counts.delete(label)) write("warn", cut(`Count for "${label}" does not exist`));
    },
    time(label = "default") {
      if (starts.has(label)) write("warn", cut(`Timer "${label}" already exists`));
      else starts.set(label, performance.now());
    },
    timeLog(label = "default", ...args) {
      elapsed(label, args);
    },
    timeEnd(label = "default") {
      elapsed(label, []);
      starts.delete(label);
    },
  };
}

/** One line per own property of `rows`, one column per own property of any row. */
function table(rows: object): string {
  const columns = new Set(["(index)"]);
  const cells: ReadonlyMap<string, string>[] = [];
  for (const [index, row] of properties(rows)) {
    const line = new Map([["(index)", index]]);
    const entries: [string, unknown][] =
      typeof row === "object" && row !== null ? properties(row) : [["Values", row]];
    for (const [column, value] of entries) {
      columns.add(column);
      line.set(column, cell(inspect(value).replaceAll("\n", " ")));
    }
    cells.push(line);
  }
  const heads = [...columns].slice(0, MAX_TABLE);
  const grid = [heads, ...cells.map((line) => heads.map((head) => line.get(head) ?? ""))];
  const widths = heads.map((_, column) => Math.max(...grid.map((line) => line[column]?.length ?? 0)));
  return grid
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The own enumerable data properties. */
function properties(object: object): [string, unknown][] {
  const found: [string, unknown][] = [];
  for (const key of ownKeys(object)) {
    if (found.length === MAX_TABLE) break;
    const descriptor = getOwnPropertyDescriptor(object, key);
    if (typeof key === "string" && descriptor?.enumerable === true) found.push([key, descriptor.value]);
  }
  return found;
}

/** Cut with a mark: redaction recognises the beginning of a value by it. */
function cell(text: string): string {
  return text.length <= MAX_CELL ? text : `${text.slice(0, MAX_CELL)}…`;
}
