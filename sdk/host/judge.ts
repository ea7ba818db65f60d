/** A judgement that is recorded: used grants and denials both go into the run's record. */
import { AppError } from "../../base/error.ts";
import type { Permissions } from "../../manifest/manifest.ts";
import { nameOf, type Asked } from "../../manifest/permissions/grants.ts";
import type { OpContext } from "./ports.ts";

/** Throws `PERMISSION_DENIED`, with the line to add as its hint, unless the manifest grants what is asked. */
export function judge(context: OpContext, asked: Asked): void {
  const denial = context.grants.judge(asked);
  context.record(nameOf(asked), denial === undefined);
  if (denial === undefined) return;
  if (isDeclared(context.permissions, asked)) {
    throw new AppError(
      "NOT_YET",
      `${nameOf(asked)}: this kind of permission does not act in this version of writ`,
    );
  }
  throw new AppError("PERMISSION_DENIED", denial.message, { hints: [`add to task.yaml: ${denial.line}`] });
}

/** Whether the manifest has entries of a kind that is checked, but never granted so far. */
function isDeclared({ net, fs, run, writ }: Permissions, { kind }: Asked): boolean {
  switch (kind) {
    case "net":
      return net.length > 0;
    case "fs":
      return fs.length > 0;
    case "run":
      return run.length > 0;
    case "tasks":
      return writ.tasks.length > 0;
    case "list_tasks":
      return writ.listTasks;
    case "get_runs":
      return writ.getRuns;
    case "secrets_write":
    case "kv":
    case "env":
      return false;
  }
}

/** The answer of an op whose kind of permission is never granted so far: unreachable while that holds. */
export function notYet(op: string): never {
  throw new AppError("NOT_YET", `"${op}" does not act in this version of writ`);
}
