/** The whole of writ.yaml as one strict schema. */
import { z } from "zod";
import { quote } from "../base/text.ts";
import { checked, duration, line, size, taskGlob, taskId, timezone } from "../manifest/fields.ts";
import { MAX_PATH_CHARACTERS, lineProblem, workspaceProblem } from "../manifest/names.ts";
import type { Report } from "../manifest/problem.ts";
import { isRecord, mappingRule, textRule, withUnknownKey } from "../manifest/problem.ts";
import {
  concurrencySchema,
  isolationSchema,
  limitsSchema,
  notifySchema,
  retrySchema,
} from "../manifest/schema.ts";
import { secretRefProblem } from "../manifest/secret-ref.ts";
import { parseDuration, parseSize } from "../manifest/units.ts";

const DAY = 86_400_000;

const path = (): z.ZodString =>
  checked("CONFIG_INVALID", (text) => lineProblem(text, MAX_PATH_CHARACTERS), "write a path");

/** Text that may be a reference, `secret:<key or URI>`; `literal:` before it escapes. */
const text = (): z.ZodString =>
  textRule((value, report) => {
    const reference = secretOf(value);
    const problem =
      reference === undefined ? lineProblem(value, MAX_PATH_CHARACTERS) : secretRefProblem(reference);
    if (problem === undefined) return;
    const what = reference === undefined ? "the value" : "the reference after secret:";
    report({ code: "CONFIG_INVALID", message: `${what} ${problem}` });
  });

const providerNames = ["local", "env", "file"] as const;

export const providerSchema = mappingRule(
  z.strictObject({
    type: z
      .enum(providerNames)
      .describe("local: the vault. env: the daemon's environment. file: files below `roots`."),
    name: checked("CONFIG_INVALID", (name) =>
      /^[a-z0-9][a-z0-9_-]{0,62}$/.test(name)
        ? undefined
        : "is not a name of lower-case letters, digits, _ and -",
    )
      .optional()
      .describe("What manifests and records call it. Default: the type."),
    chain: z
      .boolean()
      .optional()
      .describe("false: answers URIs only. Default true; `file` is never in the chain."),
    roots: z.array(path()).optional().describe("file: folders that file:// may read below. Default none."),
  }),
  (value, report) => {
    if (value["type"] === "file" && value["chain"] === true) {
      report({
        code: "CONFIG_INVALID",
        message: "a file provider answers URIs only",
        fix: "remove chain",
        path: ["chain"],
        key: true,
      });
    }
    if (value["type"] !== "file" && value["roots"] !== undefined) {
      report({
        code: "CONFIG_INVALID",
        message: "roots belongs to type: file",
        fix: "remove roots",
        path: ["roots"],
        key: true,
      });
    }
  },
);

const workspaceName = textRule((name, report) => {
  const problem = workspaceProblem(name);
  if (problem !== undefined)
    report({
      code: "SECRETS_SCOPE_INVALID",
      message: `${quote(name)} ${problem}`,
      fix: "choose another name",
    });
});

const defaults = withUnknownKey(
  z.strictObject({
    limits: limitsSchema.optional().describe("Limits of tasks that set none."),
    retry: retrySchema.optional().describe("Retry of tasks that set none."),
    concurrency: concurrencySchema
      .omit({ key: true })
      .optional()
      .describe("Concurrency of tasks that set none."),
    notify: notifySchema.optional().describe("Notifications of tasks that set none."),
  }),
  (key) =>
    ["permissions", "dicode", "workspace", "dotenv"].includes(key)
      ? {
          code: "SECRETS_SCOPE_INVALID",
          message: `defaults can not hold ${quote(key)}: authority stands in each manifest alone`,
          fix: "move it into the manifests of the tasks that need it",
        }
      : undefined,
);

const role = z.enum(["admin", "manager", "developer", "operator", "viewer"]);

