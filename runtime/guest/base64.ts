/** atob and btoa: base64 as browsers forgive it. */
import { DOMException } from "./events.ts";

const { apply } = Reflect;
const { fromCharCode } = String;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Arguments of one fromCharCode call; far more overflow the stack. */
const CHUNK = 8192;

/** The value of a character code; 64 = not in the alphabet. */
const VALUES = new Uint8Array(128).fill(64);
const CODES = new Uint8Array(64);
for (let value = 0; value < 64; value++) {
  const code = ALPHABET.charCodeAt(value);
  VALUES[code] = value;
  CODES[value] = code;
}

/** Throws InvalidCharacterError for a character above U+00FF. */
export function btoa(data: unknown): string {
  if (arguments.length === 0) throw new TypeError("btoa() takes a string");
  const text = String(data);
  const out = new Uint8Array(Math.ceil(text.length / 3) * 4).fill(0x3d /* = */);
  for (let at = 0, to = 0; at < text.length; at += 3, to += 4) {
    // Past the end charCodeAt() is NaN, which the operators take for 0.
    const [a, b, c] = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)];
    if (a > 255 || b > 255 || c > 255) {
      throw new DOMException(
        "The string to be encoded contains characters outside of the Latin1 range",
        "InvalidCharacterError",
      );
    }
    const bits = (a << 16) | (b << 8) | c;
    out[to] = CODES[bits >> 18] ?? 0;
    out[to + 1] = CODES[(bits >> 12) & 63] ?? 0;
    if (at + 1 < text.length) out[to + 2] = CODES[(bits >> 6) & 63] ?? 0;
    if (at + 2 < text.length) out[to + 3] = CODES[bits & 63] ?? 0;
  }
  return latin1(out);
}

/** Ignores ASCII white space and missing padding. Throws InvalidCharacterError for what is no base64. */
export function atob(data: unknown): string {
  if (arguments.length === 0) throw new TypeError("atob() takes a string");
  let text = String(data).replace(/[\t\n\f\r ]+/g, "");
  if (text.length % 4 === 0) text = text.replace(/={1,2}$/, "");
  if (text.length % 4 === 1) throw invalid();
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  for (let at = 0, to = 0; at < text.length; at++) {
    const value = VALUES[text.charCodeAt(at)] ?? 64;
    if (value === 64) throw invalid();
    bits = (bits << 6) | value;
    if (at % 4 !== 0) out[to++] = bits >> (6 - 2 * (at % 4));
  }
  return latin1(out);
}

function invalid(): DOMException {
  return new DOMException("The string to be decoded is not correctly encoded", "InvalidCharacterError");
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += apply(fromCharCode, undefined, bytes.subarray(at, at + CHUNK));
  }
  return text;
}
