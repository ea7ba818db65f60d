/** The vault's SQL: three tables, their statements, and rows parsed on the way out. */
import Sqlite from "better-sqlite3";
import { z } from "zod";
import { AppError } from "../../base/error.ts";
import { Database, type OpenOptions, type Schema } from "../database.ts";
import { isBusy } from "../failure.ts";
import {
  APPLICATION_ID,
  RECORD_STATES,
  type EventColumns,
  type RecordAddress,
  type RecordColumns,
} from "./format.ts";

/**
 * One statement for each table, compared word for word with what the file holds: a trigger, a view or a changed
 * table in a hostile file would otherwise act inside our transactions.
 *
 * `records` has no rowid, so that there is one tree and no index that could tell another story; the ciphertext
 * stands last, so that a look at the rest does not read it.
 */
const TABLES = [
  `CREATE TABLE header (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  body BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  root BLOB NOT NULL,
  tag BLOB NOT NULL
) STRICT`,
  `CREATE TABLE records (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  current INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  algorithm INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  key_nonce BLOB NOT NULL,
  sealed_key BLOB NOT NULL,
  nonce BLOB NOT NULL,
  digest BLOB NOT NULL,
  tag BLOB NOT NULL,
  ciphertext BLOB NOT NULL,
  PRIMARY KEY (scope, key, version)
) STRICT, WITHOUT ROWID`,
  `CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  to_version INTEGER NOT NULL,
  cause TEXT NOT NULL,
  at INTEGER NOT NULL,
  tag BLOB NOT NULL
) STRICT`,
];

const SCHEMA: Schema = { applicationId: APPLICATION_ID, migrations: [TABLES.join(";\n")] };

/** Events beyond this many are forgotten, oldest first. */
const EVENTS_KEPT = 10_000;

/** Where in a SQLite file the two numbers stand that say "write-ahead log". */
const WAL_MARK_AT = 18;

const blob = z.instanceof(Buffer);
const count = z.int().nonnegative();
const headerRow = z.strictObject({ body: blob, epoch: count, root: blob, tag: blob });
const recordRow = z.strictObject({
  scope: z.string(),
  key: z.string(),
  version: z.int().positive(),
  state: z.enum(RECORD_STATES),
  current: z.union([z.literal(0), z.literal(1)]).transform((flag) => flag === 1),
  firstAt: z.int(),
  createdAt: z.int(),
  changedAt: z.int(),
  actor: z.string(),
  algorithm: count,
  keyId: count,
  keyNonce: blob,
  sealedKey: blob,
  nonce: blob,
  digest: blob,
  tag: blob,
});

export type HeaderRow = z.infer<typeof headerRow>;

/** A row of `records` but for the ciphertext. */
export interface TaggedRecord extends RecordColumns {
  readonly tag: Buffer;
}

/** The bytes of a database file that holds this header and nothing else, ready for a write-ahead log. */
export function emptyVaultImage(header: HeaderRow): Buffer {
  const memory = new Sqlite(":memory:");
  try {
    memory.exec(SCHEMA.migrations.join(";\n"));
    memory.pragma(`application_id = ${SCHEMA.applicationId}`);
    memory.pragma(`user_version = ${SCHEMA.migrations.length}`);
    memory.prepare("INSERT INTO header VALUES (1, @body, @epoch, @root, @tag)").run(header);
    const image = memory.serialize();
    // A file born with the mark needs no exclusive lock to switch, which two first writers would fight for.
    return image.fill(2, WAL_MARK_AT, WAL_MARK_AT + 2);
  } finally {
    memory.close();
  }
}

/** Every method but `read` and `transaction` is synchronous and is called inside one of them. */
export class VaultTables implements AsyncDisposable {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /** Opens a file that is there. Changes nothing in it. */
  static async open(path: string, options: OpenOptions): Promise<VaultTables> {
    const database = await Database.open(path, SCHEMA, { ...options, durability: "full" });
    database.sql("PRAGMA secure_delete = ON").get();
    return new VaultTables(database);
  }

  read<T>(look: () => T): Promise<T> {
    return this.#database.read(look);
  }

  transaction<T>(work: () => T): Promise<T> {
    return this.#database.transaction(work);
  }

