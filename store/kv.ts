/** Key and value for tasks: one namespace each, versions that never come twice, entries that may expire. */
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { AppError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { quote } from "../base/text.ts";
import type { Database } from "./database.ts";
import { jsonText, pageSize, parseRow } from "./row.ts";

export const KV_KEY_MAX_BYTES = 512;
/** Of the value's JSON. */
export const KV_VALUE_MAX_BYTES = 256 * 1024;
export const KV_NAMESPACE_MAX_KEYS = 10_000;
/** Keys and values together. */
export const KV_NAMESPACE_MAX_BYTES = 64 * 1024 * 1024;
/** Entries of one list. */
export const KV_LIST_MAX = 1_000;

export interface KvEntry {
  readonly key: string;
  readonly value: Json;
  readonly version: number;
}

export interface KvWriteOptions {
  /** From now; left out = the entry stays until it is deleted. */
  readonly ttlMs?: number;
}

export interface KvListOptions {
  /** At most `KV_LIST_MAX`, which is also the default. */
  readonly limit?: number;
  /** The last key of the page before. */
  readonly after?: string;
}

/**
 * The entries of one namespace. Versions count the writes of the whole namespace, so a version that was read
 * never comes back with another value, not even after a delete. An expired entry is not there.
 */
export class KvStore {
  readonly #db: Database;
  readonly #namespace: string;
  readonly #clock: Clock;

  /** `namespace` is compared whole, byte for byte: no name reaches into another one. */
  constructor(db: Database, namespace: string, clock: Clock) {
    checkName("namespace", namespace);
    this.#db = db;
    this.#namespace = namespace;
    this.#clock = clock;
  }

  get(key: string): Promise<KvEntry | undefined> {
    return this.#checked(key, () => this.#db.read(() => this.#live(key)));
  }

  /** The new version. Too large, or a namespace that is full, is `KV_LIMIT`, and nothing changes. */
  set(key: string, value: Json, options: KvWriteOptions = {}): Promise<number> {
    return this.#checked(key, () => {
      const text = encode(key, value);
      return this.#db.transaction(() => this.#write(key, text, this.#expiry(options)));
    });
  }

  /** Whether there was an entry. */
  delete(key: string): Promise<boolean> {
    return this.#checked(key, () =>
      this.#db.transaction(() => {
        const there = this.#live(key) !== undefined;
        this.#db.sql("DELETE FROM kv WHERE namespace = ? AND key = ?").run(this.#namespace, key);
        return there;
      }),
    );
  }

  /** Entries whose key begins with `prefix`, in the order of their UTF-8 bytes. No character of it is special. */
  list(prefix: string, options: KvListOptions = {}): Promise<readonly KvEntry[]> {
    const limit = pageSize(options.limit ?? KV_LIST_MAX, KV_LIST_MAX);
    const { after } = options;
    return this.#db.read(() => {
      const rows = this.#db
        .sql(
          `SELECT key, value, version FROM kv
           WHERE namespace = ? AND key >= ? AND key > ? AND (expires_at IS NULL OR expires_at > ?)
           ORDER BY key LIMIT ?`,
        )
        .iterate(this.#namespace, prefix, after ?? "", this.#clock.now(), limit);
      const entries: KvEntry[] = [];
      // Keys with one prefix stand together, so the first that has another one is past the last.
      for (const row of rows) {
        const entry = parseRow(this.#db, "kv", ENTRY, row);
        if (!entry.key.startsWith(prefix)) break;
        entries.push(entry);
      }
      return entries;
    });
  }

  /**
   * Writes only if the entry still has version `expected`; undefined = only if there is none. The new version, or
   * undefined when somebody else was faster and nothing changed.
   */
  cas(
    key: string,
    expected: number | undefined,
    value: Json,
    options: KvWriteOptions = {},
  ): Promise<number | undefined> {
    return this.#checked(key, () => {
      const text = encode(key, value);
      return this.#db.transaction(() =>
        this.#live(key)?.version === expected ? this.#write(key, text, this.#expiry(options)) : undefined,
      );
    });
  }

  /** Adds to a number, 0 where there is none, and gives the sum. Left out, `ttlMs` leaves the expiry as it is. */
  increment(key: string, by = 1, options: KvWriteOptions = {}): Promise<number> {
    return this.#checked(key, () =>
      this.#db.transaction(() => {
        const entry = this.#live(key);
        const value = entry === undefined ? 0 : entry.value;
        const sum = typeof value === "number" ? value + by : Number.NaN;
        if (!Number.isFinite(sum)) {
          throw new AppError(
            "OP_INVALID",
            `could not increment ${quote(key)}: value and sum must be finite numbers`,
          );
        }
        this.#write(
          key,
          encode(key, sum),
          options.ttlMs === undefined ? this.#presentExpiry(key) : this.#expiry(options),
        );
        return sum;
      }),
    );
  }

  /** A bad key rejects like every other failure. */
  async #checked<T>(key: string, act: () => Promise<T>): Promise<T> {
    checkKey(key);
    return act();
  }

  #live(key: string): KvEntry | undefined {
    const row = this.#db
      .sql(
        `SELECT key, value, version FROM kv
         WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)`,
      )
      .get(this.#namespace, key, this.#clock.now());
    return row === undefined ? undefined : parseRow(this.#db, "kv", ENTRY, row);
  }

  #expiry(options: KvWriteOptions): number | null {
    if (options.ttlMs === undefined) return null;
    const at = this.#clock.now() + Math.ceil(options.ttlMs);
    if (options.ttlMs > 0 && Number.isSafeInteger(at)) return at;
    throw new AppError("OP_INVALID", "could not write: `ttl` must be a positive time");
  }

  #presentExpiry(key: string): number | null {
    const at = this.#db
      .sql("SELECT expires_at FROM kv WHERE namespace = ? AND key = ? AND expires_at > ?")
      .pluck()
      .get(this.#namespace, key, this.#clock.now());
    return at === undefined ? null : parseRow(this.#db, "kv", z.int(), at);
  }

  #write(key: string, text: string, expiresAt: number | null): number {
    this.#db
      .sql("DELETE FROM kv WHERE namespace = ? AND expires_at <= ?")
      .run(this.#namespace, this.#clock.now());
    const next = this.#db
      .sql(
        `INSERT INTO kv_namespaces (namespace, version) VALUES (?, 1)
         ON CONFLICT (namespace) DO UPDATE SET version = version + 1 RETURNING version`,
      )
      .pluck()
      .get(this.#namespace);
    const version = parseRow(this.#db, "kv_namespaces", z.int(), next);
    this.#db
      .sql(
        `INSERT INTO kv (namespace, key, value, bytes, version, expires_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (namespace, key) DO UPDATE
           SET value = excluded.value, bytes = excluded.bytes, version = excluded.version,
               expires_at = excluded.expires_at`,
      )
      .run(this.#namespace, key, text, byteLength(key) + byteLength(text), version, expiresAt);
    this.#checkNamespace();
    return version;
  }

  /** Called after a write: the throw undoes it. */
  #checkNamespace(): void {
    const row = this.#db
      .sql("SELECT keys, bytes FROM kv_namespaces WHERE namespace = ?")
      .get(this.#namespace);
    const { keys, bytes } = parseRow(this.#db, "kv_namespaces", COUNTS, row);
    if (keys > KV_NAMESPACE_MAX_KEYS) throw full(`${KV_NAMESPACE_MAX_KEYS} keys`);
    if (bytes > KV_NAMESPACE_MAX_BYTES) throw full(`${KV_NAMESPACE_MAX_BYTES} bytes`);
  }
}

const ENTRY = z.object({ key: z.string(), value: jsonText, version: z.int() });
const COUNTS = z.object({ keys: z.int(), bytes: z.int() });

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

function full(limit: string): AppError {
  return new AppError("KV_LIMIT", `could not write: the task's kv may hold ${limit}`, {
    hints: ["delete entries, or give them a `ttl`"],
  });
}

/** What SQLite would store differently from what was asked for is refused: two names must never become one. */
function checkName(what: "key" | "namespace", name: string): void {
  if (name === "" || name.includes("\0") || !name.isWellFormed()) {
    throw new AppError(
      "OP_INVALID",
      `could not use the ${what} ${quote(name)}: it must be valid Unicode text of at least one character, without NUL`,
    );
  }
}

function checkKey(key: string): void {
  checkName("key", key);
  const bytes = byteLength(key);
  if (bytes > KV_KEY_MAX_BYTES) {
    throw new AppError(
      "KV_LIMIT",
      `could not use the key ${quote(key)}: it has ${bytes} bytes; at most ${KV_KEY_MAX_BYTES} are allowed`,
    );
  }
}

function encode(key: string, value: Json): string {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new AppError("OP_INVALID", `could not write ${quote(key)}: its value is nested too deeply`, {
      cause: error,
    });
  }
  const bytes = byteLength(text);
  if (bytes > KV_VALUE_MAX_BYTES) {
    throw new AppError(
      "KV_LIMIT",
      `could not write ${quote(key)}: its value has ${bytes} bytes of JSON; at most ${KV_VALUE_MAX_BYTES} are allowed`,
    );
  }
  return text;
}
