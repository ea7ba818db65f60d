/** A master key as text: 32 bytes in standard base64, one spelling only. */
import { randomBytes } from "node:crypto";
import { AppError } from "../../base/error.ts";
import { KEY_BYTES } from "./format.ts";

/** A new master key for a person to keep (`writ secrets keygen`). */
export function generateKeyText(): string {
  return encodeKey(randomBytes(KEY_BYTES));
}

export function encodeKey(key: Buffer): string {
  return key.toString("base64");
}

/**
 * The 32 bytes, which the caller wipes. Space around the text is allowed, as editors and shells leave it; anything
 * else, a second spelling of the same key included, is `SECRETS_KEY_INVALID`.
 */
export function decodeKey(text: string, origin: string): Buffer {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, "base64");
  if (key.length === KEY_BYTES && encodeKey(key) === trimmed) return key;
  key.fill(0);
  const state = trimmed === "" ? "is empty" : `is not ${KEY_BYTES} bytes in standard base64`;
  throw new AppError("SECRETS_KEY_INVALID", `the master key from ${origin} ${state}`, {
    hints: [`a master key is ${KEY_BYTES} random bytes, as \`writ secrets keygen\` prints them`],
  });
}
