/** The whole of task.yaml as one strict schema: `load.ts` checks with it, editors get it as JSON Schema. */
import { z } from "zod";
import { didYouMean, quote } from "../base/text.ts";
import { envSchema, judgeEnvNames } from "./env-schema.ts";
import {
  MAX_LIST_ENTRIES,
  checked,
  duration,
  line,
  paramValues,
  secretGlob,
  size,
  taskGlob,
  taskId,
  variableName,
} from "./fields.ts";
import {
  MAX_PATH_CHARACTERS,
  lineProblem,
  pathProblem,
  relativePathProblem,
  workspaceProblem,
} from "./names.ts";
import { judgeGiven, MAX_PARAMS, paramsSchema } from "./params.ts";
import type { NetRule } from "./permissions/net.ts";
import { covers, parseNetRule } from "./permissions/net.ts";
import type { Report } from "./problem.ts";
import { isRecord, listOf, mappingRule, textRule } from "./problem.ts";
import { triggerSchema } from "./trigger-schema.ts";

const MAX_DESCRIPTION_CHARACTERS = 10_000;
const MIN_MEMORY_BYTES = 16 * 1024 ** 2;
const MAX_DURATION_MS = 7 * 86_400_000;
const SCRIPT = /\.(ts|mts|js|mjs)$/;

const entrySchema = checked(
  "MANIFEST_ENTRY",
  (path) =>
    relativePathProblem(path) ??
    (path.split("/").some((segment) => segment.startsWith(".")) ? "must not be hidden" : undefined) ??
    (SCRIPT.test(path) ? undefined : "is not a script"),
  "write a file of the task folder that ends in .ts, .mts, .js or .mjs",
);

const fsEntry = z.strictObject({
  path: textRule((path, report) => {
    const rest = path.replace(/^\$\{(TASK_DIR|PROJECT_DIR|TASK_DATA)\}/, "x");
    const problem =
      pathProblem(path) ??
      (rest.includes("${")
        ? "may begin with ${TASK_DIR}, ${PROJECT_DIR} or ${TASK_DATA} and holds no other ${"
        : undefined);
    if (problem !== undefined) report({ code: "MANIFEST_VALUE", message: `the path ${problem}` });
  }).describe(
    "A file or folder, relative to the task folder. ${TASK_DIR}, ${PROJECT_DIR}, ${TASK_DATA} and ~ expand.",
  ),
  access: z.enum(["r", "w", "rw"]).describe("Read, write or both."),
  secrets: z
    .boolean()
    .optional()
    .describe("true: files written here may contain secrets. Default false: such a write throws."),
});

const runEntry = z.strictObject({
  program: checked(
    "MANIFEST_VALUE",
    (path) =>
      pathProblem(path) ?? (path === "*" || path.startsWith("/") ? undefined : "is not an absolute path"),
    "write the exact path of the program, such as /usr/bin/git",
  ).describe('The exact path of the program. "*" also needs allow_run_any in writ.yaml.'),
  args: z
    .array(
      textRule((arg, report) => {
        const problem = lineProblem(arg === "" ? "x" : arg, MAX_PATH_CHARACTERS);
        if (problem !== undefined) report({ code: "MANIFEST_VALUE", message: `the argument ${problem}` });
        else if (arg.includes("*") && !["*", "-*", "**"].includes(arg)) {
          report({
            code: "MANIFEST_VALUE",
            message: 'a "*" stands for a whole argument',
            fix: 'write "*", "-*" or "**"',
          });
        }
      }),
    )
    .max(MAX_LIST_ENTRIES)
    .optional()
    .describe(
      'One pattern for each argument: literal text, "*" (one that does not begin with -), "-*" (any one), "**" (the rest). Default: no arguments.',
    ),
  env: z
    .array(
      z.union([
        variableName(),
        z.strictObject({
          name: variableName().describe("A variable that permissions.env declares."),
          raw: z
            .boolean()
            .optional()
            .describe(
              "true: a secret's value instead of the path of its file; it shows in the process table.",
            ),
        }),
      ]),
    )
    .max(MAX_LIST_ENTRIES)
    .optional()
    .describe("The program's whole environment, by names that permissions.env declares."),
  network: z.boolean().optional().describe("true: the program has the network, unfiltered. Default false."),
});

