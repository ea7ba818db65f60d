/** A judgement that is recorded: used grants and denials both go into the run's record. */
import { AppError } from "../../base/error.ts";
import type { OpContext } from "./ports.ts";

/**
 * Throws `PERMISSION_DENIED` unless `allowed`.
 *
 * @param what the request in words, as the manifest has them: `secrets_write oauth/access`
 * @param line the manifest line that would grant it
 */
export function judge(context: OpContext, what: string, allowed: boolean, line: string): void {
  context.record(what, allowed);
  if (allowed) return;
  throw new AppError("PERMISSION_DENIED", `${what} is not permitted`, {
    hints: [`add to task.yaml: ${line}`],
  });
}

/** For ops that are judged but do not act yet. */
export function notYet(op: string): never {
  throw new AppError("NOT_YET", `"${op}" is granted, but does not act in this version of writ`);
}
