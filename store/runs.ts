/** Rows of runs and their attempts: accepted before anybody is answered, ended exactly once. */
import { z } from "zod";
import { AppError, ERROR_CODES } from "../base/error.ts";
import { isRunId } from "../base/id.ts";
import type { Database } from "./database.ts";
import type {
  Accepted,
  Claim,
  NewRun,
  RunEnd,
  RunErrorRecord,
  RunFinish,
  RunState,
  RunSummary,
  StoredAttempt,
  StoredRun,
} from "./ports.ts";
import { jsonText, optional, pageSize, parseRow } from "./row.ts";

/** Longest page of a list. */
export const RUN_PAGE_MAX = 500;

export interface RunFilter {
  readonly task?: string;
  readonly state?: RunState;
  /** Rows at most; never more than `RUN_PAGE_MAX`. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface RunPage {
  readonly items: readonly RunSummary[];
  /** Where the next page begins; undefined = this was the last. */
  readonly next: string | undefined;
}

export class RunStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Takes a run in as `queued`; it is on disk when this resolves. An id that exists is a defect and throws. */
  accept(run: NewRun): Promise<Accepted> {
    return this.#db.transaction(() => {
      const earlier = this.#earlier(run);
      if (earlier !== undefined) return { id: earlier, fresh: false };
      this.#db
        .sql(
          `INSERT INTO runs (id, task, workspace, actor, state, created_at, owner, parent_run, retry_of, trigger_id,
             slot, idempotency_key, idempotency_until, code_hash, manifest_hash, trigger, params, input)
           VALUES (:id, :task, :workspace, :actor, 'queued', :createdAt, :owner, :parentRun, :retryOf, :triggerId,
             :slot, :key, :until, :codeHash, :manifestHash, :trigger, :params, :input)`,
        )
        .run({
          id: run.id,
          task: run.task,
          workspace: run.workspace ?? null,
          actor: run.actor,
          createdAt: run.createdAt,
          owner: run.owner ?? null,
          parentRun: run.parentRun ?? null,
          retryOf: run.retryOf ?? null,
          triggerId: run.slot?.trigger ?? null,
          slot: run.slot?.at ?? null,
          key: run.idempotency?.key ?? null,
          until: run.idempotency?.until ?? null,
          codeHash: run.codeHash ?? null,
          manifestHash: run.manifestHash ?? null,
          trigger: JSON.stringify(run.trigger),
          params: JSON.stringify(run.params),
          input: run.input ?? null,
        });
      return { id: run.id, fresh: true };
    });
  }

  /** The run that already stands for this slot or key. A key whose time has passed is set free. */
  #earlier(run: NewRun): string | undefined {
    let id: unknown;
    if (run.slot !== undefined) {
      id = this.#db
        .sql("SELECT id FROM runs WHERE task = ? AND trigger_id = ? AND slot = ?")
        .pluck()
        .get(run.task, run.slot.trigger, run.slot.at);
    }
    if (id === undefined && run.idempotency !== undefined) {
      this.#db
        .sql(
          `UPDATE runs SET idempotency_key = NULL, idempotency_hash = NULL, idempotency_until = NULL
           WHERE idempotency_key = ? AND idempotency_until <= ?`,
        )
        .run(run.idempotency.key, run.createdAt);
      id = this.#db.sql("SELECT id FROM runs WHERE idempotency_key = ?").pluck().get(run.idempotency.key);
    }
    return id === undefined ? undefined : parseRow(this.#db, "runs", z.string(), id);
  }

  /**
   * Begins the next attempt of a queued or waiting run. Undefined = it is not there to be begun: ended, taken by
   * somebody else, or reserved for another owner.
   */
  start(
    id: string,
    by: { readonly owner: string; readonly node: string; readonly at: number },
  ): Promise<Claim | undefined> {
    return this.#db.transaction(() => {
      const row = this.#db
        .sql(
          `UPDATE runs SET state = 'running', attempt = attempt + 1, fence = fence + 1, owner = :owner, node = :node,
             started_at = coalesce(started_at, :at), due_at = NULL
           WHERE id = :id AND state IN ('queued', 'waiting') AND (owner IS NULL OR owner = :owner)
           RETURNING fence, attempt`,
        )
        .get({ id, ...by });
      if (row === undefined) return undefined;
      const claim = parseRow(this.#db, "runs", CLAIM, row);
      this.#db
        .sql(
          `INSERT INTO attempts (run, attempt, state, owner, node, fence, started_at)
           VALUES (:id, :attempt, 'running', :owner, :node, :fence, :at)`,
        )
        .run({ id, ...by, ...claim });
      return claim;
    });
  }

  /**
   * Writes the end of the running attempt and with it of the run. False = nothing was written: the fence is not
   * the current one, or the run has its end already.
   */
  finish(id: string, fence: number, end: RunFinish): Promise<boolean> {
    return this.#db.transaction(() => {
      const values = { id, fence, ...finishColumns(end) };
      const written = this.#db
        .sql(`UPDATE runs ${SET_FINISH} WHERE id = :id AND fence = :fence AND state = 'running'`)
        .run(values);
      if (written.changes === 0) return false;
      this.#finishAttempt(id, fence, values);
      return true;
    });
  }

  /** Ends a run that has no attempt under way. False = it is running or has its end already. */
  block(
    id: string,
    end: RunFinish & { readonly state: "blocked" | "skipped" | "cancelled" },
  ): Promise<boolean> {
    return this.#db.transaction(() => {
      const written = this.#db
        .sql(`UPDATE runs ${SET_FINISH} WHERE id = :id AND state IN ('queued', 'waiting')`)
        .run({ id, ...finishColumns(end) });
      return written.changes > 0;
    });
  }

  /** Ends as `crashed` whatever a process left behind that is known to be dead; the ids it ended. */
  endAbandoned(owner: string, at: number): Promise<readonly string[]> {
    return this.#db.transaction(() => {
      const rows = this.#db
        .sql("SELECT id, state, fence FROM runs WHERE owner = ? AND state IN ('queued', 'running')")
        .all(owner);
      return rows.map((row) => {
        const { id, state, fence } = parseRow(this.#db, "runs", ABANDONED, row);
        const values = finishColumns(abandonedEnd(state, at));
        // The fence moves on, so a process that was only thought dead can not write any more.
        this.#db.sql(`UPDATE runs ${SET_FINISH}, fence = fence + 1 WHERE id = :id`).run({ id, ...values });
        if (state === "running") this.#finishAttempt(id, fence, values);
        return id;
      });
    });
  }

  /** Every process that still has runs to its name. */
  owners(): Promise<readonly string[]> {
    return this.#db.read(() => {
      const rows = this.#db
        .sql(`SELECT DISTINCT owner FROM runs INDEXED BY runs_owned
           WHERE owner IS NOT NULL AND state IN ('queued', 'running')`)
        .pluck()
        .all();
      return rows.map((owner) => parseRow(this.#db, "runs", z.string(), owner));
    });
  }

  get(id: string): Promise<StoredRun | undefined> {
    return this.#db.read(() => {
      const row = this.#db.sql("SELECT * FROM runs WHERE id = ?").get(id);
      return row === undefined ? undefined : storedRun(parseRow(this.#db, "runs", RUN, row));
    });
  }

  /** In order; empty when none was begun or there is no such run. */
  attempts(id: string): Promise<readonly StoredAttempt[]> {
    return this.#db.read(() => {
      const rows = this.#db
        .sql(
          "SELECT attempt, state, started_at, finished_at, error FROM attempts WHERE run = ? ORDER BY attempt",
        )
        .all(id);
      return rows.map((row) => storedAttempt(parseRow(this.#db, "attempts", ATTEMPT, row)));
    });
  }

  /** Newest first. */
  list(filter: RunFilter): Promise<RunPage> {
    const { task, state, cursor } = filter;
    const limit = pageSize(filter.limit, RUN_PAGE_MAX);
    if (cursor !== undefined && !isRunId(cursor)) {
      return Promise.reject(
        new AppError("USAGE", "could not read the cursor; it must be the one the page before gave"),
      );
    }
    const where = [
      ...(task === undefined ? [] : ["task = :task"]),
      ...(state === undefined ? [] : ["state = :state"]),
      ...(cursor === undefined ? [] : ["id < :cursor"]),
    ].join(" AND ");
    const statement = `SELECT ${SUMMARY_COLUMNS} FROM runs ${where && `WHERE ${where}`} ORDER BY id DESC LIMIT :rows`;
    return this.#db.read(() => {
      const rows = this.#db.sql(statement).all({ task, state, cursor, rows: limit + 1 });
      const items = rows.slice(0, limit).map((row) => summary(parseRow(this.#db, "runs", SUMMARY, row)));
      return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
    });
  }

  #finishAttempt(run: string, fence: number, end: FinishColumns): void {
    this.#db
      .sql(
        `UPDATE attempts SET state = :state, finished_at = :finishedAt, error = :error, timings = :timings,
           usage = :usage, secrets = :secrets
         WHERE run = :run AND fence = :fence AND state = 'running'`,
      )
      .run({ ...end, run, fence });
  }
}

