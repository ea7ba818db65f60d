/** `trigger`: what may start a task, besides a hand. */
import { z } from "zod";
import { quote } from "../base/text.ts";
import { cronProblem } from "./cron-syntax.ts";
import {
  MAX_LIST_ENTRIES,
  checked,
  duration,
  line,
  paramValues,
  secretRef,
  size,
  taskId,
  timezone,
} from "./fields.ts";
import { lineProblem } from "./names.ts";
import type { Report } from "./problem.ts";
import { mappingRule, textRule } from "./problem.ts";
import { secretKeyProblem } from "./names.ts";

const MAX_TRIGGERS = 32;
const KINDS = ["cron", "every", "at", "webhook", "chain", "secret", "manual"] as const;
const SCHEDULE = ["id", "timezone", "catchup", "catchup_window", "jitter", "params"] as const;
const WEBHOOK = ["methods", "verify", "respond", "response_timeout", "max_body"] as const;
const MINUTE = 60_000;

const headerName = (): z.ZodString =>
  checked("MANIFEST_VALUE", (text) =>
    /^[A-Za-z0-9-]{1,100}$/.test(text) ? undefined : "is not a header's name",
  );

const verify = mappingRule(
  z.strictObject({
    scheme: z
      .enum(["github", "stripe", "slack", "standard", "shopify", "gitea", "token", "hmac"])
      .describe(
        "How the sender proves itself: a known service's signature, `token` (a bearer token), or `hmac` with its details spelled out.",
      ),
    secret: z
      .union([secretRef(), z.array(secretRef()).min(1).max(8)])
      .describe(
        "The key or URI of the shared secret, read by the daemon and never given to the task; a list means any of them.",
      ),
    header: headerName().optional().describe("hmac: the header that carries the signature."),
    algorithm: z.enum(["sha256", "sha512", "sha1"]).optional().describe("hmac: the hash. Default sha256."),
    encoding: z
      .enum(["hex", "base64"])
      .optional()
      .describe("hmac: how the signature is written. Default hex."),
    prefix: line(50)
      .optional()
      .describe('hmac: what stands before the signature, such as "sha256=". Default none.'),
    timestamp: z
      .strictObject({
        header: headerName().describe("The header that carries the signed time."),
        tolerance: duration(1000, 24 * 60 * MINUTE)
          .optional()
          .describe("How old a request may be. Default 5m."),
      })
      .optional()
      .describe("hmac: the signed time, which makes an old request worthless."),
  }),
  (value, report) => {
    if (value["scheme"] === "hmac") {
      if (value["header"] === undefined) {
        report({
          code: "MANIFEST_MISSING_KEY",
          message: 'the key "header" is missing',
          fix: "add header: (the header that carries the signature)",
        });
      }
      return;
    }
    for (const key of ["header", "algorithm", "encoding", "prefix", "timestamp"]) {
      if (value[key] === undefined || value["scheme"] === undefined) continue;
      report({
        code: "MANIFEST_CONFLICT",
        message: `${key} belongs to scheme: hmac`,
        fix: `remove ${key}`,
        path: [key],
        key: true,
      });
    }
  },
);

const secretKey = (): z.ZodString =>
  textRule((text, report) => {
    const problem = secretKeyProblem(text);
    if (problem !== undefined)
      report({ code: "SECRETS_REF_INVALID", message: `the key ${problem}`, fix: "write a secret's key" });
  }, "a secret's key");

