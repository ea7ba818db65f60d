/** What the ops of one run act on: its own kv namespace, its own secret scope, its own record. */
import { AppError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { truncate } from "../base/text.ts";
import { compileGrants } from "../manifest/permissions/grants.ts";
import type { KvPort, OpContext, SecretsPort } from "../sdk/host/ports.ts";
import type { Redactor } from "../secrets/redact.ts";
import type { KvStore } from "../store/kv.ts";
import type { AuditEntry } from "../store/ports.ts";
import { checkValue, GLOBAL_SCOPE } from "../store/vault/limits.ts";
import type { Vault } from "../store/vault/vault.ts";
import type { RunLog } from "./run-log.ts";
import type { LoadedTask } from "./tasks.ts";

/** Different requests that a run's record names, of each kind; the count of all ops is kept in any case. */
const MAX_RECORDED = 100;
const MAX_RECORDED_LENGTH = 200;

export interface RunOpsOptions {
  readonly runId: string;
  readonly task: LoadedTask;
  readonly kv: KvStore;
  readonly vault: () => Promise<Vault>;
  readonly redactor: Redactor;
  readonly log: RunLog;
  readonly audit: (entry: AuditEntry) => Promise<void>;
}

/** The grants a run used and the requests that were denied. */
export class PermissionUse {
  readonly #used = new Set<string>();
  readonly #denied = new Set<string>();
  readonly #onDenied: (what: string) => void;
  /** Denied requests that are not named: noise must not hide that something else was tried. */
  #unnamed = 0;

  /** `onDenied` is told once of each different request, and once that there were more than are named. */
  constructor(onDenied: (what: string) => void) {
    this.#onDenied = onDenied;
  }

  record(what: string, allowed: boolean): void {
    const set = allowed ? this.#used : this.#denied;
    const shown = truncate(what, MAX_RECORDED_LENGTH);
    if (set.has(shown)) return;
    if (set.size < MAX_RECORDED) {
      set.add(shown);
      if (!allowed) this.#onDenied(shown);
    } else if (!allowed && ++this.#unnamed === 1) {
      this.#onDenied(`more than ${MAX_RECORDED} different requests; the others are not named`);
    }
  }

  /** `redact` is asked again: a value may have become known after it stood in a request. */
  summary(redact: (text: string) => string): {
    readonly used: readonly string[];
    readonly denied: readonly string[];
  } {
    const named = (all: ReadonlySet<string>): string[] => [...all].map(redact).sort();
    const unnamed = this.#unnamed === 0 ? [] : [`${this.#unnamed} more, not named`];
    return { used: named(this.#used), denied: [...named(this.#denied), ...unnamed] };
  }
}

export function makeOpContext(options: RunOpsOptions, use: PermissionUse): OpContext {
  const { permissions } = options.task.manifest;
  return {
    grants: compileGrants(permissions),
    permissions,
    kv: kvPort(options.kv),
    secrets: secretsPort(options),
    redaction: {
      contains: (value) => options.redactor.contains(value),
      add: (name, bytes) => {
        // What the vault will not take need not be watched for, and may cost a lot to watch for.
        checkValue(name, bytes, false);
        options.redactor.add(name, bytes);
      },
    },
    // A request is the guest's own text: it may hold a value.
    record: (what, allowed) => use.record(options.redactor.redactText(what), allowed),
  };
}

function kvPort(kv: KvStore): KvPort {
  return {
    get: (key) => kv.get(key),
    set: (key, value: Json, options) => kv.set(key, value, options),
    delete: (key) => kv.delete(key),
    list: async (prefix, limit) => (await kv.list(prefix, { limit })).map(({ key }) => key),
    cas: (key, version, value, options) => kv.cas(key, version === 0 ? undefined : version, value, options),
    increment: (key, by) => kv.increment(key, by),
  };
}

function secretsPort({ runId, task, vault, log, audit }: RunOpsOptions): SecretsPort {
  const scope = task.manifest.workspace ?? GLOBAL_SCOPE;
  const actor = `run:${runId}`;
  const audited = async <T>(action: string, keys: readonly string[], act: () => Promise<T>): Promise<T> => {
    const entry = { actor, run: runId, workspace: scope, action, target: keys.join(" ") };
    try {
      const result = await act();
      await audit({ ...entry, result: "ok" });
      return result;
    } catch (error) {
      await audit({ ...entry, result: "error" });
      throw error;
    }
  };
  return {
    async set(values, ifVersion) {
      refuseStray(ifVersion, [...values.keys()]);
      // The value may already stand in the log: it goes before anybody is told that it is stored.
      await log.redactStored();
      try {
        return await audited("secret.set", [...values.keys()], async () => {
          const stored = new Map(
            [...values].map(([key, bytes]) => [key, { bytes, ifVersion: ifVersion.get(key) }]),
          );
          const results = await (await vault()).setMany(scope, stored, { actor });
          return new Map([...results].map(([key, { version }]) => [key, version]));
        });
      } finally {
        for (const bytes of values.values()) bytes.fill(0);
      }
    },
    async delete(keys, ifVersion) {
      refuseStray(ifVersion, keys);
      return audited("secret.delete", keys, async () => {
        const expected = new Map(keys.map((key) => [key, { ifVersion: ifVersion.get(key) }]));
        return (await vault()).deleteMany(scope, expected, { actor });
      });
    },
  };
}

/** An expectation about a key that is not written would be silently ignored. */
function refuseStray(ifVersion: ReadonlyMap<string, number>, keys: readonly string[]): void {
  const stray = [...ifVersion.keys()].find((key) => !keys.includes(key));
  if (stray !== undefined)
    throw new AppError("OP_INVALID", `if_version names "${truncate(stray, 80)}", which is not written`);
}
