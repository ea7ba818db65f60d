/** Rows are data from outside: a file may be damaged, or written by somebody else. */
import { z } from "zod";
import type { Json } from "../base/json.ts";
import type { Database } from "./database.ts";
import { corrupt } from "./failure.ts";

/** Text of a JSON column. */
export const jsonText = z.string().transform((text, context): Json => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue("not JSON");
    return z.NEVER;
  }
});

/** NULL is undefined everywhere outside of SQL; a column that holds the JSON text `null` is not NULL. */
export function optional<T>(column: z.ZodType<T>): z.ZodType<T | undefined> {
  return z.union([z.null().transform(() => undefined), column]);
}

/** Reads one row; one that does not fit is `STORE_CORRUPT`. The message names table and columns, never a value. */
export function parseRow<T>(db: Database, table: string, columns: z.ZodType<T>, row: unknown): T {
  const parsed = columns.safeParse(row);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map((issue) => issue.path.join(".")).join(", ");
  throw corrupt(db.path, `a row of "${table}" is damaged (${where})`);
}

/** How many rows a page has: what was asked for, within 1 and `max` (SQLite takes a negative limit for none). */
export function pageSize(asked: number, max: number): number {
  return Number.isInteger(asked) ? Math.min(Math.max(asked, 1), max) : max;
}