const SET_FINISH = `SET state = :state, finished_at = :finishedAt, output = :output, error = :error,
  timings = :timings, usage = :usage, permissions = :permissions, secrets = :secrets, warnings = :warnings`;

type FinishColumns = ReturnType<typeof finishColumns>;

function finishColumns(end: RunFinish) {
  return {
    state: end.state,
    finishedAt: end.finishedAt,
    output: end.output === undefined ? null : JSON.stringify(end.output),
    error: end.error === undefined ? null : JSON.stringify(end.error),
    timings: JSON.stringify(end.timingsMs),
    usage: JSON.stringify(end.usage),
    permissions: JSON.stringify(end.permissions),
    secrets: JSON.stringify(end.secrets),
    warnings: JSON.stringify(end.warnings),
  };
}

function abandonedEnd(state: "queued" | "running", at: number): RunFinish {
  const message =
    state === "running"
      ? "the process that executed the run died before it ended"
      : "the process that accepted the run died before it began";
  return {
    state: "crashed",
    finishedAt: at,
    output: undefined,
    error: {
      code: "RUN_ABANDONED",
      message,
      blame: ERROR_CODES.RUN_ABANDONED.blame,
      hints: ["start it again once you know that what it did before may happen twice"],
    },
    timingsMs: {},
    usage: { cpuMs: 0, peakMemoryBytes: 0, ops: {} },
    permissions: { used: [], denied: [] },
    secrets: [],
    warnings: [],
  };
}

