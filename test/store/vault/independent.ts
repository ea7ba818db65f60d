/**
 * A second reader of the vault's format, written from docs/vault-format.md on node:crypto and plain SQL. It shares
 * no code with store/vault, so that both being wrong in the same way is unlikely.
 */
import assert from "node:assert/strict";
import { argon2Sync, createDecipheriv, createHash, createHmac } from "node:crypto";
import Sqlite from "better-sqlite3";
import { z } from "zod";

/** HChaCha20 of draft-irtf-cfrg-xchacha: a subkey from a key and the first 16 bytes of a 24-byte nonce. */
function hchacha20(key: Buffer, nonce: Buffer): Buffer {
  const state = new Uint32Array(16);
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) state[4 + i] = key.readUInt32LE(i * 4);
  for (let i = 0; i < 4; i++) state[12 + i] = nonce.readUInt32LE(i * 4);
  const word = (i: number): number => state[i] ?? 0;
  const step = (a: number, b: number, c: number, bits: number): void => {
    state[a] = word(a) + word(b);
    const mixed = word(c) ^ word(a);
    state[c] = (mixed << bits) | (mixed >>> (32 - bits));
  };
  const quarter = (a: number, b: number, c: number, d: number): void => {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
  };
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  const subkey = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) {
    subkey.writeUInt32LE(word(i), i * 4);
    subkey.writeUInt32LE(word(12 + i), 16 + i * 4);
  }
  return subkey;
}

/** XChaCha20-Poly1305 on OpenSSL's ChaCha20-Poly1305. Throws when it does not authenticate. */
export function openXChaCha(key: Buffer, nonce: Buffer, data: Buffer, sealed: Buffer): Buffer {
  const short = Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]);
  const decipher = createDecipheriv("chacha20-poly1305", hchacha20(key, nonce), short, { authTagLength: 16 });
  const length = sealed.length - 16;
  decipher.setAAD(data, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]);
}

