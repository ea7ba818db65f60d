/** `writ.secrets_set` and `writ.secrets_delete` in the daemon. */
import { z } from "zod";
import { AppError } from "../../base/error.ts";
import { quote } from "../../base/text.ts";
import { judge } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpContext, OpHandler } from "../host/ports.ts";
import { MAX_KEYS } from "./wire.ts";

const ifVersion = z.record(z.string(), z.int().nonnegative());
const value = z.union([z.string(), z.strictObject({ hex: z.hex().regex(/^(?:..)*$/) })]);

const setArgs = z.strictObject({ values: z.record(z.string(), value), if_version: ifVersion });
const deleteArgs = z.strictObject({ keys: z.array(z.string()).max(MAX_KEYS), if_version: ifVersion });

/** What a redaction leaves behind: storing it would replace a value by its mark. */
const REDACTION_MARK = "[REDACTED:";

export const secretsOps: Readonly<Record<string, OpHandler>> = {
  "secrets.set": async (args, context) => {
    const parsed = parseArgs("writ.secrets_set", setArgs, args);
    const keys = Object.keys(parsed.values);
    if (keys.length === 0 || keys.length > MAX_KEYS) {
      throw new AppError(
        "OP_INVALID",
        `"writ.secrets_set" was given ${keys.length} keys, 1 to ${MAX_KEYS} are allowed`,
      );
    }
    allow(context, keys);
    const values = new Map(Object.entries(parsed.values).map(([key, item]) => [key, bytesOf(key, item)]));
    // Known to redaction before anybody can see an answer, and whether or not the write succeeds.
    for (const [key, bytes] of values) context.redaction.add(key, bytes);
    refuseSecretNames(context, keys);
    const versions = await context.secrets.set(values, new Map(Object.entries(parsed.if_version)));
    return Object.fromEntries(versions);
  },
  "secrets.delete": async (args, context) => {
    const parsed = parseArgs("writ.secrets_delete", deleteArgs, args);
    allow(context, parsed.keys);
    refuseSecretNames(context, parsed.keys);
    return context.secrets.delete(parsed.keys, new Map(Object.entries(parsed.if_version)));
  },
};

/** All keys are judged before any is written. */
function allow(context: OpContext, keys: readonly string[]): void {
  for (const key of keys) judge(context, { kind: "secrets_write", key });
}

/** The vault, its events and the audit log keep names in clear. */
function refuseSecretNames({ redaction }: OpContext, keys: readonly string[]): void {
  if (!redaction.contains(keys)) return;
  throw new AppError(
    "SECRETS_PERSIST_DENIED",
    "the name of a secret holds the value of a secret, and names are not encrypted; it must not",
    { hints: ["the name comes first: writ.secrets_set(name, value)"] },
  );
}

function bytesOf(key: string, item: z.output<typeof value>): Buffer {
  // Such text has no bytes: what was stored would be another value than the one given.
  if (typeof item === "string" && !item.isWellFormed())
    throw new AppError("OP_INVALID", `the new value of ${quote(key)} is not valid Unicode text; give bytes`);
  const bytes = typeof item === "string" ? Buffer.from(item, "utf8") : Buffer.from(item.hex, "hex");
  if (!bytes.includes(REDACTION_MARK)) return bytes;
  throw new AppError("OP_INVALID", `the new value of ${quote(key)} is a redaction mark, not a secret`);
}