const END = z.enum([
  "success",
  "failure",
  "timeout",
  "crashed",
  "cancelled",
  "skipped",
  "blocked",
]) satisfies z.ZodType<RunEnd>;
const STATE = z.enum(["queued", "running", "waiting", ...END.options]) satisfies z.ZodType<RunState>;
const CLAIM = z.object({ fence: z.int(), attempt: z.int() });
const ABANDONED = z.object({ id: z.string(), state: z.enum(["queued", "running"]), fence: z.int() });

const ERROR = jsonText.pipe(
  z.object({
    code: z.string(),
    message: z.string(),
    blame: z.enum(["author", "operator", "system"]),
    stack: z.string().exactOptional(),
    hints: z.array(z.string()).exactOptional(),
  }),
) satisfies z.ZodType<RunErrorRecord>;

const ATTEMPT = z.object({
  attempt: z.int(),
  state: z.enum(["running", ...END.options]),
  started_at: z.int(),
  finished_at: optional(z.int()),
  error: optional(ERROR),
});

const SUMMARY = z.object({
  id: z.string(),
  task: z.string(),
  workspace: optional(z.string()),
  actor: z.string(),
  trigger: jsonText,
  state: STATE,
  attempt: z.int(),
  created_at: z.int(),
  started_at: optional(z.int()),
  finished_at: optional(z.int()),
  error: optional(ERROR),
});
const SUMMARY_COLUMNS = Object.keys(SUMMARY.shape).join(", ");

