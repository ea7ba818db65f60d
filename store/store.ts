/** writ.db as a whole: the one place that knows where it is and what is in it. */
import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { AuditLog, type AuditMac } from "./audit.ts";
import { prepareFolder } from "./data-dir.ts";
import { Database, type OpenOptions } from "./database.ts";
import { KvStore } from "./kv.ts";
import { LogStore } from "./logs.ts";
import { acquireOwner, type Owner, recover } from "./owners.ts";
import { parseRow } from "./row.ts";
import { RunStore } from "./runs.ts";
import { STORE_SCHEMA } from "./schema.ts";

export const STORE_FILE = "writ.db";

export class Store implements AsyncDisposable {
  readonly dataDir: string;
  readonly runs: RunStore;
  readonly logs: LogStore;
  readonly #db: Database;
  readonly #clock: Clock;

  private constructor(dataDir: string, db: Database, clock: Clock) {
    this.dataDir = dataDir;
    this.#db = db;
    this.#clock = clock;
    this.runs = new RunStore(db);
    this.logs = new LogStore(db);
  }

  /** Opens for writing; folder and file are made if need be, the folder's parent must exist. */
  static async open(dataDir: string, clock: Clock, options: OpenOptions = {}): Promise<Store> {
    prepareFolder(dataDir);
    return new Store(dataDir, await Database.open(join(dataDir, STORE_FILE), STORE_SCHEMA, options), clock);
  }

  /** Opens for looking only, and makes nothing; undefined = nothing was ever stored there. */
  static async openReadOnly(dataDir: string, clock: Clock): Promise<Store | undefined> {
    const db = await Database.openReadOnly(join(dataDir, STORE_FILE), STORE_SCHEMA);
    return db === undefined ? undefined : new Store(dataDir, db, clock);
  }

  /** The entries of one task. */
  kv(task: string): KvStore {
    return new KvStore(this.#db, task, this.#clock);
  }

  audit(mac: AuditMac): AuditLog {
    return new AuditLog(this.#db, this.#clock, mac);
  }

  /** Makes this process an owner: see `acquireOwner`. */
  own(): Owner {
    return acquireOwner(this.dataDir, this.#clock);
  }

  /** Ends what dead owners left running: see `recover`. */
  recover(): Promise<readonly string[]> {
    return recover(this.dataDir, this.runs, this.#clock);
  }

  /** A fact about this installation, such as the id of its vault; undefined = never set. */
  getMeta(key: string): Promise<string | undefined> {
    return this.#db.read(() => {
      const value = this.#db.sql("SELECT value FROM meta WHERE key = ?").pluck().get(key);
      return value === undefined ? undefined : parseRow(this.#db, "meta", z.string(), value);
    });
  }

  setMeta(key: string, value: string): Promise<void> {
    return this.#db.transaction(() => {
      this.#db
        .sql(
          "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .run(key, value);
    });
  }

  /** Waits for the writes under way. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db[Symbol.asyncDispose]();
  }
}
