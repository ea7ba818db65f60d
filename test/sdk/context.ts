/** The ops of one task over a real store, a real vault and a real redactor. */
import assert from "node:assert/strict";
import { systemClock } from "../../base/clock.ts";
import type { AppError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { loadManifest } from "../../manifest/load.ts";
import { compileGrants } from "../../manifest/permissions/grants.ts";
import { answerOp } from "../../sdk/host/registry.ts";
import type { OpContext } from "../../sdk/host/ports.ts";
import { Redactor } from "../../secrets/redact.ts";
import type { KvStore } from "../../store/kv.ts";
import { Store } from "../../store/store.ts";
import type { Vault } from "../../store/vault/vault.ts";
import { ACTOR, openVault, temporaryFolder } from "../store/vault/harness.ts";

export const CANARY = "canary-7f3a-not-a-real-secret";

export interface Ops extends AsyncDisposable {
  readonly kv: KvStore;
  readonly vault: Vault;
  readonly redactor: Redactor;
  /** `+` used or `-` denied, then the request. */
  readonly recorded: string[];
  readonly call: (name: string, args: Json) => Promise<Json>;
  /** The error of an op that has to fail. */
  readonly failing: (name: string, args: Json) => Promise<AppError>;
}

/** `permissions` as JSON, which is YAML. `CANARY` is a secret that the run already has. */
export async function startOps(permissions: Json = {}): Promise<Ops> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const store = stack.use(await Store.open(folder.path, systemClock));
  const vault = stack.use(await openVault(folder.path));
  await vault.create();
  const redactor = stack.use(new Redactor([{ name: "TOKEN", bytes: Buffer.from(CANARY) }]));
  const loaded = loadManifest(Buffer.from(JSON.stringify({ permissions })), "task.yaml", { id: "mine" });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const recorded: string[] = [];
  const kv = store.kv("mine");
  const context: OpContext = {
    grants: compileGrants(loaded.manifest.permissions),
    permissions: loaded.manifest.permissions,
    kv: {
      get: (key) => kv.get(key),
      set: (key, value, options) => kv.set(key, value, options),
      delete: (key) => kv.delete(key),
      list: async (prefix, limit) => (await kv.list(prefix, { limit })).map(({ key }) => key),
      cas: (key, version, value, options) => kv.cas(key, version === 0 ? undefined : version, value, options),
      increment: (key, by) => kv.increment(key, by),
    },
    secrets: {
      async set(values, ifVersion) {
        const entries = [...values].map(
          ([key, bytes]) => [key, { bytes, ifVersion: ifVersion.get(key) }] as const,
        );
        const results = await vault.setMany("global", new Map(entries), ACTOR);
        return new Map([...results].map(([key, { version }]) => [key, version]));
      },
      delete: (keys, ifVersion) =>
        vault.deleteMany(
          "global",
          new Map(keys.map((key) => [key, { ifVersion: ifVersion.get(key) }])),
          ACTOR,
        ),
    },
    redaction: {
      contains: (value) => redactor.contains(value),
      add: (name, bytes) => redactor.add(name, bytes),
    },
    record: (what, allowed) => recorded.push(`${allowed ? "+" : "-"} ${what}`),
  };
  const owned = stack.move();
  const call = (name: string, args: Json): Promise<Json> =>
    answerOp(name, args, context, new AbortController().signal);
  return {
    kv,
    vault,
    redactor,
    recorded,
    call,
    failing: async (name, args) => {
      const answer = await call(name, args).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      assert.ok("error" in answer, `${name} answered ${JSON.stringify(answer)}`);
      const { error } = answer;
      assert.ok(isAppError(error), String(error));
      return error;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function isAppError(error: unknown): error is AppError {
  return error instanceof Error && error.name === "AppError";
}