const numbers = z.record(z.string(), z.number());
const RUN = SUMMARY.extend({
  params: jsonText,
  code_hash: optional(z.string()),
  manifest_hash: optional(z.string()),
  input: optional(z.instanceof(Uint8Array)),
  owner: optional(z.string()),
  parent_run: optional(z.string()),
  retry_of: optional(z.string()),
  trigger_id: optional(z.string()),
  slot: optional(z.int()),
  idempotency_key: optional(z.string()),
  idempotency_until: optional(z.int()),
  output: optional(jsonText),
  timings: optional(jsonText.pipe(numbers)),
  usage: optional(jsonText.pipe(z.object({ cpuMs: z.number(), peakMemoryBytes: z.number(), ops: numbers }))),
  permissions: optional(jsonText.pipe(z.object({ used: z.array(z.string()), denied: z.array(z.string()) }))),
  secrets: optional(
    jsonText.pipe(
      z.array(z.object({ name: z.string(), provider: z.string(), version: z.int().exactOptional() })),
    ),
  ),
  warnings: optional(jsonText.pipe(z.array(z.object({ code: z.string(), message: z.string() })))),
});

function summary(row: z.infer<typeof SUMMARY>): RunSummary {
  const { created_at: createdAt, started_at: startedAt, finished_at: finishedAt, ...rest } = row;
  return { ...rest, createdAt, startedAt, finishedAt };
}

function storedAttempt(row: z.infer<typeof ATTEMPT>): StoredAttempt {
  const { started_at: startedAt, finished_at: finishedAt, ...rest } = row;
  return { ...rest, startedAt, finishedAt };
}

function storedRun(row: z.infer<typeof RUN>): StoredRun {
  return {
    id: row.id,
    task: row.task,
    workspace: row.workspace,
    actor: row.actor,
    trigger: row.trigger,
    params: row.params,
    codeHash: row.code_hash,
    manifestHash: row.manifest_hash,
    createdAt: row.created_at,
    input: row.input,
    ...(row.owner !== undefined && { owner: row.owner }),
    ...(row.parent_run !== undefined && { parentRun: row.parent_run }),
    ...(row.retry_of !== undefined && { retryOf: row.retry_of }),
    ...(row.trigger_id !== undefined &&
      row.slot !== undefined && { slot: { trigger: row.trigger_id, at: row.slot } }),
    ...(row.idempotency_key !== undefined &&
      row.idempotency_until !== undefined && {
        idempotency: { key: row.idempotency_key, until: row.idempotency_until },
      }),
    state: row.state,
    attempt: row.attempt,
    startedAt: row.started_at,
    finish: storedFinish(row),
  };
}

function storedFinish(row: z.infer<typeof RUN>): RunFinish | undefined {
  if (
    row.finished_at === undefined ||
    row.state === "queued" ||
    row.state === "running" ||
    row.state === "waiting"
  ) {
    return undefined;
  }
  return {
    state: row.state,
    finishedAt: row.finished_at,
    output: row.output,
    error: row.error,
    timingsMs: row.timings ?? {},
    usage: row.usage ?? { cpuMs: 0, peakMemoryBytes: 0, ops: {} },
    permissions: row.permissions ?? { used: [], denied: [] },
    secrets: row.secrets ?? [],
    warnings: row.warnings ?? [],
  };
}
