/** The vault's keys: random, made once, kept in the header wrapped by what the master key derives to. */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { AppError } from "../../base/error.ts";
import {
  checkInput,
  KEY_BYTES,
  KEY_PURPOSES,
  ringKeyData,
  SALT_BYTES,
  XCHACHA20_POLY1305,
  type Header,
  type KeyPurpose,
  type KeyState,
  type MasterWrap,
  type RingEntry,
} from "./format.ts";
import { deriveKey, MASTER_KEY_KDF } from "./kdf.ts";
import { mac, open, sameBytes, seal } from "./seal.ts";

interface RingKey {
  readonly id: number;
  readonly purpose: KeyPurpose;
  readonly state: KeyState;
  readonly bytes: Buffer;
}

/** Purposes whose keys only ever go into an HMAC. */
const MAC_PURPOSES = ["mac", "fingerprint", "audit"] as const;
export type MacPurpose = (typeof MAC_PURPOSES)[number];
type SealPurpose = Exclude<KeyPurpose, MacPurpose>;

/** The unwrapped keys of one store. Takes over the keys' bytes; disposing it zeroes them. */
export class KeyRing implements Disposable {
  readonly storeId: string;
  readonly #keys: readonly RingKey[];
  /** Outside the JavaScript heap, where OpenSSL clears them; and four times as fast as bytes. */
  readonly #macKeys = new Map<MacPurpose, KeyObject>();

  constructor(storeId: string, keys: readonly RingKey[]) {
    this.storeId = storeId;
    this.#keys = keys;
    for (const purpose of MAC_PURPOSES) {
      const { bytes } = activeKey(keys, purpose);
      this.#macKeys.set(purpose, createSecretKey(bytes));
      bytes.fill(0);
    }
  }

  /** The key that seals now. */
  active(purpose: SealPurpose): RingKey {
    return activeKey(this.#keys, purpose);
  }

  /** A key that may open what it once sealed; undefined when it is unknown, destroyed or for something else. */
  get(purpose: SealPurpose, id: number): Buffer | undefined {
    return this.#keys.find((key) => key.purpose === purpose && key.id === id)?.bytes;
  }

  /** Which key `mac` uses. */
  macKeyId(purpose: MacPurpose): number {
    return activeKey(this.#keys, purpose).id;
  }

  /** HMAC-SHA256 under the active key for `purpose`. */
  mac(purpose: MacPurpose, input: Uint8Array): Buffer {
    const key = this.#macKeys.get(purpose);
    if (key === undefined) throw new Error("the key ring was disposed of");
    return mac(key, input);
  }

  [Symbol.dispose](): void {
    for (const key of this.#keys) key.bytes.fill(0);
    this.#macKeys.clear();
  }
}

/** A new store: one active key for each purpose, wrapped by the master key. Does not wipe `masterKey`. */
export async function createRing(
  storeId: string,
  masterKey: Buffer,
  now: number,
): Promise<{ readonly header: Header; readonly ring: KeyRing }> {
  const wrapId = 1;
  const kdf = { ...MASTER_KEY_KDF, salt: randomBytes(SALT_BYTES) };
  const derived = await deriveKey(masterKey, kdf);
  try {
    const keys = KEY_PURPOSES.map((purpose, index): RingKey => ({
      id: index + 1,
      purpose,
      state: "active",
      bytes: randomBytes(KEY_BYTES),
    }));
    const entries = keys.map(({ id, purpose, state, bytes }): RingEntry => {
      const data = ringKeyData(storeId, wrapId, { id, purpose }, XCHACHA20_POLY1305);
      const wrapped = { wrapId, algorithm: XCHACHA20_POLY1305, ...seal(derived, data, bytes) };
      return { id, purpose, state, wrapped: [wrapped] };
    });
    const wraps = [{ id: wrapId, kdf, check: mac(derived, checkInput(storeId, wrapId)) }];
    return {
      header: { storeId, generation: 1, createdAt: now, wraps, keys: entries },
      ring: new KeyRing(storeId, keys),
    };
  } finally {
    derived.fill(0);
  }
}

/** Undefined when this master key opens none of the wraps. Does not wipe `masterKey`. */
export async function openRing(header: Header, masterKey: Buffer): Promise<KeyRing | undefined> {
  for (const wrap of header.wraps) {
    const derived = await deriveKey(masterKey, wrap.kdf);
    try {
      const check = mac(derived, checkInput(header.storeId, wrap.id));
      if (sameBytes(check, wrap.check)) return unwrap(header, wrap, derived);
    } finally {
      derived.fill(0);
    }
  }
  return undefined;
}

function unwrap(header: Header, wrap: MasterWrap, derived: Buffer): KeyRing {
  const keys: RingKey[] = [];
  try {
    for (const { id, purpose, state, wrapped } of header.keys) {
      if (state === "destroyed") continue;
      const own = wrapped.find((each) => each.wrapId === wrap.id);
      const known = own?.algorithm === XCHACHA20_POLY1305;
      const data = ringKeyData(header.storeId, wrap.id, { id, purpose }, XCHACHA20_POLY1305);
      const bytes = known ? open(derived, data, own) : undefined;
      if (bytes?.length !== KEY_BYTES) throw corruptRing(`its key ${id} ("${purpose}") does not open`);
      keys.push({ id, purpose, state, bytes });
    }
    return new KeyRing(header.storeId, keys);
  } catch (error) {
    for (const key of keys) key.bytes.fill(0);
    throw error;
  }
}

function activeKey(keys: readonly RingKey[], purpose: KeyPurpose): RingKey {
  const found = keys.find((key) => key.purpose === purpose && key.state === "active");
  if (found === undefined) throw corruptRing(`it has no active key for "${purpose}"`);
  return found;
}

function corruptRing(state: string): AppError {
  return new AppError("SECRETS_STORE_CORRUPT", `could not use the vault's key ring: ${state}`, {
    hints: ["restore the last backup of the data folder; the master key is the right one"],
  });
}
