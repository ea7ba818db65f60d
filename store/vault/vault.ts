/** The local encrypted store of secrets: write-only for everybody but a run about to start. */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import { quote } from "../../base/text.ts";
import { CatalogDraft, readCatalog, type Catalog } from "./catalog.ts";
import {
  encodeFields,
  FieldReader,
  inputData,
  KEY_BYTES,
  NONCE_BYTES,
  recordData,
  XCHACHA20_POLY1305,
  type RecordState,
} from "./format.ts";
import type { KeyRing } from "./key-ring.ts";
import { checkKey, checkScope, checkValue } from "./limits.ts";
import { open, sameBytes, seal } from "./seal.ts";
import { createStore, openStore, type OpenStore, type StorePlace } from "./store-file.ts";
import type { HeaderRow, TaggedRecord } from "./tables.ts";

const VERSIONS_KEPT = 5;
const INPUT_LABEL = "writ-vault-sealed-input-v1";
const NO_BYTES = Buffer.alloc(0);

export interface VaultOptions extends StorePlace {
  readonly clock: Clock;
  /** Told the path of a master key that was made, once, when the vault is: the moment to ask for a backup of it. */
  readonly onNewKey?: (path: string) => void;
}

export interface WriteOptions {
  /** Who writes, as the event and the version record it: a user, `cli`, a run's id. */
  readonly actor: string;
}

/** What a caller expects to find; `0` = no such key. Undefined = whatever is there. */
export interface Expectation {
  readonly ifVersion?: number | undefined;
}

export interface NewValue extends Expectation {
  /** The caller's; not changed and not kept. */
  readonly bytes: Uint8Array;
  /** Stores a value that is too short or too common to be masked. */
  readonly unmaskable?: boolean | undefined;
}

export interface SetResult {
  readonly version: number;
  /** Whether there was no such key before. */
  readonly created: boolean;
}

export interface StoredSecret {
  /** Owned by the caller, who wipes it. */
  readonly value: Secret;
  readonly version: number;
}

export interface SecretName {
  readonly scope: string;
  readonly key: string;
}

/** What may be shown of a secret. */
export interface SecretMetadata extends SecretName {
  readonly version: number;
  /** How many versions are kept, the current one included. */
  readonly versions: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly state: Exclude<RecordState, "destroyed">;
}

/**
 * Several processes may have the same vault open. A write is one transaction that re-reads what it depends on and
 * waits up to ten seconds for others; every method may fail with `STORE_UNAVAILABLE`, and with
 * `SECRETS_STORE_CORRUPT` once anything in the file was changed by other means. A call after disposal rejects.
 */
export class Vault implements AsyncDisposable {
  readonly #options: VaultOptions;
  #opening: Promise<OpenStore | undefined> | undefined;
  #creating: Promise<OpenStore> | undefined;
  #store: OpenStore | undefined;
  #closed = false;

  private constructor(options: VaultOptions) {
    this.#options = options;
  }

  /**
   * Opens what is there and checks all of it. Creates nothing: with no vault in the folder, and none known, reads
   * find nothing until this or another process makes one.
   */
  static async open(options: VaultOptions): Promise<Vault> {
    const vault = new Vault(options);
    try {
      await vault.#look(() => undefined);
    } catch (error) {
      await vault[Symbol.asyncDispose]();
      throw error;
    }
    return vault;
  }

  /** Undefined while there is no vault. Whoever keeps records beside the vault remembers it as `knownStoreId`. */
  get storeId(): string | undefined {
    return this.#store?.ring.storeId;
  }

  /** Makes vault and master key if they are not there; the first write does the same. */
  async create(): Promise<void> {
    await this.#openOrCreate();
  }

  /** Stores a new version, in force at once; the last 5 are kept. A disabled secret stays disabled. */
  async set(
    scope: string,
    key: string,
    bytes: Uint8Array,
    options: WriteOptions & Omit<NewValue, "bytes">,
  ): Promise<SetResult> {
    const { actor, ...rest } = options;
    const results = await this.setMany(scope, new Map([[key, { bytes, ...rest }]]), { actor });
    const result = results.get(key);
    if (result === undefined) throw new Error("setMany() answers every key");
    return result;
  }

