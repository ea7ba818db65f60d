/** `writ.run_task`, `list_tasks` and `get_runs` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { quote } from "../../base/text.ts";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const runArgs = z.strictObject({ task: z.string(), params: z.record(z.string(), z.json()) });
const runsArgs = z.strictObject({ task: z.string(), limit: z.int().positive().optional() });

export const tasksOps: Readonly<Record<string, OpHandler>> = {
  "tasks.run": async (args, context) => {
    const { task } = parseArgs("writ.run_task", runArgs, args);
    const line = `permissions: { writ: { tasks: [${JSON.stringify(task)}] } }`;
    judge(context, `tasks ${quote(task, 200)}`, context.permissions.writ.tasks.length > 0, line);
    return notYet("writ.run_task");
  },
  "tasks.list": async (args, context) => {
    parseArgs("writ.list_tasks", z.strictObject({}), args);
    judge(
      context,
      "list_tasks",
      context.permissions.writ.listTasks,
      "permissions: { writ: { list_tasks: true } }",
    );
    return notYet("writ.list_tasks");
  },
  "tasks.runs": async (args, context) => {
    parseArgs("writ.get_runs", runsArgs, args);
    judge(context, "get_runs", context.permissions.writ.getRuns, "permissions: { writ: { get_runs: true } }");
    return notYet("writ.get_runs");
  },
};
