/** `writ.run` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { escapeLine, truncate } from "../../base/text.ts";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ program: z.string(), args: z.array(z.string()).max(1000) });

export const runOps: Readonly<Record<string, OpHandler>> = {
  run: async (args, context) => {
    const { program } = parseArgs("writ.run", schema, args);
    const granted = context.permissions.run.some((permission) => permission.program === program);
    const line = `permissions: { run: [{ program: ${JSON.stringify(program)}, args: ["**"] }] }`;
    judge(context, `run ${escapeLine(truncate(program, 200))}`, granted, line);
    return notYet("writ.run");
  },
};