  /** All or nothing. `SECRETS_CONFLICT` names every key whose version is not the expected one. */
  async setMany(
    scope: string,
    values: ReadonlyMap<string, NewValue>,
    { actor }: WriteOptions,
  ): Promise<ReadonlyMap<string, SetResult>> {
    checkScope(scope);
    for (const [key, { bytes, unmaskable }] of values) {
      checkKey(key);
      checkValue(key, bytes, unmaskable === true);
    }
    if (values.size === 0) return new Map();
    const store = await this.#openOrCreate();
    return this.#change(store, (catalog, draft) => {
      expectVersions(catalog, scope, values);
      const now = this.#options.clock.now();
      const results = new Map<string, SetResult>();
      for (const [key, { bytes }] of values) {
        results.set(key, putVersion(store, catalog, draft, { scope, key }, bytes, actor, now));
      }
      return results;
    });
  }

  /** Whether there was such a key. */
  async delete(scope: string, key: string, options: WriteOptions & Expectation): Promise<boolean> {
    const deleted = await this.deleteMany(scope, new Map([[key, options]]), options);
    return deleted.length > 0;
  }

  /**
   * Destroys the data keys of every version, all or nothing, and returns the keys that were there. Deleting what is
   * not there is no error, unless a version was expected.
   */
  async deleteMany(
    scope: string,
    keys: ReadonlyMap<string, Expectation>,
    { actor }: WriteOptions,
  ): Promise<readonly string[]> {
    checkScope(scope);
    for (const key of keys.keys()) checkKey(key);
    const store = await this.#connect();
    if (store === undefined) {
      expectVersions(undefined, scope, keys);
      return [];
    }
    const deleted = await this.#change(store, (catalog, draft) => {
      expectVersions(catalog, scope, keys);
      const now = this.#options.clock.now();
      return [...keys.keys()].filter((key) => destroyKey(catalog, draft, { scope, key }, actor, now));
    });
    if (deleted.length > 0) store.tables.truncateLog();
    return deleted;
  }

  /** Undefined = no such key. `SECRETS_DISABLED` and `SECRETS_DECRYPT_FAILED` = there is one, but not for you. */
  async get(scope: string, key: string): Promise<StoredSecret | undefined> {
    const [found] = await this.getMany([{ scope, key }]);
    if (found instanceof AppError) throw found;
    return found;
  }

  /** The same for many, from one state of the vault: one answer for each name, in order. */
  async getMany(names: readonly SecretName[]): Promise<readonly (StoredSecret | AppError | undefined)[]> {
    for (const { scope, key } of names) {
      checkScope(scope);
      checkKey(key);
    }
    const found = await this.#look((catalog, store) =>
      names.map(({ scope, key }) => {
        const record = catalog.current(scope, key);
        return record === undefined ? undefined : reveal(store, record);
      }),
    );
    return found ?? names.map(() => undefined);
  }

  /** Everything but values, ordered by scope and key; one scope, or all of them. */
  async list(scope?: string): Promise<readonly SecretMetadata[]> {
    if (scope !== undefined) checkScope(scope);
    const all = await this.#look((catalog) => [...catalog.byName.values()].flatMap(describe));
    return (all ?? [])
      .filter((each) => scope === undefined || each.scope === scope)
      .sort((a, b) => (a.scope === b.scope ? order(a.key, b.key) : order(a.scope, b.scope)));
  }

  /** HMAC-SHA256 under the ring's key for `purpose`; undefined while there is no vault. */
  mac(purpose: "audit" | "fingerprint", bytes: Uint8Array): Buffer | undefined {
    return this.#ring()?.mac(purpose, bytes);
  }

  /** Names the key that `mac` uses now; undefined while there is no vault. */
  keyId(purpose: "audit" | "fingerprint"): string | undefined {
    return this.#ring()?.macKeyId(purpose).toString();
  }

  /** Encrypts a run's input for the run's record; undefined while there is no vault. */
  sealInput(runId: string, bytes: Uint8Array): Buffer | undefined {
    const ring = this.#ring();
    if (ring === undefined) return undefined;
    const { id, bytes: key } = ring.active("inputs");
    const data = inputData(ring.storeId, runId, XCHACHA20_POLY1305, id);
    const { nonce, ciphertext } = seal(key, data, bytes);
    return encodeFields([INPUT_LABEL, XCHACHA20_POLY1305, id, nonce, ciphertext]);
  }

  /** The input of that run and no other, else `SECRETS_DECRYPT_FAILED`. The caller wipes it. */
  openInput(runId: string, sealed: Uint8Array): Buffer {
    const ring = this.#ring();
    const input = ring === undefined ? undefined : openInput(ring, runId, Buffer.from(sealed));
    if (input !== undefined) return input;
    throw new AppError("SECRETS_DECRYPT_FAILED", `the stored input of run ${quote(runId)} does not open`);
  }

  /** Waits for writes under way, then zeroes the keys. A second call does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#creating?.catch(() => undefined);
    this.#closed = true;
    const store = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    this.#store = undefined;
    await store?.tables[Symbol.asyncDispose]();
    store?.ring[Symbol.dispose]();
  }

  #ring(): KeyRing | undefined {
    // A zeroed key would still compute something.
    if (this.#closed) throw new Error("the vault is closed");
    return this.#store?.ring;
  }

  /** Undefined while there is no vault; looks again each time until there is one. */
  async #connect(made?: KeyRing): Promise<OpenStore | undefined> {
    if (this.#closed) throw new Error("the vault is closed");
    const opening = (this.#opening ??= openStore(this.#options, made));
    try {
      const store = await opening;
      if (store === undefined) this.#opening = undefined;
      this.#store = store;
      return store;
    } catch (error) {
      this.#opening = undefined;
      throw asVaultError(error);
    }
  }

  /** Calls that come together make one vault and go on in their order. */
  #openOrCreate(): Promise<OpenStore> {
    return (this.#creating ??= this.#connectOrCreate().finally(() => {
      this.#creating = undefined;
    }));
  }

  async #connectOrCreate(): Promise<OpenStore> {
    const present = await this.#connect();
    if (present !== undefined) return present;
    const created = await createStore(this.#options, this.#options.clock.now());
    const store = await this.#connect(created?.ring);
    if (store === undefined) throw new Error("a vault was made and is not there");
    if (created?.newKeyFile !== undefined) this.#options.onNewKey?.(created.newKeyFile);
    return store;
  }

  /** Reads one checked state; undefined while there is no vault. */
  async #look<T>(look: (catalog: Catalog, store: OpenStore) => T): Promise<T | undefined> {
    const store = await this.#connect();
    if (store === undefined) return undefined;
    try {
      return await store.tables.read(() => {
        store.catalog = checkedCatalog(store, sameHeader(store));
        return look(store.catalog, store);
      });
    } catch (error) {
      throw asVaultError(error);
    }
  }

  /** One write transaction. `change` may run twice. */
  async #change<T>(store: OpenStore, change: (catalog: Catalog, draft: CatalogDraft) => T): Promise<T> {
    try {
      return await store.tables.transaction(() => {
        const header = sameHeader(store);
        const catalog = checkedCatalog(store, header);
        const draft = new CatalogDraft(store.tables, store.ring, header, catalog);
        const value = change(catalog, draft);
        store.catalog = draft.finish();
        return value;
      });
    } catch (error) {
      throw asVaultError(error);
    }
  }
}