const writSchema = z.strictObject({
  secrets_write: z
    .union([z.boolean(), z.array(secretGlob()).max(MAX_LIST_ENTRIES)])
    .optional()
    .describe(
      "Secrets the task may set and delete: true for all, or keys and globs such as oauth/*. It can never read one back.",
    ),
  kv: z.boolean().optional().describe("The task's own key-value store. Default true."),
  tasks: z.array(taskGlob()).max(MAX_LIST_ENTRIES).optional().describe("Tasks it may start: ids or globs."),
  list_tasks: z.boolean().optional().describe("Whether it may list tasks."),
  get_runs: z.boolean().optional().describe("Whether it may read runs."),
});

const permissionsSchema = mappingRule(
  z.strictObject({
    env: envSchema
      .optional()
      .describe("The whole environment of the run. What is not listed does not exist in it."),
    net: z
      .array(
        textRule((text, report) => {
          const parsed = parseNetRule(text);
          if (!parsed.ok)
            report({ code: "MANIFEST_NET", message: `the line ${parsed.message}`, fix: parsed.fix });
        }, "a line such as api.example.com"),
      )
      .max(MAX_LIST_ENTRIES)
      .optional()
      .describe(
        'Where requests may go: hosts, URLs with * and **, ip: ranges, or *; a method list may stand in front ("GET,POST https://…"). Default: nowhere.',
      ),
    fs: z
      .array(fsEntry)
      .max(MAX_LIST_ENTRIES)
      .optional()
      .describe("Files and folders it may use. Default: none."),
    run: z.array(runEntry).max(MAX_LIST_ENTRIES).optional().describe("Programs it may start. Default: none."),
    writ: writSchema.optional().describe("What it may ask of writ itself."),
    dicode: writSchema.optional().describe("Another spelling of `writ`."),
  }),
  judgePermissions,
);

export const limitsSchema = z.strictObject({
  timeout: duration(1, MAX_DURATION_MS).optional().describe("Wall time of an attempt. Default 60s."),
  cpu: duration(1, MAX_DURATION_MS).optional().describe("CPU time of an attempt. Default 30s."),
  memory: size(MIN_MEMORY_BYTES, 64 * 1024 ** 3)
    .optional()
    .describe("Memory. Default 128MB."),
  log: size(0, 1024 ** 3)
    .optional()
    .describe("Log text kept; what is more is cut with a mark. Default 1MB."),
  output: size(0, 1024 ** 3)
    .optional()
    .describe("The returned value as JSON. Default 1MB."),
  ops_in_flight: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe("Requests to writ at the same time; more wait. Default 64."),
  ops: z.int().min(1).max(10_000_000).optional().describe("Requests to writ in all. Default 100000."),
});

export const retrySchema = z.strictObject({
  attempts: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe("All attempts together, the first included. Default 3."),
  backoff: z
    .enum(["constant", "linear", "exponential"])
    .optional()
    .describe("How the delay grows. Default exponential."),
  delay: duration(0, MAX_DURATION_MS).optional().describe("Before the second attempt. Default 1s."),
  max_delay: duration(0, MAX_DURATION_MS).optional().describe("No delay is longer. Default 5m."),
  on: z
    .array(z.enum(["failure", "timeout", "crashed", "conflict"]))
    .min(1)
    .optional()
    .describe("Which ends are tried again. Default [failure, timeout, crashed]."),
});

