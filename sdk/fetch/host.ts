/** `fetch` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { escapeLine, truncate } from "../../base/text.ts";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const schema = z.strictObject({ url: z.string(), method: z.string() });

export const fetchOps: Readonly<Record<string, OpHandler>> = {
  fetch: async (args, context) => {
    const { url, method } = parseArgs("fetch", schema, args);
    // Neither query nor credentials: a URL can carry a secret.
    const parsed = URL.parse(url);
    const shown = parsed === null ? "(not a URL)" : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
    const what = `net ${escapeLine(method.toUpperCase().slice(0, 20))} ${escapeLine(truncate(shown, 200))}`;
    const granted = context.permissions.net.length > 0;
    judge(
      context,
      what,
      granted,
      `permissions: { net: [${JSON.stringify(parsed?.host ?? "api.example.com")}] }`,
    );
    return notYet("fetch");
  },
};
