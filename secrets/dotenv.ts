/**
 * Dotenv files: a place to look a variable up, never a list of what a run gets.
 *
 * Node's own `parseEnv` is not used: it takes the next line as the value of `NAME= `, cuts `pa#ss` at the hash and
 * `"a\"b"` at the escaped quote, and drops lines it does not understand.
 */
import { isUtf8 } from "node:buffer";
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { AppError } from "../base/error.ts";
import { quote } from "../base/text.ts";
import { isWithin } from "./hidden.ts";
import { readSmallFile } from "./safe-file.ts";

const MAX_DOTENV_BYTES = 256 * 1024;

/**
 * Reads files relative to the task's folder; later ones win, missing ones are skipped.
 *
 * Throws `SECRETS_ACCESS_DENIED` for one that really lies outside the folder and `DOTENV_INVALID` for one that
 * does not parse. No message holds a line's text.
 */
export async function loadDotenv(
  taskDir: string,
  files: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const variables = new Map<string, string>();
  for (const name of files) {
    for (const [key, value] of await loadOne(taskDir, name)) variables.set(key, value);
  }
  return variables;
}

async function loadOne(taskDir: string, name: string): Promise<ReadonlyMap<string, string>> {
  const folder = await realpath(taskDir);
  const path = resolve(folder, name);
  const outside = (): AppError =>
    new AppError(
      "SECRETS_ACCESS_DENIED",
      `dotenv file ${quote(name)} lies outside the task's folder; it must lie in it`,
    );
  if (!isWithin(path, folder)) throw outside();
  const content = await readSmallFile(path, `dotenv file ${quote(name)}`, {
    maxBytes: MAX_DOTENV_BYTES,
    judge: (real) => {
      if (!isWithin(real, folder)) throw outside();
    },
  });
  if (content === undefined) return new Map();
  if (!isUtf8(content)) throw malformed(name, 1, "is not UTF-8");
  return parseDotenv(content.toString("utf8"), name);
}

/** `NAME=value`, an optional `export` in front, `#` comments, three kinds of quotes; `${…}` is plain text. */
export function parseDotenv(text: string, name = ".env"): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const source = text.replace(/^\ufeff/, "").replaceAll(/\r\n?/g, "\n");
  const assignment = /[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)[^\S\n]*=[^\S\n]*/y;
  const nothing = /[^\S\n]*(?:#[^\n]*)?(?:\n|$)/y;
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) at = pattern.lastIndex;
    return match ?? undefined;
  };
  const line = (): number => source.slice(0, at).split("\n").length;

  while (at < source.length) {
    if (take(nothing) !== undefined) continue;
    const key = take(assignment)?.[1];
    if (key === undefined) throw malformed(name, line(), "holds a line that is not NAME=value");
    const opening = source[at];
    if (opening !== '"' && opening !== "'" && opening !== "`") {
      variables.set(key, plainValue(take(/[^\n]*/y)?.[0] ?? ""));
      continue;
    }
    const start = line();
    const quoted = take(
      opening === '"' ? /"((?:[^"\\]|\\[^])*)"/y : opening === "'" ? /'([^']*)'/y : /`([^`]*)`/y,
    );
    if (quoted === undefined) throw malformed(name, start, "holds a quote that does not end");
    if (take(nothing) === undefined) throw malformed(name, line(), "holds text after a closing quote");
    variables.set(key, opening === '"' ? unquote(quoted[1] ?? "") : (quoted[1] ?? ""));
  }
  return variables;
}

/** A hash begins a comment only after a space: `pa#ss` is a value. */
function plainValue(rest: string): string {
  // No pattern: one that begins with spaces takes a time that grows with their square.
  for (let hash = rest.indexOf("#"); hash >= 0; hash = rest.indexOf("#", hash + 1)) {
    if (hash === 0 || (rest[hash - 1] ?? "").trim() === "") return rest.slice(0, hash).trim();
  }
  return rest.trim();
}

function unquote(text: string): string {
  const named: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };
  return text.replaceAll(/\\([^])/g, (whole, char: string) => named[char] ?? whole);
}

function malformed(name: string, line: number, problem: string): AppError {
  return new AppError(
    "DOTENV_INVALID",
    `dotenv file ${quote(name)} line ${line} ${problem}; every line must be NAME=value, a comment or empty`,
  );
}