export const concurrencySchema = z.strictObject({
  limit: z.int().min(1).max(1000).optional().describe("Runs at the same time. Default 1."),
  overlap: z
    .enum(["skip", "queue", "replace", "allow"])
    .optional()
    .describe("What happens to a run above the limit. Default queue."),
  key: textRule(judgeKey, 'a template such as "${params.mode}"')
    .optional()
    .describe(
      'Counts runs with the same key apart: a template over params and input such as "${params.mode}".',
    ),
});

export const notifySchema = z.strictObject({
  on: z
    .array(z.enum(["failure", "recovery", "success"]))
    .min(1)
    .optional()
    .describe("Which ends are told. Default [failure, recovery]."),
});

export const isolationSchema = z.enum(["task", "workspace", "run", "paranoid"]);

export const manifestSchema = mappingRule(
  z.strictObject({
    name: line().optional().describe("Shown to people. Default: the task's id."),
    description: textRule((text, report) => {
      if (text.length > MAX_DESCRIPTION_CHARACTERS) {
        report({
          code: "MANIFEST_LIMIT",
          message: `the description has more than ${MAX_DESCRIPTION_CHARACTERS} characters`,
        });
      } else if (text.includes("\0")) {
        report({ code: "MANIFEST_VALUE", message: "the description has a NUL character in it" });
      }
    })
      .optional()
      .describe("What the task does, for people."),
    entry: entrySchema
      .optional()
      .describe("The script. Default: the first of task.ts, task.mts, task.js, task.mjs."),
    trigger: triggerSchema
      .optional()
      .describe("What starts the task, one or a list. Every task can also be started by hand."),
    params: paramsSchema
      .optional()
      .describe(
        "What a run may be given: a default (`limit: 10`), or { type, required, default, enum, description }.",
      ),
    permissions: permissionsSchema
      .optional()
      .describe("Everything the task may do. What is not listed is denied."),
    dotenv: z
      .array(checked("MANIFEST_VALUE", relativePathProblem, "write a file of the task folder such as .env"))
      .max(16)
      .optional()
      .describe(
        "Files of the task folder in which `from`, bare entries and the env provider look first; later ones win.",
      ),
    workspace: checked("SECRETS_SCOPE_INVALID", workspaceProblem, "choose another name")
      .optional()
      .describe("The scope whose secrets are looked up before the global ones."),
    isolation: isolationSchema
      .optional()
      .describe(
        "How much a worker process is shared: workspace, task, run (a process for each run) or paranoid. May only tighten what writ.yaml says.",
      ),
    limits: limitsSchema.optional().describe("What a run may use up."),
    retry: retrySchema.optional().describe("Attempts after a bad end. Default: none."),
    concurrency: concurrencySchema
      .optional()
      .describe("How many runs go at the same time. Default: no limit."),
    on_failure: z
      .strictObject({
        task: taskId().describe("The task to start."),
        params: paramValues().optional().describe("Its parameters."),
      })
      .optional()
      .describe("A task that is started when a run ends badly."),
    notify: notifySchema.optional().describe("Which ends are told to the notification task of writ.yaml."),
    accept_from: z
      .array(taskId())
      .max(MAX_LIST_ENTRIES)
      .optional()
      .describe("Tasks of other workspaces that may start or read this one."),
    runtime: z.literal("isolate").optional().describe("Reserved; tasks run in an isolate."),
  }),
  judgeManifest,
);

export type RawManifest = z.output<typeof manifestSchema>;