/** Text and bytes as they are, integers as 8 bytes; each behind its length in 4 bytes. */
export function fields(...values: (string | number | Buffer)[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      let bytes = Buffer.from(typeof value === "number" ? "" : value);
      if (typeof value === "number") {
        bytes = Buffer.alloc(8);
        bytes.writeUInt32BE(Math.floor(value / 2 ** 32));
        bytes.writeUInt32BE(value % 2 ** 32, 4);
      }
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function hmac(key: Buffer, input: Buffer): Buffer {
  return createHmac("sha256", key).update(input).digest();
}

const blob = z.instanceof(Buffer);
const recordRow = z.object({
  scope: z.string(),
  key: z.string(),
  version: z.int(),
  state: z.string(),
  current: z.int(),
  first_at: z.int(),
  created_at: z.int(),
  changed_at: z.int(),
  actor: z.string(),
  algorithm: z.int(),
  key_id: z.int(),
  key_nonce: blob,
  sealed_key: blob,
  nonce: blob,
  digest: blob,
  tag: blob,
  ciphertext: blob,
});
const eventRow = z.object({
  id: z.int(),
  scope: z.string(),
  key: z.string(),
  from_version: z.int(),
  to_version: z.int(),
  cause: z.string(),
  at: z.int(),
  tag: blob,
});
const headerRow = z.object({ body: blob, epoch: z.int(), root: blob, tag: blob });

export interface ReadVault {
  readonly storeId: string;
  readonly derived: Buffer;
  readonly keys: ReadonlyMap<string, { readonly id: number; readonly bytes: Buffer }>;
  readonly root: Buffer;
  /** `scope:key:version` and the plaintext. */
  readonly values: ReadonlyMap<string, Buffer>;
}

/** Reads a whole vault and asserts every check on the way. */
export function readVault(path: string, masterKey: Buffer): ReadVault {
  const sql = new Sqlite(path, { readonly: true });
  assert.equal(sql.pragma("application_id", { simple: true }), 0x77727476);
  assert.equal(sql.pragma("user_version", { simple: true }), 1);
  const header = headerRow.parse(sql.prepare("SELECT * FROM header WHERE id = 1").get());
  const records = z
    .array(recordRow)
    .parse(sql.prepare("SELECT * FROM records ORDER BY scope, key, version").all());
  const events = z.array(eventRow).parse(sql.prepare("SELECT * FROM events").all());
  sql.close();

  let rest = header.body;
  const bytes = (): Buffer => {
    const end = 4 + rest.readUInt32BE();
    const field = rest.subarray(4, end);
    rest = rest.subarray(end);
    return field;
  };
  const text = (): string => bytes().toString();
  const integer = (): number => Number(bytes().readBigUInt64BE());

  assert.equal(text(), "writ-vault-header-v1");
  const storeId = text();
  assert.equal(integer(), 1, "generation");
  integer();
  assert.equal(integer(), 1, "number of wraps");
  const wrapId = integer();
  assert.equal(text(), "argon2id");
  const [passes, memory, parallelism] = [integer(), integer(), integer()];
  const nonce = bytes();
  const derived = argon2Sync("argon2id", {
    message: masterKey,
    nonce,
    passes,
    memory,
    parallelism,
    tagLength: 32,
  });
  assert.deepEqual(hmac(derived, fields("writ-vault-check-v1", storeId, wrapId)), bytes());

  const keys = new Map<string, { id: number; bytes: Buffer }>();
  for (let left = integer(); left > 0; left--) {
    const [id, purpose] = [integer(), text()];
    assert.equal(text(), "active");
    assert.equal(integer(), 1, "number of wrapped copies");
    assert.equal(integer(), wrapId);
    const algorithm = integer();
    const data = fields("writ-vault-ring-key-v1", storeId, wrapId, id, purpose, algorithm);
    keys.set(purpose, { id, bytes: openXChaCha(derived, bytes(), data, bytes()) });
  }
  assert.equal(rest.length, 0);
  const [macKey, wrapKey] = [keys.get("mac"), keys.get("wrap")];
  assert.ok(macKey !== undefined && wrapKey !== undefined);

  const values = new Map<string, Buffer>();
  for (const r of records) {
    const columns = [
      r.scope,
      r.key,
      r.version,
      r.state,
      r.current,
      r.first_at,
      r.created_at,
      r.changed_at,
      r.actor,
      r.algorithm,
      r.key_id,
      r.key_nonce,
      r.sealed_key,
      r.nonce,
      r.digest,
    ];
    assert.deepEqual(hmac(macKey.bytes, fields("writ-vault-record-v1", storeId, ...columns)), r.tag);
    assert.deepEqual(createHash("sha256").update(r.ciphertext).digest(), r.digest);
    if (r.state === "destroyed") continue;
    assert.equal(r.key_id, wrapKey.id);
    const place = [storeId, r.scope, r.key, r.version, r.algorithm, r.key_id];
    const dataKey = openXChaCha(
      wrapKey.bytes,
      r.key_nonce,
      fields("writ-vault-data-key-v1", ...place),
      r.sealed_key,
    );
    const value = openXChaCha(dataKey, r.nonce, fields("writ-vault-value-v1", ...place), r.ciphertext);
    values.set(`${r.scope}:${r.key}:${r.version}`, value);
  }
  for (const e of events) {
    const columns = [e.id, e.scope, e.key, e.from_version, e.to_version, e.cause, e.at];
    assert.deepEqual(hmac(macKey.bytes, fields("writ-vault-event-v1", storeId, ...columns)), e.tag);
  }
  const tags = Buffer.concat(records.map((record) => record.tag));
  const root = hmac(macKey.bytes, fields("writ-vault-root-v1", header.epoch, records.length, tags));
  assert.deepEqual(root, header.root);
  const headerTag = hmac(macKey.bytes, fields("writ-vault-header-tag-v1", header.body, header.epoch, root));
  assert.deepEqual(headerTag, header.tag);
  return { storeId, derived, keys, root, values };
}