/** The header as it is now, with the keys we hold still in force. */
function sameHeader(store: OpenStore): HeaderRow {
  const header = store.tables.header();
  if (header.body.equals(store.body)) return header;
  throw new AppError(
    "STORE_UNAVAILABLE",
    `the vault's keys were changed after this process read generation ${store.generation} of them`,
    { hints: ["start this process again"] },
  );
}

/**
 * The state we know while it is still the file's: nobody else has written, and the root is the one we know, which it
 * is not once a transaction of ours was undone. Else the file is read and checked.
 */
function checkedCatalog(store: OpenStore, header: HeaderRow): Catalog {
  const known = store.catalog;
  const same = known?.dataVersion === store.tables.dataVersion() && known.root.equals(header.root);
  return same ? known : readCatalog(store.tables, store.ring, header);
}

/** Throws unless each key has the version its writer has seen. */
function expectVersions(
  catalog: Catalog | undefined,
  scope: string,
  expected: ReadonlyMap<string, Expectation>,
): void {
  const moved: string[] = [];
  for (const [key, { ifVersion }] of expected) {
    const version = catalog?.current(scope, key)?.version ?? 0;
    if (ifVersion === undefined || ifVersion === version) continue;
    moved.push(`${quote(key)} has version ${version}, expected ${ifVersion}`);
  }
  if (moved.length === 0) return;
  throw new AppError(
    "SECRETS_CONFLICT",
    `nothing was changed in scope ${quote(scope)}: ${moved.join("; ")} (0 = no such key)`,
    { hints: ["read the secret again and decide anew"] },
  );
}