const auth = z.strictObject({
  mode: textRule((mode, report) => {
    if (mode === "oidc") {
      report({
        code: "CONFIG_INVALID",
        message: "oidc is not a mode of its own",
        fix: "write mode: builtin and fill auth.oidc",
      });
    } else if (!["builtin", "basic", "none"].includes(mode)) {
      report({ code: "CONFIG_INVALID", message: `${quote(mode)} is not one of builtin, basic, none` });
    }
  })
    .optional()
    .describe("builtin (default), basic, or none, which only works on a loopback address."),
  builtin: z
    .strictObject({
      token: z
        .strictObject({
          secret: text().optional().describe("Signs sessions. Default: made once and kept in the vault."),
          ttl: duration(60_000, DAY).optional().describe("Life of a session token. Default 15m."),
          refresh: duration(60_000, 366 * DAY)
            .optional()
            .describe("Life of a refresh token. Default 30d."),
        })
        .optional()
        .describe("Session tokens."),
      initial_admin: z
        .strictObject({
          username: line().describe("The first admin's name."),
          password: text().describe("The first admin's password, best as secret:KEY."),
        })
        .optional()
        .describe("Made at the first start."),
    })
    .optional()
    .describe("Users kept by writ."),
  basic: z
    .strictObject({
      username: line().describe("The one user's name."),
      password: text().describe("The one user's password, best as secret:KEY."),
    })
    .optional()
    .describe("HTTP basic authentication."),
  oidc: z
    .strictObject({
      client_id: text().describe("The client's id at the issuer."),
      client_secret: text().describe("The client's secret, best as secret:KEY."),
      client_url: line(MAX_PATH_CHARACTERS).describe("Where browsers reach writ."),
      issuer: line(MAX_PATH_CHARACTERS).describe("The issuer's URL."),
      auto_signup: z.boolean().optional().describe("Whether unknown users get an account. Default false."),
      allowed_domains: z.array(line()).optional().describe("Mail domains that may sign in. Default: all."),
      role_mapping: z
        .strictObject({ default_role: role.optional().describe("The role of new users. Default viewer.") })
        .optional()
        .describe("Which role a user gets."),
    })
    .optional()
    .describe("Sign-in through an OpenID Connect issuer, beside builtin users."),
});

export const configSchema = mappingRule(
  z.strictObject({
    tasks: z
      .union([path(), z.array(path()).min(1)])
      .optional()
      .describe("The tasks root, or several. Default ./tasks."),
    data_dir: path().optional().describe("Where runs, secrets and files are kept. Default ./.writ."),
    timezone: timezone().optional().describe("IANA time zone of schedules that name none. Default UTC."),
    server: z
      .strictObject({
        host: line().optional().describe("The address to listen on. Default 127.0.0.1."),
        port: z.int().min(1).max(65_535).optional().describe("The port. Default 8467."),
        tls: z
          .strictObject({
            cert: path().describe("The certificate chain's file."),
            key: path().describe("The private key's file."),
          })
          .optional()
          .describe("Serve https."),
        trusted_proxy: z
          .array(line())
          .optional()
          .describe("Addresses of proxies whose forwarding headers count."),
        insecure: z.boolean().optional().describe("true: plain http on more than loopback. Default false."),
        hooks_host: line().optional().describe("A host name of its own for /hooks/."),
      })
      .optional()
      .describe("The HTTP server."),
    auth: auth.optional().describe("Who may use the API."),
    secrets: z
      .strictObject({
        key: z
          .union([
            z.enum(["auto", "env", "credential", "passphrase"]),
            z.strictObject({ file: path().describe("The file that holds the key in base64.") }),
          ])
          .optional()
          .describe(
            "Where the vault's master key comes from: auto (default), env, { file: PATH }, credential or passphrase.",
          ),
        store: line().optional().describe("The vault's store id; another vault is then refused."),
        providers: z
          .array(providerSchema)
          .min(1)
          .max(32)
          .optional()
          .describe(
            "Where secrets come from; the order is the chain for bare keys. Default local, then env.",
          ),
        watch: z
          .strictObject({
            enabled: z.boolean().optional().describe("Default true."),
            poll_interval: duration(1000, DAY).optional().describe("For providers without push. Default 5m."),
          })
          .optional()
          .describe("Looking for rotated secrets."),
      })
      .optional()
      .describe("The vault and the providers."),
    workspaces: z
      .record(workspaceName, z.array(taskGlob()).max(1000))
      .optional()
      .describe("Which tasks are in which workspace; only they may name it. Default: any task may name any."),
    defaults: defaults.optional().describe("Laid under every manifest. Can not hold authority."),
    limits: z
      .strictObject({
        max: limitsSchema
          .omit({ ops: true, ops_in_flight: true })
          .optional()
          .describe(
            "The most a manifest may ask for: timeout 15m, cpu 10m, memory 512MB, log 10MB, output 8MB.",
          ),
      })
      .optional()
      .describe("Bounds for manifests."),
    sandbox: z
      .strictObject({
        isolation: isolationSchema.optional().describe("How much a worker process is shared. Default task."),
        min_level: z
          .enum(["L0", "L1", "L2", "L3"])
          .optional()
          .describe("The weakest fence `writ start` accepts. Default L2."),
        workers: z
          .union([z.literal("auto"), z.int().min(1).max(256)])
          .optional()
          .describe("Worker processes. Default auto."),
        memory: size(16 * 1024 ** 2, 64 * 1024 ** 3)
          .optional()
          .describe("Memory of a worker. Default 128MB."),
      })
      .optional()
      .describe("The sandbox."),
    runs: z
      .strictObject({
        concurrency: z
          .union([z.literal("auto"), z.int().min(1).max(10_000)])
          .optional()
          .describe("Runs at the same time in all. Default auto."),
        shutdown_grace: duration(0, DAY).optional().describe("How long a stop waits for runs. Default 30s."),
        durability: z
          .enum(["normal", "full"])
          .optional()
          .describe("full: survives power loss, slower. Default normal."),
        keep: z
          .strictObject({
            days: z.int().min(1).max(36_500).optional().describe("Default 30."),
            per_task: z.int().min(1).max(1_000_000).optional().describe("Default 1000."),
          })
          .optional()
          .describe("How long run records stay."),
        keep_inputs: z
          .boolean()
          .optional()
          .describe("false: inputs are dropped when a run has ended. Default true."),
      })
      .optional()
      .describe("Runs and their records."),
    approval: z
      .enum(["off", "permissions", "required"])
      .optional()
      .describe("Whether somebody must approve changed tasks. Default off."),
    notify: z
      .strictObject({ task: taskId().describe("The task that tells people.") })
      .optional()
      .describe("Notifications."),
    allow_run_any: z.boolean().optional().describe('Whether manifests may say program: "*". Default false.'),
    allow_run_unfenced: z
      .boolean()
      .optional()
      .describe(
        "Whether programs may start below fence L2, with everything the daemon's user has. Default false.",
      ),
    imports: z
      .array(path())
      .optional()
      .describe("Folders beside the tasks root that tasks may import from. Default none."),
  }),
  judgeConfig,
);

