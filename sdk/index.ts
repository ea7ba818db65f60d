/**
 * What a task sees. Types only: `import type { Task } from "writ"`.
 *
 * @example
 * ```ts
 * import type { Task } from "writ";
 * export default (async ({ env, log }) => {
 *   log.info(`hello ${env.NAME}`);
 *   return { greeted: env.NAME };
 * }) satisfies Task;
 * ```
 */

/** A value that survives JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A task: the default export of `task.ts`.
 *
 * What it returns becomes the run's output and must be JSON of at most `limits.output` (default 1 MiB); `undefined`
 * means no output. What it throws ends the run as `failure`.
 */
export type Task = (context: TaskContext) => unknown;

/** The one argument of a task. */
export interface TaskContext {
  /**
   * The variables listed under `permissions.env`, and no others. Secrets can be read by name but are not
   * enumerable, so that spreading or printing `env` does not copy them.
   */
  readonly env: Readonly<Record<string, string>>;
  /** The declared `params`: given values over defaults. */
  // oxlint-disable-next-line typescript/no-explicit-any -- types come from each task's manifest
  readonly params: Readonly<Record<string, any>>;
  /** What started the run handed over: `--input`, a webhook's body, the output of the task before; else `null`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the caller sent
  readonly input: any;
  /** The HTTP request of a webhook run; `undefined` for every other trigger. */
  readonly request: undefined;
  readonly kv: Kv;
  readonly log: Log;
  /** Aborts when the run is cancelled or out of time; pass it to whatever waits. */
  readonly signal: AbortSignal;
  readonly task: {
    readonly id: string;
    /** The declared variables and where each value came from; never a value. */
    readonly env: readonly { readonly name: string; readonly source: string; readonly version?: number }[];
  };
  readonly run: {
    readonly id: string;
    /** 1 for the first attempt. */
    readonly attempt: number;
    readonly trigger: { readonly kind: string; readonly [fact: string]: Json };
  };
  readonly writ: Writ;
  /** The same object as `writ`, under dicode's name. */
  readonly dicode: Writ;
}

/** Log lines of the run; `console.*` writes to the same place. Secret values are replaced before they are stored. */
export interface Log {
  debug(...values: readonly unknown[]): void;
  info(...values: readonly unknown[]): void;
  warn(...values: readonly unknown[]): void;
  error(...values: readonly unknown[]): void;
}

/**
 * The task's own key-value namespace: durable once awaited, shared by all runs of the task and by nobody else.
 *
 * Keys have 1 to 512 bytes, values are JSON of at most 256 KiB. A breach rejects with code `KV_LIMIT`, a value
 * that contains a secret with `SECRETS_PERSIST_DENIED`.
 *
 * @example
 * ```ts
 * const seen = (await kv.get("seen")) ?? [];
 * await kv.set("seen", [...seen, id], { ttl: 86_400 });
 * ```
 */
export interface Kv {
  /** The value, or `undefined` when there is none or its time is over. */
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever was stored
  get(key: string): Promise<any>;
  /** The value with its version, for `cas`. */
  entry(key: string): Promise<{ readonly value: Json; readonly version: number } | undefined>;
  /** Stores a value and answers its version. `ttl` in seconds; without it the value stays. */
  set(key: string, value: unknown, options?: { readonly ttl?: number }): Promise<number>;
  /** Whether there was one. */
  delete(key: string): Promise<boolean>;
  /** Keys that begin with `prefix`, in order; at most `limit` (default and greatest 1000). */
  list(prefix?: string, options?: { readonly limit?: number }): Promise<readonly string[]>;
  /**
   * Stores the value only if the present version is `version` (0 = there must be none). Answers the new version,
   * or `null` when somebody was faster.
   */
  cas(
    key: string,
    version: number,
    value: unknown,
    options?: { readonly ttl?: number },
  ): Promise<number | null>;
  /** Adds to a number in one step and answers the sum; a missing one counts as 0. */
  increment(key: string, by?: number): Promise<number>;
}

/**
 * What a task may do beyond its own code, as far as `permissions` grant it. A refusal rejects with an error whose
 * `name` is `PermissionDenied`, `code` is `PERMISSION_DENIED` and `hints` hold the line to add.
 */
export interface Writ {
  /**
   * Stores a secret in the vault, in the task's own scope; durable once awaited, kept if the run fails later. It
   * can not be read back, and is replaced in everything this run prints. Needs `permissions.writ.secrets_write`.
   *
   * @param value text, or bytes; 4 bytes to 64 KiB.
   * @param options `if_version`: store only over this version, 0 = there must be none; otherwise the promise
   * rejects with code `SECRETS_CONFLICT`.
   * @returns the version of each key.
   * @example
   * ```ts
   * await writ.secrets_set("oauth/access", token.access_token);
   * await writ.secrets_set({ "oauth/access": a, "oauth/refresh": r }, { if_version: { "oauth/refresh": 3 } });
   * ```
   */
  secrets_set(
    key: string,
    value: string | Uint8Array,
    options?: { readonly if_version?: number },
  ): Promise<Readonly<Record<string, number>>>;
  secrets_set(
    values: Readonly<Record<string, string | Uint8Array>>,
    options?: { readonly if_version?: Readonly<Record<string, number>> },
  ): Promise<Readonly<Record<string, number>>>;
  /** Destroys one or many secrets. Deleting what is not there is no error. Answers the keys that were there. */
  secrets_delete(key: string, options?: { readonly if_version?: number }): Promise<readonly string[]>;
  secrets_delete(
    keys: readonly string[],
    options?: { readonly if_version?: Readonly<Record<string, number>> },
  ): Promise<readonly string[]>;
  /** Not acting yet: denied, or `NOT_YET` where the manifest grants it. */
  run(program: string, args?: readonly string[]): Promise<never>;
  /** Not acting yet: denied, or `NOT_YET` where the manifest grants it. */
  readonly fs: {
    read(path: string): Promise<never>;
    write(path: string, text: string): Promise<never>;
    list(path: string): Promise<never>;
    stat(path: string): Promise<never>;
    remove(path: string): Promise<never>;
  };
  /** Not acting yet: denied, or `NOT_YET` where the manifest grants it. */
  run_task(task: string, params?: Readonly<Record<string, unknown>>): Promise<never>;
  /** Not acting yet: denied, or `NOT_YET` where the manifest grants it. */
  list_tasks(): Promise<never>;
  /** Not acting yet: denied, or `NOT_YET` where the manifest grants it. */
  get_runs(task: string, options?: { readonly limit?: number }): Promise<never>;
  /** Not acting yet: throws `NOT_YET`. */
  mask(value: string): never;
  /** Not acting yet: throws `NOT_YET`. */
  lock(name: string, options?: { readonly ttl?: number }): never;
}
