/** `writ.fs.*` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ path: z.string().max(4096), text: z.string().optional() });

function handler(op: string, access: "r" | "w"): OpHandler {
  return async (args, context) => {
    const { path } = parseArgs(op, schema, args);
    judge(context, { kind: "fs", path, access });
    return notYet(op);
  };
}

export const fsOps: Readonly<Record<string, OpHandler>> = {
  "fs.read": handler("writ.fs.read", "r"),
  "fs.write": handler("writ.fs.write", "w"),
  "fs.list": handler("writ.fs.list", "r"),
  "fs.stat": handler("writ.fs.stat", "r"),
  "fs.remove": handler("writ.fs.remove", "w"),
};
