/** `writ.run_task`, `list_tasks` and `get_runs` in the daemon: judged, not yet acting. */
import { z } from "zod";
import { judge, notYet } from "../host/judge.ts";
import { parseArgs } from "../host/parse.ts";
import type { OpHandler } from "../host/ports.ts";

const task = z.string().max(200);
const runArgs = z.strictObject({ task, params: z.record(z.string(), z.json()) });
const runsArgs = z.strictObject({ task, limit: z.int().positive().optional() });

export const tasksOps: Readonly<Record<string, OpHandler>> = {
  "tasks.run": async (args, context) => {
    judge(context, { kind: "tasks", task: parseArgs("writ.run_task", runArgs, args).task });
    return notYet("writ.run_task");
  },
  "tasks.list": async (args, context) => {
    parseArgs("writ.list_tasks", z.strictObject({}), args);
    judge(context, { kind: "list_tasks" });
    return notYet("writ.list_tasks");
  },
  "tasks.runs": async (args, context) => {
    parseArgs("writ.get_runs", runsArgs, args);
    judge(context, { kind: "get_runs" });
    return notYet("writ.get_runs");
  },
};