export type RawConfig = z.output<typeof configSchema>;

/** What `limits.max` says when it says nothing. */
export const MAX_LIMITS = {
  timeout: "15m",
  cpu: "10m",
  memory: "512MB",
  log: "10MB",
  output: "8MB",
} as const;

interface ScalarAt {
  readonly path: readonly PropertyKey[];
  readonly value: string | number | boolean;
}

export function scalarsOf(value: unknown, path: readonly PropertyKey[]): readonly ScalarAt[] {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return [{ path, value }];
  if (Array.isArray(value)) return value.flatMap((item: unknown, index) => scalarsOf(item, [...path, index]));
  return isRecord(value)
    ? Object.entries(value).flatMap(([key, item]) => scalarsOf(item, [...path, key]))
    : [];
}

/** What `secret:` in front of a scalar refers to; undefined = it is no reference. */
export function secretOf(value: string): string | undefined {
  return value.startsWith("secret:") ? value.slice("secret:".length) : undefined;
}

function judgeConfig(config: Readonly<Record<string, unknown>>, report: Report): void {
  for (const { path, value } of scalarsOf(config, [])) {
    if (typeof value !== "string" || secretOf(value) === undefined || path[0] === "auth") continue;
    if (path[0] === "secrets") {
      report({
        code: "SECRETS_CYCLE",
        message: "a provider can not take its own settings from a secret",
        fix: "name a variable or a file",
        path,
      });
    } else {
      report({
        code: "CONFIG_INVALID",
        message: "this key can not be taken from a secret",
        fix: "write it out",
        path,
      });
    }
  }
  judgeProviders(isRecord(config["secrets"]) ? config["secrets"]["providers"] : undefined, report);

  const limits =
    isRecord(config["limits"]) && isRecord(config["limits"]["max"]) ? config["limits"]["max"] : {};
  const defaults = isRecord(config["defaults"]) ? config["defaults"]["limits"] : undefined;
  for (const [key, fallback] of Object.entries(MAX_LIMITS)) {
    const asked = isRecord(defaults) ? amountOf(defaults[key]) : undefined;
    const max = amountOf(limits[key]) ?? amountOf(fallback);
    if (asked === undefined || max === undefined || asked <= max) continue;
    report({
      code: "CONFIG_INVALID",
      message: `the default is above limits.max.${key}`,
      fix: `lower it, or raise limits.max.${key}`,
      path: ["defaults", "limits", key],
    });
  }
}

function judgeProviders(providers: unknown, report: Report): void {
  const names = new Set<unknown>();
  for (const [index, one] of (Array.isArray(providers) ? providers : []).entries()) {
    if (!isRecord(one)) continue;
    const name = one["name"] ?? one["type"];
    if (names.has(name)) {
      report({
        code: "CONFIG_INVALID",
        message: "two providers have the same name",
        fix: "give one of them a name:",
        path: ["secrets", "providers", index],
      });
    }
    names.add(name);
  }
}

function amountOf(text: unknown): number | undefined {
  return typeof text === "string" ? (parseDuration(text) ?? parseSize(text)) : undefined;
}
