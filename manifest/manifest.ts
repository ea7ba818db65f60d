/**
 * What a manifest says, after validation: defaults filled in, short forms spelled out, units resolved.
 *
 * task: a folder with a manifest and a script · permission: one entry of `permissions` · grant: a permission
 * compiled into something that can judge a request · trigger: what may start a task · slot: one instant at
 * which a cron trigger is due.
 */
import type { Json } from "../base/json.ts";

/** Line and column of an entry in task.yaml, both from 1. */
export interface At {
  readonly line: number;
  readonly column: number;
}

export interface Manifest {
  /** Shown to people; the task's id when left out. */
  readonly name: string;
  readonly description: string | undefined;
  /** File name of the script relative to the task folder; undefined = the first of task.ts .mts .js .mjs. */
  readonly entry: string | undefined;
  readonly triggers: readonly Trigger[];
  readonly params: ReadonlyMap<string, ParamSpec>;
  readonly permissions: Permissions;
  readonly dotenv: readonly string[];
  readonly workspace: string | undefined;
  readonly isolation: Isolation | undefined;
  readonly limits: Limits;
  readonly retry: Retry | undefined;
  readonly concurrency: Concurrency | undefined;
  readonly onFailure: { readonly task: string; readonly params: Readonly<Record<string, Json>> } | undefined;
  readonly notify: { readonly on: readonly ("failure" | "recovery" | "success")[] } | undefined;
  /** Callers from other workspaces that may start or read this task. */
  readonly acceptFrom: readonly string[];
}

export type Isolation = "task" | "workspace" | "run" | "paranoid";

/** Milliseconds, bytes and counts. */
export interface Limits {
  readonly timeoutMs: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly logBytes: number;
  readonly outputBytes: number;
  readonly opsInFlight: number;
  readonly ops: number;
}

export interface ParamSpec {
  readonly type: "string" | "number" | "boolean" | "json";
  readonly required: boolean;
  readonly default: Json | undefined;
  readonly enum: readonly Json[] | undefined;
  readonly description: string | undefined;
}

export interface Permissions {
  readonly env: readonly EnvEntry[];
  /** Lines of the net grammar, already parsed once without error. */
  readonly net: readonly string[];
  readonly fs: readonly FsPermission[];
  readonly run: readonly RunPermission[];
  readonly writ: WritPermissions;
}

/** One variable of the run. */
export interface EnvEntry {
  readonly name: string;
  readonly source: EnvSource;
  readonly onMissing: "block" | "empty" | "omit";
  readonly onUnavailable: "block" | "as_missing";
  readonly deliver: "env" | "file" | "sealed";
  /** Hosts a sealed value may go to; empty unless `deliver` is `sealed`. */
  readonly hosts: readonly string[];
  /** Where a sealed placeholder may stand. */
  readonly in: readonly SealedPlace[];
  readonly at: At;
}

export type SealedPlace = "header" | "query" | "form" | "json" | "body";

export type EnvSource =
  /** A variable of the daemon. `bare` entries are absent when missing, `from` entries follow `onMissing`. */
  | { readonly kind: "host"; readonly variable: string; readonly bare: boolean; readonly sensitive: boolean }
  /** A bare key: the provider chain in its configured order. */
  | { readonly kind: "secret"; readonly key: string }
  /** A URI (`op://…`): exactly the provider of that scheme, never a fallback. */
  | { readonly kind: "uri"; readonly uri: string }
  /** The long form of the same: provider by name, literal key, literal options. */
  | {
      readonly kind: "provider";
      readonly provider: string;
      readonly key: string;
      readonly options: Readonly<Record<string, string>>;
    }
  | { readonly kind: "value"; readonly value: string };

export interface FsPermission {
  readonly path: string;
  readonly access: "r" | "w" | "rw";
  readonly secrets: boolean;
  readonly at: At;
}

export interface RunPermission {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly raw: boolean }[];
  readonly network: boolean;
  readonly at: At;
}

export interface WritPermissions {
  /** `true` = every key; a list = key globs (`*` one segment, `**` any number); empty = none. */
  readonly secretsWrite: true | readonly string[];
  readonly kv: boolean;
  readonly tasks: readonly string[];
  readonly listTasks: boolean;
  readonly getRuns: boolean;
}

/** What may start a task. Every task can also be started by hand. */
export type Trigger =
  | (CronTrigger & { readonly kind: "cron" })
  | (WebhookTrigger & { readonly kind: "webhook" })
  | { readonly kind: "chain"; readonly after: string; readonly on: "success" | "failure" | "always" }
  | { readonly kind: "secret"; readonly keys: readonly string[] }
  | { readonly kind: "manual" };

export interface CronTrigger {
  readonly id: string | undefined;
  /** Exactly one of the three. */
  readonly schedule: { readonly cron: string } | { readonly everyMs: number } | { readonly at: number };
  readonly timezone: string | undefined;
  readonly catchup: "none" | "latest" | "all";
  readonly catchupWindowMs: number;
  readonly jitterMs: number;
  readonly params: Readonly<Record<string, Json>>;
}

export interface WebhookTrigger {
  readonly path: string;
  readonly methods: readonly string[];
  readonly verify: WebhookVerify;
  readonly respond: "wait" | "accepted";
  readonly responseTimeoutMs: number;
  readonly maxBodyBytes: number;
}

export type WebhookVerify =
  | { readonly scheme: "none" }
  | {
      readonly scheme: "github" | "stripe" | "slack" | "standard" | "shopify" | "gitea" | "token";
      readonly secrets: readonly string[];
    }
  | {
      readonly scheme: "hmac";
      readonly secrets: readonly string[];
      readonly header: string;
      readonly algorithm: "sha256" | "sha512" | "sha1";
      readonly encoding: "hex" | "base64";
      readonly prefix: string;
      readonly timestamp: { readonly header: string; readonly toleranceMs: number } | undefined;
    };

export interface Retry {
  /** All attempts together, the first included. */
  readonly attempts: number;
  readonly backoff: "constant" | "linear" | "exponential";
  readonly delayMs: number;
  readonly maxDelayMs: number;
  readonly on: readonly ("failure" | "timeout" | "crashed" | "conflict")[];
}

export interface Concurrency {
  readonly limit: number;
  readonly overlap: "skip" | "queue" | "replace" | "allow";
  /** A template over `params` and `input`, unexpanded. */
  readonly key: string | undefined;
}
