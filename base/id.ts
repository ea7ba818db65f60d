/** Time-ordered identifiers: a prefix and a ULID. */
import { randomBytes } from "node:crypto";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_BYTES = 10;

/** 48 bits of `now`, then 80 random bits: sorts by time, unguessable within a millisecond. */
function ulid(now: number): string {
  let time = "";
  for (let rest = now, index = 0; index < 10; index++, rest = Math.floor(rest / 32)) {
    time = `${CROCKFORD[rest % 32]}${time}`;
  }
  let random = "";
  let bits = 0;
  let held = 0;
  for (const byte of randomBytes(RANDOM_BYTES)) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) random += CROCKFORD[(held >> (bits - 5)) & 31];
  }
  return time + random;
}

/** `run_01JD…`: 26 characters of Crockford base32 after the prefix. */
export function newRunId(now: number): string {
  return `run_${ulid(now)}`;
}

export function isRunId(text: string): boolean {
  return /^run_[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}

/** `own_01JD…`: one process that executes runs. */
export function newOwnerId(now: number): string {
  return `own_${ulid(now)}`;
}

export function isOwnerId(text: string): boolean {
  return /^own_[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}
