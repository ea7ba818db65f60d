/** What a manifest may say, and is checked, but has no effect in this version. A permission here is denied. */
import type { Json } from "../base/json.ts";
import type { Problem } from "./problem.ts";
import { isRecord } from "./problem.ts";
import type { YamlDocument } from "./yaml.ts";

interface NotActing {
  /** Keys from the root; `*` is every item of a list, or the value itself where a list is optional. */
  readonly path: string;
  /** Whether this value asks for something; default: everything but null, false and empty lists. */
  readonly asks?: (value: Json) => boolean;
  readonly effect: string;
}

const DENIED = "every such request is denied";
const BLOCKED = "the run is blocked rather than given the value another way";
const BY_HAND = "the task starts by hand only";

/** One line leaves this list in the change that makes it act. */
export const NOT_ACTING: readonly NotActing[] = [
  ...["cron", "every", "at", "webhook", "chain", "secret"].map((kind) => ({
    path: `trigger.*.${kind}`,
    effect: BY_HAND,
  })),
  {
    path: "permissions.env.*.deliver",
    asks: (value) => value === "file" || value === "sealed",
    effect: BLOCKED,
  },
  { path: "permissions.env.*.file", effect: BLOCKED },
  { path: "permissions.net", effect: DENIED },
  { path: "permissions.fs", effect: DENIED },
  { path: "permissions.run", effect: DENIED },
  ...["writ", "dicode"].flatMap((key) =>
    ["tasks", "list_tasks", "get_runs"].map((op) => ({ path: `permissions.${key}.${op}`, effect: DENIED })),
  ),
  { path: "isolation", effect: "every task has its own worker" },
  { path: "retry", effect: "a run has one attempt" },
  { path: "concurrency", effect: "runs are not counted" },
  { path: "on_failure", effect: "no task is started" },
  { path: "notify", effect: "nobody is told" },
  { path: "accept_from", effect: "tasks can not start or read each other" },
];

/** A note for each entry of the file that does nothing yet, at its key. */
export function notActing(document: YamlDocument): Problem[] {
  const notes: Problem[] = [];
  for (const { path, asks = asksForSomething, effect } of NOT_ACTING) {
    for (const found of matches(document.value, path.split("."), [])) {
      if (!asks(found.value)) continue;
      notes.push({
        code: "MANIFEST_NOT_ACTING",
        message: `${path.replaceAll(".*", "")} is checked but does not act yet: ${effect}`,
        fix: "",
        at: document.at(found.path, "key"),
        severity: "warning",
      });
    }
  }
  return notes;
}

function asksForSomething(value: Json): boolean {
  return value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

function* matches(
  value: Json,
  keys: readonly string[],
  path: readonly PropertyKey[],
): Generator<{ readonly value: Json; readonly path: readonly PropertyKey[] }> {
  const [key, ...rest] = keys;
  if (key === undefined) {
    yield { value, path };
  } else if (key === "*") {
    if (!Array.isArray(value)) yield* matches(value, rest, path);
    else for (const [index, item] of value.entries()) yield* matches(item, rest, [...path, index]);
  } else if (isRecord(value) && Object.hasOwn(value, key)) {
    yield* matches(value[key] ?? null, rest, [...path, key]);
  }
}
