/** The bytes of the vault's format: fields, the header, and what additional data and tags cover. Knows no keys. */
import { AppError } from "../../base/error.ts";

/** "wrtv", SQLite's application_id of a vault. */
export const APPLICATION_ID = 0x77727476;

/** The one algorithm of format 1: XChaCha20-Poly1305 with a 24-byte nonce. Records carry the number. */
export const XCHACHA20_POLY1305 = 1;

export const KEY_BYTES = 32;
export const SALT_BYTES = 16;
export const NONCE_BYTES = 24;

/** The ring's keys, each with one purpose. */
export const KEY_PURPOSES = ["wrap", "mac", "fingerprint", "audit", "inputs"] as const;
export type KeyPurpose = (typeof KEY_PURPOSES)[number];

/** `active` seals and opens, `decrypt_only` opens, `destroyed` is a name without bytes. */
const KEY_STATES = ["active", "decrypt_only", "destroyed"] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** `destroyed` keeps the version number of a deleted key, so that no number is given out twice. */
export const RECORD_STATES = ["enabled", "disabled", "destroyed"] as const;
export type RecordState = (typeof RECORD_STATES)[number];

const HEADER_WRAPS_MAX = 8;
const HEADER_KEYS_MAX = 64;

export interface KdfParameters {
  readonly passes: number;
  readonly memoryKiB: number;
  readonly lanes: number;
  readonly salt: Buffer;
}

/** One master key that opens the ring. There are two of them only while a rekey is under way. */
export interface MasterWrap {
  readonly id: number;
  readonly kdf: KdfParameters;
  /** Tells the right master key from a wrong one before anything is decrypted. */
  readonly check: Buffer;
}

export interface WrappedKey {
  /** Which `MasterWrap` opens it. */
  readonly wrapId: number;
  readonly algorithm: number;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

export interface RingEntry {
  readonly id: number;
  readonly purpose: KeyPurpose;
  readonly state: KeyState;
  readonly wrapped: readonly WrappedKey[];
}

export interface Header {
  /** 32 lowercase hexadecimal digits; also the name of the key file. */
  readonly storeId: string;
  /** Goes up whenever wraps or keys change; every write compares it. */
  readonly generation: number;
  readonly createdAt: number;
  readonly wraps: readonly MasterWrap[];
  readonly keys: readonly RingEntry[];
}

/** Where a value lives. */
export interface RecordAddress {
  readonly scope: string;
  readonly key: string;
  readonly version: number;
}

/** A row of `records` without its tag and with the ciphertext's digest in place of the ciphertext. */
export interface RecordColumns extends RecordAddress {
  readonly state: RecordState;
  readonly current: boolean;
  /** When the key came into being, this version was written, and state or currency last changed; ms since the epoch. */
  readonly firstAt: number;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly actor: string;
  readonly algorithm: number;
  /** The ring key that wraps the data key. */
  readonly keyId: number;
  readonly keyNonce: Buffer;
  readonly sealedKey: Buffer;
  readonly nonce: Buffer;
  /** SHA-256 of the ciphertext: the tag covers a value that need not be read to check it. */
  readonly digest: Buffer;
}

/** A version came or went: `from` 0 = there was none, `to` 0 = there is none. */
export interface EventColumns {
  readonly id: number;
  readonly scope: string;
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly cause: string;
  readonly at: number;
}

const LENGTH_BYTES = 4;
const INTEGER_BYTES = 8;

type Field = string | number | Uint8Array;

/**
 * Each field is its length (4 bytes, big-endian), then its bytes: text as UTF-8, a number as 8 bytes big-endian.
 * The first field is a label that fixes number, order and types of the others, so no two contents encode alike.
 */
export function encodeFields(fields: readonly Field[]): Buffer {
  let length = 0;
  for (const field of fields) length += LENGTH_BYTES + lengthOf(field);
  const encoded = Buffer.alloc(length);
  let at = 0;
  for (const field of fields) {
    at = encoded.writeUInt32BE(lengthOf(field), at);
    if (typeof field === "number") encoded.writeBigUInt64BE(BigInt(field), at);
    else if (typeof field === "string") encoded.write(field, at);
    else encoded.set(field, at);
    at += lengthOf(field);
  }
  return encoded;
}

function lengthOf(field: Field): number {
  if (typeof field === "number") return INTEGER_BYTES;
  return typeof field === "string" ? Buffer.byteLength(field) : field.length;
}

/** Reads fields back; every method throws `RangeError` where the bytes do not fit. */
export class FieldReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(): Buffer {
    const start = this.#offset + LENGTH_BYTES;
    const end = start + this.#bytes.readUInt32BE(this.#offset);
    if (end > this.#bytes.length) throw new RangeError("a field ends behind the end");
    this.#offset = end;
    return this.#bytes.subarray(start, end);
  }

  exactly(length: number): Buffer {
    const bytes = this.bytes();
    if (bytes.length !== length) throw new RangeError(`a field has ${bytes.length} bytes, not ${length}`);
    return bytes;
  }

  integer(max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.exactly(INTEGER_BYTES).readBigUInt64BE();
    if (value > BigInt(max)) throw new RangeError(`a number is above ${max}`);
    return Number(value);
  }

