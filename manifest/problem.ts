/** One thing wrong with a file a person edits, and the way from a zod issue to it. */
import { z } from "zod";
import type { ErrorCode, Position } from "../base/error.ts";
import { formatPosition } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { didYouMean, orList, quote } from "../base/text.ts";

/** Where the value at a path (or the key before it) stands; for what is not there, its nearest ancestor. */
export type Locate = (path: readonly PropertyKey[], part?: "key" | "value") => Position;

export interface Problem {
  readonly code: ErrorCode;
  /** What is wrong; never a value that could be a secret. */
  readonly message: string;
  /** What to write instead; empty when the message says it all. */
  readonly fix: string;
  readonly at: Position;
  readonly severity: "error" | "warning";
}

/** One finding of a rule, before it has a place in a file. */
export interface Finding {
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix?: string;
  /** Below the value the rule looks at. */
  readonly path?: readonly PropertyKey[];
  /** Point at the key instead of its value. */
  readonly key?: true;
}

export type Report = (finding: Finding) => void;

/** A file with more problems than this shows the first ones and says how many are left. */
export const MAX_PROBLEMS = 100;

/** `CODE file:line:col message; fix`. */
export function renderProblem(problem: Problem): string {
  const fix = problem.fix === "" ? "" : `; ${problem.fix}`;
  return `${problem.code} ${formatPosition(problem.at)} ${problem.message}${fix}`;
}

/** By position; what stands past `MAX_PROBLEMS` becomes one last line. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const sorted = [...problems].sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  const next = sorted[MAX_PROBLEMS];
  if (next === undefined) return sorted;
  const rest = sorted.length - MAX_PROBLEMS;
  const more = { ...next, message: `${next.message}; and ${rest - 1} more problems after this one`, fix: "" };
  return [...sorted.slice(0, MAX_PROBLEMS), more];
}

/** A rule over text: it runs only on a string. */
export function textRule(judge: (text: string, report: Report) => void, expected = "text"): z.ZodString {
  return z
    .string({ error: expected })
    .superRefine((text, context) => judge(text, (finding) => addFinding(context, finding)));
}

/**
 * A rule over several keys of one mapping. It runs whatever else is wrong with the mapping, so that every
 * problem is found at once; so it may expect nothing of a key's type.
 */
export function mappingRule<S extends z.ZodType>(
  schema: S,
  judge: (mapping: Readonly<Record<string, unknown>>, report: Report) => void,
): S {
  return schema.superRefine(
    (value, context) => {
      if (isRecord(value)) judge(value, (finding) => addFinding(context, finding));
    },
    { when: ({ value }) => isRecord(value) },
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The items of a list, the value itself as a list of one, or nothing. */
export function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined ? [] : [value];
}

interface FindingParams {
  readonly finding: Finding;
}

function addFinding(context: z.core.$RefinementCtx, finding: Finding): void {
  const params: FindingParams = { finding };
  context.addIssue({
    code: "custom",
    path: [...(finding.path ?? [])],
    message: finding.message,
    params: { ...params },
  });
}

/** What an unknown key of one mapping means when it is more than a slip; undefined = only unknown. */
export type UnknownKey = (key: string) => Omit<Finding, "path" | "key"> | undefined;

const unknownKeys = new WeakMap<object, UnknownKey>();

/** Gives the unknown keys of `schema` an answer of their own. */
export function withUnknownKey<S extends z.ZodType>(schema: S, answer: UnknownKey): S {
  unknownKeys.set(schema, answer);
  return schema;
}

interface Known {
  readonly keys: readonly string[];
  readonly answer: UnknownKey | undefined;
}

/** Checks `value` and turns every issue into a problem at its place. */
export function parseWith<S extends z.ZodType>(
  schema: S,
  value: Json,
  at: Locate,
): { readonly data: z.output<S> | undefined; readonly problems: readonly Problem[] } {
  // zod tells only its error map which mapping an unknown key stands in.
  const known = new WeakMap<object, Known>();
  const parsed = schema.safeParse(value, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys" && issue.inst instanceof z.ZodObject) {
        known.set(issue.keys, { keys: Object.keys(issue.inst.shape), answer: unknownKeys.get(issue.inst) });
      }
      return undefined;
    },
  });
  if (parsed.success) return { data: parsed.data, problems: [] };
  const source: Source = { value, at, known, problems: [] };
  for (const issue of parsed.error.issues) collect(issue, [], source);
  return { data: undefined, problems: source.problems };
}

/** What a path leads to; undefined when it leads nowhere. */
function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return undefined;
    found = Reflect.get(found, step);
  }
  return found;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? String(value) : "a mapping";
}

interface Source {
  readonly value: Json;
  readonly at: Locate;
  readonly known: WeakMap<object, Known>;
  readonly problems: Problem[];
}

