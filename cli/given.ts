/** `-p`, `-e` and `--input`: what a person hands to a run. */
import { AppError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { quote } from "../base/text.ts";
import { usageError } from "./args.ts";
import { readAll, readNamed } from "./read.ts";
import type { Terminal } from "./terminal.ts";
import type { Input } from "./world.ts";

const MAX_INPUT_BYTES = 8 * 1024 * 1024;

/** Text is read as the declared type; a value must be of it. */
type GivenParam = { readonly text: string } | { readonly value: Json };

/** `k=text`, `k=@file`, `k:=json`. */
export async function readParams(
  given: readonly string[],
  cwd: string,
): Promise<ReadonlyMap<string, GivenParam>> {
  const params = new Map<string, GivenParam>();
  for (const one of given) {
    const { name, value } = split(one);
    if (value === undefined) throw usageError(`-p ${quote(name)} has no value`, "write -p name=value");
    const literal = name.endsWith(":");
    const key = literal ? name.slice(0, -1) : name;
    if (key === "") throw usageError("-p has a value without a name", "write -p name=value");
    if (params.has(key)) throw usageError(`-p ${quote(key)} is given twice`);
    if (literal) {
      params.set(key, { value: parseJson(Buffer.from(value), `-p ${key}`) });
    } else if (value.startsWith("@")) {
      params.set(key, {
        text: asText(await readNamed(value.slice(1), cwd, MAX_INPUT_BYTES), value.slice(1)),
      });
    } else {
      params.set(key, { text: value });
    }
  }
  return params;
}

/** `NAME=value`, or `NAME`, which is asked for. */
export async function readOverrides(
  given: readonly string[],
  terminal: Terminal,
): Promise<ReadonlyMap<string, string>> {
  const overrides = new Map<string, string>();
  for (const one of given) {
    const { name, value } = split(one);
    if (name === "") {
      throw usageError("-e has a value without a name", "write -e NAME=value, or -e NAME to be asked");
    }
    if (overrides.has(name)) throw usageError(`-e ${quote(name)} is given twice`);
    overrides.set(name, value ?? asText(await terminal.askHidden(name, `give -e ${name}=value`), name));
  }
  return overrides;
}

/** The JSON document in a file, or on stdin for `-`. */
export async function readInput(path: string, cwd: string, stdin: Input): Promise<Json> {
  const bytes =
    path === "-"
      ? await readAll(stdin, "stdin", MAX_INPUT_BYTES)
      : await readNamed(path, cwd, MAX_INPUT_BYTES);
  return parseJson(bytes, path === "-" ? "stdin" : path);
}

/** The value may be a secret, so no message shows it. */
function split(text: string): { name: string; value: string | undefined } {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  return { name, value: at < 0 ? undefined : text.slice(at + 1) };
}

function asText(bytes: Buffer, shown: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw usageError(`${quote(shown)} is not UTF-8 text`);
  } finally {
    bytes.fill(0);
  }
}

/** JSON.parse quotes what it stumbles over, which may be a secret; only the place of it is passed on. */
function parseJson(bytes: Buffer, file: string): Json {
  const text = asText(bytes, file).replace(/^\uFEFF/, "");
  try {
    return JSON.parse(text);
  } catch (error) {
    const found = error instanceof Error ? /line (\d+) column (\d+)/.exec(error.message) : null;
    if (found === null) throw usageError(`${quote(file)} is not JSON`);
    const at = { file, line: Number(found[1]), column: Number(found[2]) };
    throw new AppError("USAGE", "this is not JSON", { at });
  }
}