  oneOf<const T extends string>(words: readonly T[]): T {
    const text = this.bytes().toString("latin1");
    const found = words.find((word) => word === text);
    if (found === undefined) throw new RangeError("a word is unknown");
    return found;
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new RangeError("bytes follow the last field");
  }
}

const HEADER_LABEL = "writ-vault-header-v1";

export function encodeHeader(header: Header): Buffer {
  const fields: Field[] = [HEADER_LABEL, header.storeId, header.generation, header.createdAt];
  fields.push(header.wraps.length);
  for (const { id, kdf, check } of header.wraps) {
    fields.push(id, "argon2id", kdf.passes, kdf.memoryKiB, kdf.lanes, kdf.salt, check);
  }
  fields.push(header.keys.length);
  for (const { id, purpose, state, wrapped } of header.keys) {
    fields.push(id, purpose, state, wrapped.length);
    for (const { wrapId, algorithm, nonce, ciphertext } of wrapped) {
      fields.push(wrapId, algorithm, nonce, ciphertext);
    }
  }
  return encodeFields(fields);
}

/** Strict: anything but what `encodeHeader` writes is `SECRETS_STORE_CORRUPT`. The tag is checked elsewhere. */
export function decodeHeader(body: Buffer): Header {
  try {
    const reader = new FieldReader(body);
    reader.oneOf([HEADER_LABEL]);
    const storeId = reader.bytes().toString("latin1");
    if (!isStoreId(storeId)) throw new RangeError("the store id is malformed");
    const [generation, createdAt] = [reader.integer(), reader.integer()];
    const wraps = Array.from({ length: reader.integer(HEADER_WRAPS_MAX) }, () => readWrap(reader));
    const keys = Array.from({ length: reader.integer(HEADER_KEYS_MAX) }, () => readEntry(reader));
    reader.end();
    return { storeId, generation, createdAt, wraps, keys };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new AppError("SECRETS_STORE_CORRUPT", `could not read the vault's header: ${cause.message}`, {
      cause,
    });
  }
}

/** The one form of a store id, which makes it harmless as a file name. */
function isStoreId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

function readWrap(reader: FieldReader): MasterWrap {
  const id = reader.integer();
  reader.oneOf(["argon2id"]);
  const [passes, memoryKiB, lanes] = [reader.integer(), reader.integer(), reader.integer()];
  const kdf = { passes, memoryKiB, lanes, salt: reader.exactly(SALT_BYTES) };
  return { id, kdf, check: reader.exactly(KEY_BYTES) };
}

function readEntry(reader: FieldReader): RingEntry {
  const [id, purpose, state] = [reader.integer(), reader.oneOf(KEY_PURPOSES), reader.oneOf(KEY_STATES)];
  const wrapped = Array.from({ length: reader.integer(HEADER_WRAPS_MAX) }, () => ({
    wrapId: reader.integer(),
    algorithm: reader.integer(),
    nonce: reader.exactly(NONCE_BYTES),
    ciphertext: reader.bytes(),
  }));
  return { id, purpose, state, wrapped };
}

/** Under the key an Argon2id derivation gave: HMAC of this is the wrap's check value. */
export function checkInput(storeId: string, wrapId: number): Buffer {
  return encodeFields(["writ-vault-check-v1", storeId, wrapId]);
}

/** Additional data of a wrapped ring key. */
export function ringKeyData(
  storeId: string,
  wrapId: number,
  entry: Pick<RingEntry, "id" | "purpose">,
  algorithm: number,
): Buffer {
  return encodeFields(["writ-vault-ring-key-v1", storeId, wrapId, entry.id, entry.purpose, algorithm]);
}

/** Additional data of a record: `data-key` seals the data key under the ring, `value` the value under that. */
export function recordData(
  part: "data-key" | "value",
  storeId: string,
  { scope, key, version }: RecordAddress,
  { algorithm, keyId }: { readonly algorithm: number; readonly keyId: number },
): Buffer {
  return encodeFields([`writ-vault-${part}-v1`, storeId, scope, key, version, algorithm, keyId]);
}

/** Additional data of a run's stored input. */
export function inputData(storeId: string, runId: string, algorithm: number, keyId: number): Buffer {
  return encodeFields(["writ-vault-input-v1", storeId, runId, algorithm, keyId]);
}

/** What a record's tag covers: every column. */
export function recordTagInput(storeId: string, record: RecordColumns): Buffer {
  return encodeFields([
    "writ-vault-record-v1",
    storeId,
    record.scope,
    record.key,
    record.version,
    record.state,
    record.current ? 1 : 0,
    record.firstAt,
    record.createdAt,
    record.changedAt,
    record.actor,
    record.algorithm,
    record.keyId,
    record.keyNonce,
    record.sealedKey,
    record.nonce,
    record.digest,
  ]);
}

/** What an event's tag covers: every column. */
export function eventTagInput(storeId: string, event: EventColumns): Buffer {
  const { id, scope, key, from, to, cause, at } = event;
  return encodeFields(["writ-vault-event-v1", storeId, id, scope, key, from, to, cause, at]);
}

/** What the root covers: epoch, count, and the records' tags in the order of scope, key and version. */
export function rootInput(epoch: number, tags: readonly Buffer[]): Buffer {
  return encodeFields(["writ-vault-root-v1", epoch, tags.length, Buffer.concat(tags)]);
}

/** What the header row's tag covers: every column. */
export function headerTagInput(row: {
  readonly body: Buffer;
  readonly epoch: number;
  readonly root: Buffer;
}): Buffer {
  return encodeFields(["writ-vault-header-tag-v1", row.body, row.epoch, row.root]);
}
