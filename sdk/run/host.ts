/** `writ.run` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ program: z.string().max(4096), args: z.array(z.string()).max(1000) });

export const runOps: Readonly<Record<string, OpHandler>> = {
  run: async (args, context) => {
    judge(context, { kind: "run", ...parseArgs("writ.run", schema, args) });
    return notYet("writ.run");
  },
};