function putVersion(
  { ring }: OpenStore,
  catalog: Catalog,
  draft: CatalogDraft,
  { scope, key }: SecretName,
  bytes: Uint8Array,
  actor: string,
  now: number,
): SetResult {
  const versions = catalog.versions(scope, key);
  const previous = catalog.current(scope, key);
  const version = (versions.at(-1)?.version ?? 0) + 1;
  const at = { scope, key, version };
  const { id: keyId, bytes: wrapKey } = ring.active("wrap");
  const how = { algorithm: XCHACHA20_POLY1305, keyId };
  const dataKey = randomBytes(KEY_BYTES);
  try {
    const sealedKey = seal(wrapKey, recordData("data-key", ring.storeId, at, how), dataKey);
    const { nonce, ciphertext } = seal(dataKey, recordData("value", ring.storeId, at, how), bytes);
    if (previous !== undefined) draft.mark({ ...previous, current: false, changedAt: now });
    draft.add(
      {
        ...at,
        ...how,
        state: previous?.state ?? "enabled",
        current: true,
        firstAt: previous?.firstAt ?? now,
        createdAt: now,
        changedAt: now,
        actor,
        keyNonce: sealedKey.nonce,
        sealedKey: sealedKey.ciphertext,
        nonce,
        digest: sha256(ciphertext),
      },
      ciphertext,
    );
  } finally {
    dataKey.fill(0);
  }
  const outlived = versions.filter(
    (each) => each.state === "destroyed" || each.version <= version - VERSIONS_KEPT,
  );
  for (const record of outlived) draft.remove(record);
  draft.addEvent({ scope, key, from: previous?.version ?? 0, to: version, cause: actor, at: now });
  return { version, created: previous === undefined };
}

/** Leaves one row without keys, which remembers the version number. False when there was no such key. */
function destroyKey(
  catalog: Catalog,
  draft: CatalogDraft,
  { scope, key }: SecretName,
  actor: string,
  now: number,
): boolean {
  const previous = catalog.current(scope, key);
  const last = catalog.versions(scope, key).at(-1);
  if (previous === undefined || last === undefined) return false;
  for (const record of catalog.versions(scope, key)) draft.remove(record);
  draft.add(
    {
      ...last,
      state: "destroyed",
      current: true,
      changedAt: now,
      actor,
      keyNonce: NO_BYTES,
      sealedKey: NO_BYTES,
      nonce: NO_BYTES,
      digest: sha256(NO_BYTES),
    },
    NO_BYTES,
  );
  draft.addEvent({ scope, key, from: previous.version, to: 0, cause: actor, at: now });
  return true;
}

/** Decrypts one record; what is wrong with it is an answer, so that it spoils no other. */
function reveal({ tables, ring }: OpenStore, record: TaggedRecord): StoredSecret | AppError {
  const { scope, key, version } = record;
  const name = `version ${version} of ${quote(key)} (${scope})`;
  if (record.state !== "enabled") return new AppError("SECRETS_DISABLED", `${name} is ${record.state}`);
  const ciphertext = tables.ciphertext(record);
  const wrapKey = ring.get("wrap", record.keyId);
  let value: Buffer | undefined;
  if (
    ciphertext !== undefined &&
    wrapKey !== undefined &&
    record.algorithm === XCHACHA20_POLY1305 &&
    sameBytes(sha256(ciphertext), record.digest)
  ) {
    const sealedKey = { nonce: record.keyNonce, ciphertext: record.sealedKey };
    const dataKey = open(wrapKey, recordData("data-key", ring.storeId, record, record), sealedKey);
    if (dataKey !== undefined) {
      value = open(dataKey, recordData("value", ring.storeId, record, record), {
        nonce: record.nonce,
        ciphertext,
      });
      dataKey.fill(0);
    }
  }
  if (value !== undefined) return { value: new Secret(key, value), version };
  return new AppError("SECRETS_DECRYPT_FAILED", `${name} does not open: it was damaged or changed`, {
    hints: ["set the secret again, or restore the last backup"],
  });
}

function openInput(ring: KeyRing, runId: string, sealed: Buffer): Buffer | undefined {
  try {
    const reader = new FieldReader(sealed);
    reader.oneOf([INPUT_LABEL]);
    const [algorithm, keyId] = [reader.integer(), reader.integer()];
    const nonce = reader.exactly(NONCE_BYTES);
    const ciphertext = reader.bytes();
    reader.end();
    const key = algorithm === XCHACHA20_POLY1305 ? ring.get("inputs", keyId) : undefined;
    if (key === undefined) return undefined;
    return open(key, inputData(ring.storeId, runId, algorithm, keyId), { nonce, ciphertext });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** One entry, or none for a key that was deleted. */
function describe(versions: readonly TaggedRecord[]): SecretMetadata[] {
  const current = versions.find((record) => record.current);
  if (current === undefined || current.state === "destroyed") return [];
  const { scope, key, version, firstAt: createdAt, changedAt: updatedAt, state } = current;
  return [{ scope, key, version, versions: versions.length, createdAt, updatedAt, state }];
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** A damaged file is no ordinary store's problem: look-ups must stop, not go on to the next provider. */
function asVaultError(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== "STORE_CORRUPT") return error;
  return new AppError("SECRETS_STORE_CORRUPT", error.message, { cause: error, hints: error.hints });
}
