/** One SQLite file: opened with care, brought to its schema, written in short transactions that share a commit. */
import { accessSync, constants, statSync, type Stats } from "node:fs";
import { resolve } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import Sqlite from "better-sqlite3";
import { z } from "zod";
import { AppError } from "../base/error.ts";
import { prepareFile } from "./data-dir.ts";
import { corrupt, explainFailure, isBusy, movedAway, quotePath, unavailable } from "./failure.ts";

/** How long a locked file is tried again before `STORE_UNAVAILABLE`. */
const BUSY_LIMIT_MS = 10_000;
const BUSY_DELAY_MAX_MS = 32;
/** Transactions that may share one commit; bounds how long the write lock is held. */
const BATCH_MAX = 64;

/** What a kind of file holds. */
export interface Schema {
  /** SQLite's application_id, which tells this kind of file from every other. */
  readonly applicationId: number;
  /** SQL of each step; the schema's number is how many of them a file has had. Steps are only ever appended. */
  readonly migrations: readonly string[];
}

export interface OpenOptions {
  /** `full` waits for the disk at every commit; `normal` (the default) survives a killed process but not a power cut. */
  readonly durability?: "normal" | "full";
  /** A disk that is full after this many pages. */
  readonly testOnlyMaxPages?: number;
  /** Stands in for the ten seconds. */
  readonly testOnlyBusyLimitMs?: number;
}

interface Job {
  /** Does the work inside an open transaction; what it returns is called once that is committed. */
  perform(): () => void;
  reject(reason: unknown): void;
  /** Its batch failed as a whole: it gets a transaction of its own. */
  alone: boolean;
}

export class Database implements AsyncDisposable {
  readonly path: string;
  readonly #sqlite: Sqlite.Database;
  readonly #busyLimitMs: number;
  readonly #opened: Stats;
  readonly #statements = new Map<string, Sqlite.Statement>();
  readonly #queue: Job[] = [];
  #draining: Promise<void> | undefined;
  #closed = false;

  private constructor(path: string, sqlite: Sqlite.Database, busyLimitMs: number) {
    this.path = path;
    this.#sqlite = sqlite;
    this.#busyLimitMs = busyLimitMs;
    this.#opened = statSync(path);
  }

  /**
   * Opens for writing: makes the file if need be and brings it to the schema. A file of a newer schema is refused
   * with `STORE_TOO_NEW` and not changed by a byte. The folder must exist (`prepareFolder`).
   */
  static async open(file: string, schema: Schema, options: OpenOptions = {}): Promise<Database> {
    const path = resolve(file);
    const busyLimitMs = options.testOnlyBusyLimitMs ?? BUSY_LIMIT_MS;
    let sqlite: Sqlite.Database | undefined;
    try {
      prepareFile(path);
      accessSync(path, constants.R_OK | constants.W_OK);
      // Closing a writable connection writes the log back into the file, so the first look is read-only.
      await whileBusy(busyLimitMs, () => {
        using look = connect(path, true);
        return schemaNumber(look.sqlite, path, schema);
      });
      const opened = connect(path, false).sqlite;
      sqlite = opened;
      const mode = await whileBusy(busyLimitMs, () => opened.pragma("journal_mode = WAL", { simple: true }));
      if (mode !== "wal") {
        throw unavailable(
          path,
          `its file system has no shared memory (journal mode "${String(mode)}", needs "wal")`,
          "put `data_dir` on a local disk",
        );
      }
      opened.pragma(`synchronous = ${options.durability === "full" ? "FULL" : "NORMAL"}`);
      if (options.testOnlyMaxPages !== undefined)
        opened.pragma(`max_page_count = ${options.testOnlyMaxPages}`);
      await migrate(opened, path, schema, busyLimitMs);
      return new Database(path, opened, busyLimitMs);
    } catch (error) {
      sqlite?.close();
      throw explainFailure(error, path);
    }
  }

