/** `writ.fs.*` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { escapeLine, truncate } from "../../base/text.ts";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ path: z.string(), text: z.string().optional() });

function handler(op: "read" | "write" | "list" | "stat" | "remove"): OpHandler {
  const access = op === "write" || op === "remove" ? "w" : "r";
  return async (args, context) => {
    const { path } = parseArgs(`writ.fs.${op}`, schema, args);
    const granted = context.permissions.fs.some((permission) => permission.access.includes(access));
    const line = `permissions: { fs: [{ path: ${JSON.stringify(path)}, access: ${access} }] }`;
    judge(context, `fs ${op} ${escapeLine(truncate(path, 200))}`, granted, line);
    return notYet(`writ.fs.${op}`);
  };
}

export const fsOps: Readonly<Record<string, OpHandler>> = {
  "fs.read": handler("read"),
  "fs.write": handler("write"),
  "fs.list": handler("list"),
  "fs.stat": handler("stat"),
  "fs.remove": handler("remove"),
};
