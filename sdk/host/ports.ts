/** What the daemon's half of the SDK needs from the rest of writ; whoever wires the daemon supplies it. */
import type { Json } from "../../base/json.ts";
import type { Permissions } from "../../manifest/manifest.ts";
import type { Grants } from "../../manifest/permissions/grants.ts";

/** The task's own namespace. Versions count from 1; every method is one transaction. */
export interface KvPort {
  get(key: string): Promise<{ readonly value: Json; readonly version: number } | undefined>;
  /** Answers the new version. */
  set(key: string, value: Json, options: { readonly ttlMs?: number }): Promise<number>;
  /** Whether there was one. */
  delete(key: string): Promise<boolean>;
  list(prefix: string, limit: number): Promise<readonly string[]>;
  /** `version` 0 = there must be none; undefined = somebody was faster. */
  cas(
    key: string,
    version: number,
    value: Json,
    options: { readonly ttlMs?: number },
  ): Promise<number | undefined>;
  increment(key: string, by: number): Promise<number>;
}

/** Writes to the local vault in the task's own scope. One call is one transaction: all keys or none. */
export interface SecretsPort {
  /** Takes ownership of the bytes and wipes them. Answers the version of each key. */
  set(
    values: ReadonlyMap<string, Buffer>,
    ifVersion: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>>;
  /** Answers the keys that were there. */
  delete(keys: readonly string[], ifVersion: ReadonlyMap<string, number>): Promise<readonly string[]>;
}

/** The run's redaction, as far as ops need it. */
export interface RedactionPort {
  /** Whether something about to be stored holds a secret. */
  contains(value: Json): boolean;
  /** A value that became known during the run. Throws when it is none that can be stored and watched for. */
  add(name: string, bytes: Uint8Array): void;
}

/** Everything one run's ops may touch. */
export interface OpContext {
  readonly grants: Grants;
  /** Only to tell an op that is not granted from one that does not act yet. */
  readonly permissions: Permissions;
  readonly kv: KvPort;
  readonly secrets: SecretsPort;
  readonly redaction: RedactionPort;
  /** Called once per judged op: for the run's record, and for the audit trail when denied. */
  readonly record: (permission: string, allowed: boolean) => void;
}

/** Parses, judges, acts. A throw of AppError reaches the guest as code, message and hints. */
export type OpHandler = (args: Json, context: OpContext, signal: AbortSignal) => Promise<Json>;