  /** Opens for looking only; undefined when nothing was ever stored there. `transaction` then fails. */
  static async openReadOnly(file: string, schema: Schema): Promise<Database | undefined> {
    const path = resolve(file);
    let sqlite: Sqlite.Database | undefined;
    try {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
      const opened = connect(path, true).sqlite;
      sqlite = opened;
      const present = await whileBusy(BUSY_LIMIT_MS, () => schemaNumber(opened, path, schema));
      if (present === 0) {
        opened.close();
        return undefined;
      }
      if (present < schema.migrations.length) {
        throw unavailable(
          path,
          `it was made by an older writ (schema ${present}, this one reads ${schema.migrations.length})`,
          "run a command that writes, such as `writ run`, once: it brings the file up to date",
        );
      }
      return new Database(path, opened, BUSY_LIMIT_MS);
    } catch (error) {
      sqlite?.close();
      throw explainFailure(error, path);
    }
  }

  /** The statement for this text, prepared once. Parameters are always bound, never part of the text. */
  sql(text: string): Sqlite.Statement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#sqlite.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /**
   * Runs `work` in one write transaction and resolves after its commit. Transactions of one Database run in the
   * order they were asked for. A throw undoes this work alone and rejects.
   *
   * `work` must be synchronous and touch nothing but the database: it is run a second time when the transaction
   * it shared with others had to be given up.
   */
  transaction<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new Error(`${quotePath(this.path)} is closed`));
    return new Promise<T>((resolve, reject) => {
      const perform = (): (() => void) => {
        const value = work();
        if (value instanceof Promise) throw new TypeError("a transaction's work must be synchronous");
        return () => resolve(value);
      };
      this.#queue.push({ perform, reject, alone: false });
      this.#draining ??= this.#drain();
    });
  }

  /** Runs `look` on one consistent state of the file. It may run again when the file was locked. */
  async read<T>(look: () => T): Promise<T> {
    try {
      return await whileBusy(this.#busyLimitMs, () => {
        this.#requireInPlace();
        this.sql("BEGIN").run();
        try {
          return look();
        } finally {
          if (this.#sqlite.inTransaction) this.sql("COMMIT").run();
        }
      });
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  /**
   * Leaves no trace, in the file or its write-ahead log, of what earlier transactions overwrote or deleted. Waits
   * for readers; fails with `STORE_UNAVAILABLE` when they stay.
   */
  async scrub(): Promise<void> {
    await this.#draining;
    const deadline = performance.now() + this.#busyLimitMs;
    try {
      while (CHECKPOINT.parse(this.#sqlite.pragma("wal_checkpoint(TRUNCATE)"))[0].busy !== 0) {
        if (performance.now() >= deadline) {
          throw unavailable(
            this.path,
            "another process kept reading it",
            "let that process end, and try again",
          );
        }
        await setTimeout(Math.random() * BUSY_DELAY_MAX_MS);
      }
    } catch (error) {
      throw explainFailure(error, this.path);
    }
  }

  /** Waits for what was asked for, then closes. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#draining;
    this.#sqlite.close();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whatever this turn of the event loop still asks for joins the commit, and a long queue lets others run.
      await setImmediate();
      try {
        await whileBusy(this.#busyLimitMs, () => {
          this.#requireInPlace();
          this.sql("BEGIN IMMEDIATE").run();
          // In the same breath: an open transaction is never left to other code's turn.
          this.#commit(this.#queue.splice(0, this.#queue[0]?.alone === true ? 1 : BATCH_MAX));
        });
      } catch (error) {
        const reason = explainFailure(error, this.path);
        for (const job of this.#queue.splice(0)) job.reject(reason);
      }
    }
    this.#draining = undefined;
  }

  /** What is written to a file that has lost its name is lost when it is closed; SQLite itself goes on. */
  #requireInPlace(): void {
    const found = statSync(this.path, { throwIfNoEntry: false });
    if (found?.ino === this.#opened.ino && found.dev === this.#opened.dev) return;
    throw movedAway(this.path);
  }

  /** Ends the open transaction and settles every job, or puts a failed batch back to be done one by one. */
  #commit(batch: readonly Job[]): void {
    const settle: (() => void)[] = [];
    try {
      for (const job of batch) settle.push(batch.length === 1 ? job.perform() : this.#nested(job));
      this.sql("COMMIT").run();
    } catch (error) {
      if (this.#sqlite.inTransaction) this.sql("ROLLBACK").run();
      if (batch.length === 1) return batch[0]?.reject(explainFailure(error, this.path));
      for (const job of batch) job.alone = true;
      this.#queue.unshift(...batch);
      return;
    }
    for (const done of settle) done();
  }

  /** One job of several: its failure undoes itself only, unless SQLite gave up the whole transaction. */
  #nested(job: Job): () => void {
    this.sql("SAVEPOINT job").run();
    try {
      const done = job.perform();
      this.sql("RELEASE job").run();
      return done;
    } catch (error) {
      if (!this.#sqlite.inTransaction) throw error;
      this.sql("ROLLBACK TO job").run();
      this.sql("RELEASE job").run();
      return () => job.reject(explainFailure(error, this.path));
    }
  }
}

const CHECKPOINT = z.tuple([z.object({ busy: z.int() })]);

/** A connection with the settings every one of ours has. `timeout: 0`: nothing ever sleeps on the event loop. */
function connect(path: string, readonly: boolean): { readonly sqlite: Sqlite.Database } & Disposable {
  const sqlite = new Sqlite(path, { readonly, fileMustExist: true, timeout: 0 });
  sqlite.pragma("foreign_keys = ON");
  // What is deleted is overwritten: a freed page keeps no log line and no kv value.
  sqlite.pragma("secure_delete = ON");
  // A hostile file's own views and triggers can not call anything with effects.
  sqlite.pragma("trusted_schema = OFF");
  return { sqlite, [Symbol.dispose]: () => sqlite.close() };
}

/** How many migrations the file has had; throws for a file that is newer, or not ours. */
function schemaNumber(sqlite: Sqlite.Database, path: string, schema: Schema): number {
  const header = (name: string): number => z.int().parse(sqlite.pragma(name, { simple: true }));
  const [applicationId, present] = [header("application_id"), header("user_version")];
  const known = schema.migrations.length;
  if (applicationId === 0 && present === 0) {
    const tables = sqlite.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
    if (tables === 0) return 0;
  }
  if (applicationId !== schema.applicationId || present < 1) {
    throw corrupt(path, "it is a database of some other program");
  }
  if (present > known) {
    throw new AppError(
      "STORE_TOO_NEW",
      `could not open ${quotePath(path)}: it has schema ${present}, this writ knows schemas up to ${known}`,
      { hints: ["install the newer writ that made the file; nothing was changed"] },
    );
  }
  return present;
}

/** Applies what is missing, each step in a transaction that looks again what is missing. */
async function migrate(
  sqlite: Sqlite.Database,
  path: string,
  schema: Schema,
  busyLimitMs: number,
): Promise<void> {
  const step = sqlite.transaction((): boolean => {
    const present = schemaNumber(sqlite, path, schema);
    const migration = schema.migrations[present];
    if (migration === undefined) return false;
    sqlite.exec(migration);
    sqlite.pragma(`application_id = ${schema.applicationId}`);
    sqlite.pragma(`user_version = ${present + 1}`);
    return true;
  });
  const present = await whileBusy(busyLimitMs, () => schemaNumber(sqlite, path, schema));
  if (present === schema.migrations.length) return;
  while (await whileBusy(busyLimitMs, () => step.immediate()));
}

/** Calls again, after a short random wait, for as long as somebody else holds the lock. */
async function whileBusy<T>(limitMs: number, attempt: () => T): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (let delay = 1; ; delay = Math.min(delay * 2, BUSY_DELAY_MAX_MS)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error;
    }
    await setTimeout(Math.random() * delay);
  }
}
