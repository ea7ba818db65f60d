/**
 * The audit chain: every line carries a MAC over itself and the line before, so a changed, removed, added or moved
 * line shows. What the chain alone can not show is lines missing at its very end: for that, keep `head()`
 * elsewhere and give it to `verify`.
 */
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { AppError } from "../base/error.ts";
import { sha256 } from "../base/hash.ts";
import type { Database } from "./database.ts";
import type { AuditEntry } from "./ports.ts";
import { optional, parseRow } from "./row.ts";

/** Longest page of lines. */
const AUDIT_PAGE_MAX = 1_000;
const MAC_BYTES = 32;
const DOMAIN = Buffer.from("writ audit line v1\0");

/** What seals a line. */
export interface AuditMac {
  /** Names the key in the line; undefined = no key. */
  readonly keyId: string | undefined;
  /** 32 bytes. */
  mac(bytes: Uint8Array): Uint8Array;
}

/** Before there is a vault: shows accidents and clumsy edits, but whoever may write the file can compute it anew. */
export const unkeyedMac: AuditMac = { keyId: undefined, mac: sha256 };

/** A line as it stands in the chain. */
export interface AuditLine extends AuditEntry {
  readonly seq: number;
  readonly time: number;
}

export interface AuditHead {
  readonly seq: number;
  readonly mac: Uint8Array;
}

export type AuditVerdict =
  | {
      readonly ok: true;
      readonly lines: number;
      /** How many of the first lines have no key, and so prove nothing against somebody who can write the file. */
      readonly unkeyed: number;
    }
  | {
      readonly ok: false;
      /** The first line that is not as it was written. */
      readonly seq: number;
      readonly reason: "missing" | "changed" | "key lost" | "key unknown";
    };

export interface VerifyOptions {
  /** A head from an earlier day, kept apart: that line must still be there. */
  readonly anchor?: AuditHead;
  /** Keys that lines were sealed with before; undefined = not known here. */
  readonly formerKeys?: (keyId: string) => AuditMac | undefined;
}

export class AuditLog {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #mac: AuditMac;

  constructor(db: Database, clock: Clock, mac: AuditMac) {
    this.#db = db;
    this.#clock = clock;
    this.#mac = mac;
  }

  /**
   * Adds a line; its number. Without a key it refuses to follow a line that has one: else anybody could go on
   * with the chain.
   */
  append(entry: AuditEntry): Promise<number> {
    return this.#db.transaction(() => {
      const row = this.#db.sql("SELECT seq, mac, mac_key FROM audit ORDER BY seq DESC LIMIT 1").get();
      const last = row === undefined ? undefined : parseRow(this.#db, "audit", TAIL, row);
      if (last?.mac_key !== undefined && this.#mac.keyId === undefined) {
        throw new AppError(
          "STORE_UNAVAILABLE",
          "could not write to the audit log: it is sealed with a key of the vault, which is not open",
          { hints: ["give writ its master key: `writ doctor` lists where it is looked for"] },
        );
      }
      const line: AuditLine = { ...entry, seq: (last?.seq ?? 0) + 1, time: this.#clock.now() };
      const mac = seal(this.#mac, line, last?.mac);
      this.#db
        .sql(
          `INSERT INTO audit (seq, time, actor, workspace, run, action, target, result, mac, mac_key)
           VALUES (:seq, :time, :actor, :workspace, :run, :action, :target, :result, :mac, :macKey)`,
        )
        .run({
          ...line,
          workspace: line.workspace ?? null,
          run: line.run ?? null,
          mac,
          macKey: this.#mac.keyId ?? null,
        });
      return line.seq;
    });
  }

  /** Lines after number `after` in order, at most `AUDIT_PAGE_MAX`; they are not verified. */
  async read(from: { readonly after: number }): Promise<readonly AuditLine[]> {
    return (await this.#rows(from.after)).map(({ line }) => line);
  }

  /** The last line's number and MAC; undefined = there is none. */
  head(): Promise<AuditHead | undefined> {
    return this.#db.read(() => {
      const row = this.#db.sql("SELECT seq, mac, mac_key FROM audit ORDER BY seq DESC LIMIT 1").get();
      if (row === undefined) return undefined;
      const { seq, mac } = parseRow(this.#db, "audit", TAIL, row);
      return { seq, mac };
    });
  }

  /** Walks the whole chain, a page at a time, so that writers go on meanwhile. */
  async verify(options: VerifyOptions = {}): Promise<AuditVerdict> {
    const { anchor } = options;
    let seq = 0;
    let unkeyed = 0;
    let previous: Uint8Array | undefined;
    for (let page = await this.#rows(0); page.length > 0; page = await this.#rows(seq)) {
      for (const { line, mac, macKey } of page) {
        seq++;
        if (line.seq !== seq) return { ok: false, seq, reason: "missing" };
        if (macKey === undefined && unkeyed < seq - 1) return { ok: false, seq, reason: "key lost" };
        if (macKey === undefined) unkeyed++;
        const key = this.#keyOf(macKey, options);
        if (key === undefined) return { ok: false, seq, reason: "key unknown" };
        const sound = equal(mac, seal(key, line, previous));
        if (!sound || (anchor?.seq === seq && !equal(mac, anchor.mac))) {
          return { ok: false, seq, reason: "changed" };
        }
        previous = mac;
      }
    }
    if (anchor !== undefined && anchor.seq > seq) return { ok: false, seq: seq + 1, reason: "missing" };
    return { ok: true, lines: seq, unkeyed };
  }

  #keyOf(keyId: string | undefined, options: VerifyOptions): AuditMac | undefined {
    if (keyId === undefined) return unkeyedMac;
    return keyId === this.#mac.keyId ? this.#mac : options.formerKeys?.(keyId);
  }