function judgePermissions(permissions: Readonly<Record<string, unknown>>, report: Report): void {
  if (permissions["writ"] !== undefined && permissions["dicode"] !== undefined) {
    report({
      code: "MANIFEST_CONFLICT",
      message: "dicode is another spelling of writ",
      fix: "keep writ",
      path: ["dicode"],
      key: true,
    });
  }
  const entries = Array.isArray(permissions["env"]) ? permissions["env"] : [];
  judgeEnvNames(entries, report);
  judgeSealedHosts(entries, permissions["net"], report);

  const declared = new Set(entries.map((entry: unknown) => (isRecord(entry) ? entry["name"] : entry)));
  for (const [index, entry] of listOf(permissions["run"]).entries()) {
    if (!isRecord(entry)) continue;
    for (const [at, variable] of listOf(entry["env"]).entries()) {
      const name = isRecord(variable) ? variable["name"] : variable;
      if (typeof name !== "string" || declared.has(name)) continue;
      const path = ["run", index, "env", at];
      report({
        code: "MANIFEST_CONFLICT",
        message: `the variable ${quote(name)} is not declared`,
        fix: `declare it under permissions.env`,
        path,
      });
    }
    const { args } = entry;
    if (Array.isArray(args) && args.slice(0, -1).includes("**")) {
      const path = ["run", index, "args", args.indexOf("**")];
      report({ code: "MANIFEST_VALUE", message: '"**" stands for the rest and must be the last', path });
    }
  }
}

function judgeSealedHosts(entries: readonly unknown[], net: unknown, report: Report): void {
  const rules: NetRule[] = [];
  for (const text of listOf(net)) {
    const parsed = typeof text === "string" ? parseNetRule(text) : undefined;
    if (parsed?.ok === true) rules.push(parsed.rule);
  }
  for (const [index, entry] of entries.entries()) {
    if (!isRecord(entry)) continue;
    for (const [at, host] of listOf(entry["hosts"]).entries()) {
      if (typeof host !== "string" || rules.some((rule) => covers(rule, host))) continue;
      report({
        code: "MANIFEST_NET",
        message: `the host ${quote(host)} is not covered by permissions.net`,
        fix: `add to permissions: net: [${JSON.stringify(host)}]`,
        path: ["env", index, "hosts", at],
      });
    }
  }
}

/** `${params.mode}-${input.user.id}`. */
function judgeKey(template: string, report: Report): void {
  const bad = lineProblem(template, 500);
  if (bad !== undefined) report({ code: "MANIFEST_VALUE", message: `the key ${bad}` });
  else if (template.replace(/\$\{(params|input)(\.[A-Za-z0-9_-]+)+\}/g, "").includes("${")) {
    report({
      code: "MANIFEST_VALUE",
      message: "the key has a ${…} that is not over params or input",
      fix: 'write "${params.NAME}" or "${input.NAME}"',
    });
  }
}

function judgeManifest(manifest: Readonly<Record<string, unknown>>, report: Report): void {
  const declared = isRecord(manifest["params"]) ? manifest["params"] : {};
  const count = Object.keys(declared).length;
  if (count > MAX_PARAMS) {
    report({
      code: "MANIFEST_LIMIT",
      message: `${count} parameters, the limit is ${MAX_PARAMS}`,
      path: ["params"],
      key: true,
    });
  }
  const { trigger, concurrency } = manifest;
  const isList = Array.isArray(trigger);
  const ids = new Set<unknown>();
  for (const [index, one] of listOf(trigger).entries()) {
    if (!isRecord(one)) continue;
    const path = isList ? ["trigger", index] : ["trigger"];
    judgeGiven(declared, one["params"], [...path, "params"], report);
    if (one["id"] === undefined) continue;
    if (ids.has(one["id"])) {
      report({
        code: "MANIFEST_CONFLICT",
        message: "two triggers have the same id",
        fix: "rename one of them",
        path: [...path, "id"],
      });
    }
    ids.add(one["id"]);
  }
  const key = isRecord(concurrency) ? concurrency["key"] : undefined;
  if (typeof key !== "string") return;
  for (const [, param = ""] of key.matchAll(/\$\{params\.([A-Za-z0-9_-]+)/g)) {
    if (Object.hasOwn(declared, param)) continue;
    const near = didYouMean(param, Object.keys(declared));
    const fix = near === undefined ? "declare it under params" : `did you mean ${quote(near)}?`;
    report({
      code: "PARAM_INVALID",
      message: `the parameter ${quote(param)} is not declared`,
      fix,
      path: ["concurrency", "key"],
    });
  }
}