const trigger = mappingRule(
  z.strictObject({
    cron: textRule((text, report) => {
      const problem = cronProblem(text);
      if (problem !== undefined) {
        report({
          code: "MANIFEST_CRON",
          message: `${quote(text)} ${problem}`,
          fix: 'write five fields such as "0 9 * * MON-FRI"',
        });
      }
    }, "a cron expression")
      .optional()
      .describe(
        "A cron expression: 5 fields (minute hour day month weekday), 6 with seconds first, or @hourly @daily @weekly @monthly @yearly.",
      ),
    every: duration(1000).optional().describe("A fixed interval, counted from the epoch: 10m, 2h."),
    at: textRule((text, report) => {
      if (parseInstant(text) === undefined) {
        report({
          code: "MANIFEST_VALUE",
          message: `${quote(text)} is not an instant`,
          fix: "write one with its zone such as 2027-01-31T09:00:00Z",
        });
      }
    }, "an instant such as 2027-01-31T09:00:00Z")
      .optional()
      .describe("One instant with its zone, such as 2027-01-31T09:00:00Z."),
    id: checked("MANIFEST_VALUE", (text) =>
      /^[a-z0-9][a-z0-9_-]{0,63}$/.test(text)
        ? undefined
        : "is not an id of lower-case letters, digits, _ and -",
    )
      .optional()
      .describe("Names this schedule, so that it keeps its history when the expression changes."),
    timezone: timezone()
      .optional()
      .describe("IANA time zone of the cron expression. Default: the one of writ.yaml."),
    catchup: z
      .enum(["none", "latest", "all"])
      .optional()
      .describe("Which missed slots run afterwards. Default latest."),
    catchup_window: duration(1000, 31 * 24 * 60 * MINUTE)
      .optional()
      .describe("How far back slots are caught up. Default 24h."),
    jitter: duration(0, 60 * MINUTE)
      .optional()
      .describe("Spreads the start by up to this much. Default 0s."),
    params: paramValues().optional().describe("Parameters of the runs this schedule starts."),
    webhook: checked("MANIFEST_VALUE", hookPathProblem, "write a path such as /hooks/stars")
      .optional()
      .describe("The path that starts the task, below /hooks/. Needs `verify`."),
    methods: z
      .array(z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]))
      .min(1)
      .optional()
      .describe("The HTTP methods it answers. Default [POST]."),
    verify: z
      .union([z.literal("none"), verify])
      .optional()
      .describe("How a request proves where it comes from; `none` makes the hook open to anybody."),
    respond: z
      .enum(["wait", "accepted"])
      .optional()
      .describe("wait (default): answer with the run's result. accepted: answer 202 at once."),
    response_timeout: duration(1000, 10 * MINUTE)
      .optional()
      .describe("How long `respond: wait` waits before it answers 202. Default 30s."),
    max_body: size(0, 64 * 1024 ** 2)
      .optional()
      .describe("The largest body taken. Default 1MB."),
    chain: z
      .strictObject({
        after: taskId().describe("The task whose end starts this one."),
        on: z
          .enum(["success", "failure", "always"])
          .optional()
          .describe("Which ends count. Default success."),
      })
      .optional()
      .describe("Runs after another task, with its output as input."),
    secret: z
      .union([secretKey(), z.array(secretKey()).min(1).max(MAX_LIST_ENTRIES)])
      .optional()
      .describe("Runs after one of these secrets gets a new version."),
    manual: z
      .literal(true)
      .optional()
      .describe("Only by hand. Every task can be started by hand, so this changes nothing."),
  }),
  judgeTrigger,
);

export const triggerSchema = z.union([trigger, z.array(trigger).max(MAX_TRIGGERS)]);

/** Milliseconds since the epoch; undefined when it is no instant, or has no zone. */
export function parseInstant(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|z|[+-]\d{2}:\d{2})$/.test(text))
    return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  // Date.parse turns February 30 into March 2.
  const day = Number(text.slice(8, 10));
  const days = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
  return day <= days ? ms : undefined;
}

function hookPathProblem(path: string): string | undefined {
  const bad = lineProblem(path, 200);
  if (bad !== undefined) return bad;
  if (!path.startsWith("/hooks/")) return "does not begin with /hooks/";
  const segments = path.split("/").slice(2);
  return segments.every((segment) => /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/.test(segment))
    ? undefined
    : 'has a segment that is not letters, digits, "-", "_", "~" and "."';
}

function judgeTrigger(trigger: Readonly<Record<string, unknown>>, report: Report): void {
  const kinds = KINDS.filter((kind) => trigger[kind] !== undefined);
  const [kind, second] = kinds;
  if (kind === undefined) {
    report({
      code: "MANIFEST_MISSING_KEY",
      message: "the trigger does not say what starts the task",
      fix: `add one of ${KINDS.join(", ")}`,
    });
    return;
  }
  if (second !== undefined) {
    report({
      code: "MANIFEST_CONFLICT",
      message: `one trigger has ${kinds.join(" and ")}`,
      fix: "make a list with one trigger for each",
      path: [second],
      key: true,
    });
    return;
  }
  const own: readonly string[] =
    kind === "cron" || kind === "every" || kind === "at" ? SCHEDULE : kind === "webhook" ? WEBHOOK : [];
  for (const key of [...SCHEDULE, ...WEBHOOK]) {
    if (trigger[key] === undefined) continue;
    const misplaced = !own.includes(key) || (key === "timezone" && kind !== "cron");
    if (misplaced) {
      report({
        code: "MANIFEST_CONFLICT",
        message: `${key} means nothing for a ${kind} trigger`,
        fix: `remove ${key}`,
        path: [key],
        key: true,
      });
    }
  }
  if (kind === "webhook" && trigger["verify"] === undefined) {
    report({
      code: "MANIFEST_MISSING_KEY",
      message: "a webhook needs verify",
      fix: "add verify: { scheme: github, secret: KEY }, or verify: none for a hook that is open to anybody",
      path: ["webhook"],
      key: true,
    });
  }
}
