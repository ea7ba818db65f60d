/** Lines a run has logged, numbered within the run. Whoever appends has redacted them. */
import { z } from "zod";
import type { Database } from "./database.ts";
import type { LogLine, StoredLogLine } from "./ports.ts";
import { parseRow } from "./row.ts";

/** Longest page of lines. */
export const LOG_PAGE_MAX = 1_000;

export class LogStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds lines after the last one of the run, all or none; the number of the last line, 0 when there is none. */
  append(run: string, attempt: number, lines: readonly LogLine[]): Promise<number> {
    return this.#db.transaction(() => {
      const last = this.#db.sql("SELECT coalesce(max(seq), 0) FROM run_logs WHERE run = ?").pluck().get(run);
      let seq = parseRow(this.#db, "run_logs", z.int(), last);
      const insert = this.#db.sql(
        "INSERT INTO run_logs (run, seq, attempt, t, level, text) VALUES (?, ?, ?, ?, ?, ?)",
      );
      for (const { t, level, text } of lines) insert.run(run, ++seq, attempt, t, level, text);
      return seq;
    });
  }

  /** Changes the text of every line the run has stored, all or none; the old text is gone from the disk as well. */
  async rewrite(run: string, change: (text: string) => string): Promise<void> {
    const rewritten = await this.#db.transaction(() => {
      const rows = this.#db.sql("SELECT seq, attempt, t, level, text FROM run_logs WHERE run = ?").all(run);
      const update = this.#db.sql("UPDATE run_logs SET text = ? WHERE run = ? AND seq = ?");
      let count = 0;
      for (const row of rows) {
        const { seq, text } = parseRow(this.#db, "run_logs", LINE, row);
        const changed = change(text);
        if (changed !== text) count += update.run(changed, run, seq).changes;
      }
      return count;
    });
    if (rewritten > 0) await this.#db.scrub();
  }

  /** Lines after number `after` in order, at most `LOG_PAGE_MAX`; empty = there are no more yet, or no such run. */
  read(run: string, from: { readonly after: number }): Promise<readonly StoredLogLine[]> {
    return this.#db.read(() => {
      const rows = this.#db
        .sql(
          "SELECT seq, attempt, t, level, text FROM run_logs WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?",
        )
        .all(run, from.after, LOG_PAGE_MAX);
      return rows.map((row) => parseRow(this.#db, "run_logs", LINE, row));
    });
  }
}

const LINE = z.object({
  seq: z.int(),
  attempt: z.int(),
  t: z.int(),
  level: z.enum(["debug", "info", "warn", "error"]),
  text: z.string(),
});
