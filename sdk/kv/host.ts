/** `kv.*` in the daemon. */
import { z } from "zod";
import { AppError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { judge } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpContext, OpHandler } from "../host/ports.ts";
import { MAX_LIST, MAX_TTL_SECONDS } from "./wire.ts";

const key = z.string().min(1, { error: "must not be empty" });
const value = z.json();
const ttl = z.number().positive().max(MAX_TTL_SECONDS).optional();

const schemas = {
  get: z.strictObject({ key }),
  set: z.strictObject({ key, value, ttl }),
  delete: z.strictObject({ key }),
  list: z.strictObject({ prefix: z.string(), limit: z.int().min(1).max(MAX_LIST).optional() }),
  cas: z.strictObject({ key, version: z.int().nonnegative(), value, ttl }),
  increment: z.strictObject({ key, by: z.number() }),
};

export const kvOps: Readonly<Record<string, OpHandler>> = {
  "kv.get": async (args, context) => {
    allow(context);
    const found = await context.kv.get(parseArgs("kv.get", schemas.get, args).key);
    return found === undefined ? null : { value: found.value, version: found.version };
  },
  "kv.set": async (args, context) => {
    allow(context);
    const { key, value, ttl } = parseArgs("kv.set", schemas.set, args);
    refuseSecrets(context, key, value);
    return context.kv.set(key, value, lifetime(ttl));
  },
  "kv.delete": async (args, context) => {
    allow(context);
    return context.kv.delete(parseArgs("kv.delete", schemas.delete, args).key);
  },
  "kv.list": async (args, context) => {
    allow(context);
    const { prefix, limit } = parseArgs("kv.list", schemas.list, args);
    return context.kv.list(prefix, limit ?? MAX_LIST);
  },
  "kv.cas": async (args, context) => {
    allow(context);
    const { key, version, value, ttl } = parseArgs("kv.cas", schemas.cas, args);
    refuseSecrets(context, key, value);
    return (await context.kv.cas(key, version, value, lifetime(ttl))) ?? null;
  },
  "kv.increment": async (args, context) => {
    allow(context);
    const { key, by } = parseArgs("kv.increment", schemas.increment, args);
    refuseSecrets(context, key, by);
    return context.kv.increment(key, by);
  },
};

function allow(context: OpContext): void {
  judge(context, { kind: "kv" });
}

function lifetime(ttl: number | undefined): { ttlMs?: number } {
  return ttl === undefined ? {} : { ttlMs: Math.ceil(ttl * 1000) };
}

/** Output is redacted, storage is refused: a redacted copy would be read back as if it were the value. */
function refuseSecrets(context: OpContext, key: string, value: Json): void {
  if (!context.redaction.contains([key, value])) return;
  throw new AppError("SECRETS_PERSIST_DENIED", "the key or value holds a secret and was not stored in kv", {
    hints: ["store secrets with writ.secrets_set"],
  });
}
