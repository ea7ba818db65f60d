/** `fetch` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ url: z.string().max(8192), method: z.string().regex(/^[A-Za-z]{1,20}$/) });

export const fetchOps: Readonly<Record<string, OpHandler>> = {
  fetch: async (args, context) => {
    const { url, method } = parseArgs("fetch", schema, args);
    judge(context, { kind: "net", method: method.toUpperCase(), url });
    return notYet("fetch");
  },
};
