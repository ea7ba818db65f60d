/** What one task may do, compiled once; everything that is not granted is denied with the line to add. */
import { quote } from "../../base/text.ts";
import type { Permissions } from "../manifest.ts";
import { mayWriteSecret } from "./secrets-write.ts";

/** What a guest asks for. */
export type Asked =
  | { readonly kind: "secrets_write"; readonly key: string }
  | { readonly kind: "kv" }
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "net"; readonly method: string; readonly url: string }
  | { readonly kind: "fs"; readonly path: string; readonly access: "r" | "w" }
  | { readonly kind: "run"; readonly program: string; readonly args: readonly string[] }
  | { readonly kind: "tasks"; readonly task: string }
  | { readonly kind: "list_tasks" }
  | { readonly kind: "get_runs" };

export interface Denial {
  /** `secrets_write "oauth/access" is not permitted`. */
  readonly message: string;
  /** What to add to task.yaml, one line of YAML: `permissions: { writ: { kv: true } }`. */
  readonly line: string;
}

export interface Grants {
  /** undefined = granted. Whatever does not act yet is denied, also when the manifest names it. */
  judge(asked: Asked): Denial | undefined;
}

export function compileGrants(permissions: Permissions): Grants {
  const { writ, env } = permissions;
  const variables = new Set(env.map(({ name }) => name));
  const granted = (asked: Asked): boolean => {
    switch (asked.kind) {
      case "secrets_write":
        return mayWriteSecret(writ.secretsWrite, asked.key);
      case "kv":
        return writ.kv;
      case "env":
        return variables.has(asked.name);
      case "net":
      case "fs":
      case "run":
      case "tasks":
      case "list_tasks":
      case "get_runs":
        return false;
    }
  };
  return Object.freeze({ judge: (asked: Asked) => (granted(asked) ? undefined : denial(asked)) });
}

function denial(asked: Asked): Denial {
  return { message: `${nameOf(asked)} is not permitted`, line: `permissions: { ${lineFor(asked)} }` };
}

/** The request in words, as records and messages have it: `secrets_write "oauth/access"`. */
export function nameOf(asked: Asked): string {
  switch (asked.kind) {
    case "secrets_write":
      return `secrets_write ${quote(asked.key)}`;
    case "kv":
    case "list_tasks":
    case "get_runs":
      return asked.kind;
    case "env":
      return `env ${quote(asked.name)}`;
    case "net":
      return `net ${asked.method} ${withoutQuery(asked.url)}`;
    case "fs":
      return `fs ${asked.access} ${quote(asked.path)}`;
    case "run":
      return `run ${quote(asked.program)}`;
    case "tasks":
      return `tasks ${quote(asked.task)}`;
  }
}

/** JSON strings are YAML strings, so nothing a guest says can leave its quotes. */
function lineFor(asked: Asked): string {
  switch (asked.kind) {
    case "secrets_write":
      return `writ: { secrets_write: [${JSON.stringify(asked.key)}] }`;
    case "kv":
    case "list_tasks":
    case "get_runs":
      return `writ: { ${asked.kind}: true }`;
    case "env":
      return `env: [${JSON.stringify(asked.name)}]`;
    case "net":
      return `net: [${JSON.stringify(`${asked.method} ${withoutQuery(asked.url)}`)}]`;
    case "fs":
      return `fs: [{ path: ${JSON.stringify(asked.path)}, access: ${asked.access} }]`;
    case "run":
      return `run: [{ program: ${JSON.stringify(asked.program)}, args: ${JSON.stringify(asked.args)} }]`;
    case "tasks":
      return `writ: { tasks: [${JSON.stringify(asked.task)}] }`;
  }
}

/** A query or credentials in a URL may be secret, and rules do not judge them. */
function withoutQuery(text: string): string {
  try {
    const url = new URL(text);
    return `${url.protocol}//${url.host}${url.pathname}`;
  } catch {
    return "a malformed URL";
  }
}