  /** Another number than last time: somebody else has written since. */
  dataVersion(): number {
    return z.object({ data_version: z.int() }).parse(this.#database.sql("PRAGMA data_version").get())
      .data_version;
  }

  /** Whether the file holds our three tables as we made them and nothing else. */
  schemaIsOurs(): boolean {
    const found = this.#database.sql("SELECT sql FROM sqlite_schema ORDER BY rowid").all();
    return JSON.stringify(found) === JSON.stringify(TABLES.map((sql) => ({ sql })));
  }

  header(): HeaderRow {
    return parse(headerRow, this.#database.sql("SELECT body, epoch, root, tag FROM header").get(), "header");
  }

  setRoot(row: Pick<HeaderRow, "epoch" | "root" | "tag">): void {
    this.#database.sql("UPDATE header SET epoch = @epoch, root = @root, tag = @tag").run(row);
  }

  /** All of them in the order of scope, key and version. */
  *records(): Generator<TaggedRecord> {
    const rows = this.#database
      .sql(
        `SELECT scope, key, version, state, current, first_at AS firstAt, created_at AS createdAt,
           changed_at AS changedAt, actor, algorithm, key_id AS keyId, key_nonce AS keyNonce,
           sealed_key AS sealedKey, nonce, digest, tag
         FROM records ORDER BY scope, key, version`,
      )
      .iterate();
    for (const row of rows) yield parse(recordRow, row, "record");
  }

  /** Undefined when there is no such row. */
  ciphertext(at: RecordAddress): Buffer | undefined {
    const row = this.#database
      .sql("SELECT ciphertext FROM records WHERE scope = @scope AND key = @key AND version = @version")
      .get(address(at));
    return row === undefined
      ? undefined
      : parse(z.strictObject({ ciphertext: blob }), row, "record").ciphertext;
  }

  insert(record: TaggedRecord, ciphertext: Buffer): void {
    this.#database
      .sql(
        `INSERT INTO records VALUES (@scope, @key, @version, @state, @current, @firstAt, @createdAt, @changedAt,
           @actor, @algorithm, @keyId, @keyNonce, @sealedKey, @nonce, @digest, @tag, @ciphertext)`,
      )
      .run({ ...record, current: record.current ? 1 : 0, ciphertext });
  }

  /** Writes the columns that may change after a version was made. */
  mark(record: TaggedRecord): void {
    const { state, current, changedAt, tag } = record;
    this.#database
      .sql(
        `UPDATE records SET state = @state, current = @current, changed_at = @changedAt, tag = @tag
         WHERE scope = @scope AND key = @key AND version = @version`,
      )
      .run({ ...address(record), state, current: current ? 1 : 0, changedAt, tag });
  }

  remove(at: RecordAddress): void {
    this.#database
      .sql("DELETE FROM records WHERE scope = @scope AND key = @key AND version = @version")
      .run(address(at));
  }

  nextEventId(): number {
    const row = this.#database.sql("SELECT coalesce(max(id), 0) + 1 AS id FROM events").get();
    return parse(z.strictObject({ id: z.int().positive() }), row, "event").id;
  }

  addEvent(event: EventColumns, tag: Buffer): void {
    this.#database
      .sql("INSERT INTO events VALUES (@id, @scope, @key, @from, @to, @cause, @at, @tag)")
      .run({ ...event, tag });
    this.#database.sql("DELETE FROM events WHERE id <= ?").run(event.id - EVENTS_KEPT);
  }

  /** Takes what was deleted out of the write-ahead log too, unless a reader still needs the log. */
  truncateLog(): void {
    try {
      this.#database.sql("PRAGMA wal_checkpoint(TRUNCATE)").get();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#database[Symbol.asyncDispose]();
  }
}

function address({ scope, key, version }: RecordAddress): RecordAddress {
  return { scope, key, version };
}

function parse<T>(shape: z.ZodType<T>, row: unknown, name: string): T {
  const parsed = shape.safeParse(row);
  if (parsed.success) return parsed.data;
  throw new AppError(
    "SECRETS_STORE_CORRUPT",
    `could not read the vault: a row of type "${name}" is malformed`,
  );
}