function collect(issue: z.core.$ZodIssue, above: readonly PropertyKey[], source: Source): void {
  const path = [...above, ...issue.path];
  const value = valueAt(source.value, path);
  const add = (code: ErrorCode, message: string, fix: string, at = source.at(path)): void => {
    source.problems.push({ code, message, fix, at, severity: "error" });
  };
  const addMissing = (expected: string): void => {
    const key = String(path.at(-1));
    add("MANIFEST_MISSING_KEY", `the key ${quote(key)} is missing`, `add ${key}: (${expected})`);
  };
  switch (issue.code) {
    case "unrecognized_keys": {
      const here = source.known.get(issue.keys);
      for (const key of issue.keys) {
        const at = source.at([...path, key], "key");
        const special = here?.answer?.(key);
        if (special === undefined) {
          add("MANIFEST_UNKNOWN_KEY", `unknown key ${quote(key)}`, suggestion(key, here?.keys ?? []), at);
        } else {
          add(special.code, special.message, special.fix ?? "", at);
        }
      }
      return;
    }
    case "invalid_union": {
      const branches = issue.errors;
      // A branch for another kind of value says nothing about this one.
      const fitting = branches.find((branch) => !branch.some((inner) => isWrongKind(inner, value)));
      if (fitting !== undefined) {
        for (const inner of fitting) collect(inner, path, source);
        return;
      }
      const wanted = branches.flatMap((branch) =>
        branch.filter((inner) => isWrongKind(inner, value)).map(expectedWords),
      );
      const expected = orList([...new Set(wanted)]);
      if (value === undefined) addMissing(expected);
      else add(...wrongType(expected, value));
      return;
    }
    case "invalid_key":
      for (const inner of issue.issues) {
        if (inner.code !== "custom") continue;
        const { code, message, fix } = findingOf(inner);
        add(code, message, fix ?? "", source.at(path, "key"));
      }
      return;
    case "invalid_type":
      if (value === undefined) addMissing(expectedWords(issue));
      else add(...wrongType(expectedWords(issue), value));
      return;
    case "invalid_value": {
      const values = issue.values.map(String);
      if (value === undefined) {
        addMissing(orList(values));
        return;
      }
      const found = typeof value === "string" ? value : undefined;
      const near = found === undefined ? undefined : didYouMean(found, values);
      const what = found === undefined ? "the value" : quote(found);
      const fix = near === undefined ? `write ${orList(values)}` : `did you mean ${near}?`;
      add("MANIFEST_VALUE", `${what} is not one of ${values.join(", ")}`, fix);
      return;
    }
    case "too_big":
    case "too_small": {
      const bound = issue.code === "too_big" ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
      const what =
        issue.origin === "array" || issue.origin === "set"
          ? "entries"
          : issue.origin === "string"
            ? "characters"
            : "";
      add("MANIFEST_LIMIT", `must be ${bound} ${what}`.trimEnd(), "");
      return;
    }
    case "custom": {
      const { code, message, fix, key } = findingOf(issue);
      add(code, message, fix ?? "", source.at(path, key === true ? "key" : "value"));
      return;
    }
    default:
      add("MANIFEST_VALUE", issue.message, "");
  }
}

/** Whether a branch of a union is about another kind of value than the one that is there. */
function isWrongKind(issue: z.core.$ZodIssue, value: unknown): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === "invalid_value") return typeof issue.values[0] !== typeof value;
  return issue.code === "invalid_type";
}

function isFindingParams(params: unknown): params is FindingParams {
  return isRecord(params) && "finding" in params;
}

function findingOf(issue: z.core.$ZodIssueCustom): Finding {
  const params: unknown = issue.params;
  return isFindingParams(params) ? params.finding : { code: "MANIFEST_VALUE", message: issue.message };
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** The schema's own words where it has some (`z.string({ error: "a duration such as 30s" })`). */
function expectedWords(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value") return orList(issue.values.map(String));
  if (!issue.message.startsWith("Invalid input")) return issue.message;
  return issue.code === "invalid_type" ? (KINDS[issue.expected] ?? issue.expected) : "a value";
}

function wrongType(expected: string, found: unknown): ["MANIFEST_TYPE", string, string] {
  const kind = kindOf(found);
  let fix = `write ${expected}`;
  if (kind === "nothing") fix = `give it a value (${expected}) or remove the key`;
  else if (expected === "text") fix = "put it in quotes";
  else if (expected.startsWith("true or false") && typeof found === "string") {
    if (/^(yes|on)$/i.test(found)) fix = "write true";
    if (/^(no|off)$/i.test(found)) fix = "write false";
  }
  return ["MANIFEST_TYPE", `must be ${expected}, is ${kind}`, fix];
}

function suggestion(key: string, known: readonly string[]): string {
  const near = didYouMean(key, known);
  return near === undefined ? `known here: ${known.join(", ")}` : `did you mean ${quote(near)}?`;
}