  #rows(after: number): Promise<readonly SealedLine[]> {
    return this.#db.read(() => {
      const rows = this.#db
        .sql(
          `SELECT seq, time, actor, workspace, run, action, target, result, mac, mac_key
           FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`,
        )
        .all(after, AUDIT_PAGE_MAX);
      return rows.map((row) => sealedLine(parseRow(this.#db, "audit", ROW, row)));
    });
  }
}

interface SealedLine {
  readonly line: AuditLine;
  readonly mac: Uint8Array;
  readonly macKey: string | undefined;
}

const TAIL = z.object({ seq: z.int(), mac: z.instanceof(Uint8Array), mac_key: optional(z.string()) });
const ROW = TAIL.extend({
  time: z.int(),
  actor: z.string(),
  workspace: optional(z.string()),
  run: optional(z.string()),
  action: z.string(),
  target: z.string(),
  result: z.enum(["ok", "denied", "error"]),
});

function sealedLine(row: z.infer<typeof ROW>): SealedLine {
  const { mac, mac_key: macKey, workspace, run, ...rest } = row;
  return {
    line: { ...rest, ...(workspace !== undefined && { workspace }), ...(run !== undefined && { run }) },
    mac,
    macKey,
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function seal(key: AuditMac, line: AuditLine, previous: Uint8Array | undefined): Uint8Array {
  const mac = key.mac(canonical(key.keyId, line, previous));
  if (mac.length !== MAC_BYTES) throw new TypeError(`a MAC has ${MAC_BYTES} bytes`);
  return mac;
}

/** One byte sequence for each line: fixed order, every part with a mark for absent and its length. */
function canonical(keyId: string | undefined, line: AuditLine, previous: Uint8Array | undefined): Uint8Array {
  const { seq, time, actor, workspace, run, action, target, result } = line;
  const texts = [keyId, String(seq), String(time), actor, workspace, run, action, target, result];
  const parts = [DOMAIN, previous ?? new Uint8Array(MAC_BYTES)];
  for (const text of texts) {
    const bytes = Buffer.from(text ?? "");
    const head = Buffer.alloc(5);
    head.writeUInt8(text === undefined ? 0 : 1, 0);
    head.writeUInt32BE(bytes.length, 1);
    parts.push(head, bytes);
  }
  return Buffer.concat(parts);
}
