/** Authenticated encryption and keyed hashes: the only place where a cipher is called. */
import { createHmac, randomBytes, timingSafeEqual, type KeyObject } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { NONCE_BYTES } from "./format.ts";

export interface Sealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/** Encrypts under a fresh random nonce; `data` is authenticated with it and must be given again to open. */
export function seal(key: Uint8Array, data: Uint8Array, plaintext: Uint8Array): Sealed {
  const nonce = randomBytes(NONCE_BYTES);
  return { nonce, ciphertext: view(xchacha20poly1305(key, nonce, data).encrypt(plaintext)) };
}

/** The plaintext, which the caller wipes; undefined when key, data, nonce or ciphertext are not those of `seal`. */
export function open(key: Uint8Array, data: Uint8Array, sealed: Sealed): Buffer | undefined {
  try {
    return view(xchacha20poly1305(key, sealed.nonce, data).decrypt(sealed.ciphertext));
  } catch {
    // The library says "invalid tag" or names a wrong length; to us both mean: not ours.
    return undefined;
  }
}

/** HMAC-SHA256. */
export function mac(key: Uint8Array | KeyObject, input: Uint8Array): Buffer {
  return createHmac("sha256", key).update(input).digest();
}

/** In constant time; false for different lengths. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
