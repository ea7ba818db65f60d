/** Arguments of an op, parsed: the guest wrote them, and the worker may have. */
import type { z } from "zod";
import { AppError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";

export function parseArgs<T>(op: string, schema: z.ZodType<T>, args: Json): T {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "its arguments" : issue.path.join(".");
  throw new AppError("OP_INVALID", `"${op}" was called wrongly: ${where}: ${issue?.message ?? "not valid"}`);
}
