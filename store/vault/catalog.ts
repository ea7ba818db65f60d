/**
 * All records of a vault, checked: every row's tag, and the root over the tags. "No such record" is said by the
 * catalog and never by a query, so a row that was hidden, renamed or removed is found out rather than missed.
 */
import { AppError } from "../../base/error.ts";
import {
  eventTagInput,
  headerTagInput,
  recordTagInput,
  rootInput,
  type EventColumns,
  type RecordColumns,
} from "./format.ts";
import type { KeyRing } from "./key-ring.ts";
import { sameBytes } from "./seal.ts";
import type { HeaderRow, TaggedRecord, VaultTables } from "./tables.ts";

type Versions = readonly TaggedRecord[];

export class Catalog {
  /** What SQLite called this state of the file. */
  readonly dataVersion: number;
  readonly epoch: number;
  /** The root of exactly these records; no two states of a vault have the same. */
  readonly root: Buffer;
  /** In no particular order; the versions of one key in theirs. */
  readonly byName: ReadonlyMap<string, Versions>;

  constructor(
    dataVersion: number,
    { epoch, root }: Pick<HeaderRow, "epoch" | "root">,
    byName: ReadonlyMap<string, Versions>,
  ) {
    this.dataVersion = dataVersion;
    this.epoch = epoch;
    this.root = root;
    this.byName = byName;
  }

  /** All that is kept of a key, oldest first; empty when there is no such key. */
  versions(scope: string, key: string): Versions {
    return this.byName.get(nameOf(scope, key)) ?? [];
  }

  /** The version in force; undefined when the key was never set, or was deleted. */
  current(scope: string, key: string): TaggedRecord | undefined {
    return this.versions(scope, key).find((record) => record.current && record.state !== "destroyed");
  }
}

/** Reads and checks everything; `SECRETS_STORE_CORRUPT` when something was changed without the key. */
export function readCatalog(tables: VaultTables, ring: KeyRing, header: HeaderRow): Catalog {
  if (!tables.schemaIsOurs()) throw tampered("its tables are not as writ makes them");
  if (!sameBytes(ring.mac("mac", headerTagInput(header)), header.tag))
    throw tampered("its header was changed");
  const byName = new Map<string, TaggedRecord[]>();
  const tags: Buffer[] = [];
  for (const record of tables.records()) {
    if (!sameBytes(ring.mac("mac", recordTagInput(ring.storeId, record)), record.tag)) {
      throw tampered("a record was changed, moved or renamed");
    }
    tags.push(record.tag);
    const name = nameOf(record.scope, record.key);
    const versions = byName.get(name);
    if (versions === undefined) byName.set(name, [record]);
    else versions.push(record);
  }
  if (!sameBytes(ring.mac("mac", rootInput(header.epoch, tags)), header.root)) {
    throw tampered("a record was removed, added or taken back to an older state");
  }
  return new Catalog(tables.dataVersion(), header, byName);
}

/** One transaction's changes, made in the file and in a new catalog alike. */
export class CatalogDraft {
  readonly #tables: VaultTables;
  readonly #ring: KeyRing;
  readonly #header: HeaderRow;
  readonly #base: Catalog;
  readonly #byName: Map<string, Versions>;

  constructor(tables: VaultTables, ring: KeyRing, header: HeaderRow, base: Catalog) {
    this.#tables = tables;
    this.#ring = ring;
    this.#header = header;
    this.#base = base;
    this.#byName = new Map(base.byName);
  }

  /** A new row. */
  add(record: RecordColumns, ciphertext: Buffer): void {
    const tagged = this.#tagged(record);
    this.#tables.insert(tagged, ciphertext);
    this.#replace(record, (versions) => [...versions, tagged]);
  }

  /** A row whose state, currency or `changedAt` is another now. */
  mark(record: RecordColumns): void {
    const tagged = this.#tagged(record);
    this.#tables.mark(tagged);
    this.#replace(record, (versions) =>
      versions.map((each) => (each.version === record.version ? tagged : each)),
    );
  }

  /** Takes a row away; with it goes the only copy of its data key. */
  remove(record: RecordColumns): void {
    this.#tables.remove(record);
    this.#replace(record, (versions) => versions.filter((each) => each.version !== record.version));
  }

  addEvent(event: Omit<EventColumns, "id">): void {
    const columns = { id: this.#tables.nextEventId(), ...event };
    this.#tables.addEvent(columns, this.#ring.mac("mac", eventTagInput(this.#ring.storeId, columns)));
  }

  /**
   * Writes the new root and returns the catalog the file will have when the transaction is committed. The root
   * covers what was checked before plus these changes, never what a hostile file made of them.
   */
  finish(): Catalog {
    const epoch = this.#base.epoch + 1;
    const names = [...this.#byName.keys()].sort(compareCodeUnits);
    const tags = names.flatMap((name) => (this.#byName.get(name) ?? []).map((record) => record.tag));
    const root = this.#ring.mac("mac", rootInput(epoch, tags));
    const tag = this.#ring.mac("mac", headerTagInput({ body: this.#header.body, epoch, root }));
    this.#tables.setRoot({ epoch, root, tag });
    return new Catalog(this.#base.dataVersion, { epoch, root }, this.#byName);
  }

  #tagged(record: RecordColumns): TaggedRecord {
    return { ...record, tag: this.#ring.mac("mac", recordTagInput(this.#ring.storeId, record)) };
  }

  #replace(record: RecordColumns, change: (versions: Versions) => Versions): void {
    const name = nameOf(record.scope, record.key);
    const versions = change(this.#byName.get(name) ?? []);
    if (versions.length === 0) this.#byName.delete(name);
    else this.#byName.set(name, versions);
  }
}

/** Neither part can hold NUL, which sorts first: the order of names is the order of scope, then key. */
function nameOf(scope: string, key: string): string {
  return `${scope}\0${key}`;
}

/** Names are ASCII, so this is also SQLite's order of their bytes. */
function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function tampered(state: string): AppError {
  return new AppError("SECRETS_STORE_CORRUPT", `refused to use the vault: ${state}, and not by writ`, {
    hints: ["find out who can write to the data folder, then restore the last backup"],
  });
}
