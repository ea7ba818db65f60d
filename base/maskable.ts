/** Which values can be replaced in output without hiding ordinary text and telling what they are. */
import { isUtf8 } from "node:buffer";

/** Below this a value can not be masked without masking half of every log. */
const MASKABLE_MIN_BYTES = 4;

const COMMON_WORDS: ReadonlySet<string> = new Set(
  `true false null none undefined nil void empty yes no on off enabled disabled auto default unknown
  admin administrator root user username guest login test tests tester testing demo example sample local localhost
  password passwd passw0rd pass1234 secret secrets changeme change_me letmein welcome qwerty abcd abc123 token
  apikey api_key hello world foobar string number boolean object value name email okay error errors warn warning
  info debug trace failed failure success status start started stop stopped running
  production prod staging stage development develop devel main master latest stable public private internal external
  server client service database postgres mysql redis mongo mongodb
  http https json yaml text html utf8 utf-8 bearer basic redacted placeholder
  0000 00000 000000 1111 11111 111111 1234 12345 123456 1234567 12345678 123456789 1234567890 4321 54321 654321
  127.0.0.1 0.0.0.0 8080 3000 5432 3306 6379`.split(/\s+/),
);

export function isCommonWord(text: string): boolean {
  return COMMON_WORDS.has(text.toLowerCase());
}

/** Why a value can not be replaced in output, or undefined. White space around it does not count. */
export function unmaskable(value: Uint8Array): "too short" | "too common" | undefined {
  const bare = trimmed(Buffer.from(value.buffer, value.byteOffset, value.length));
  if (bare.length < MASKABLE_MIN_BYTES) return "too short";
  return isUtf8(bare) && isCommonWord(bare.toString("utf8")) ? "too common" : undefined;
}

/** The same bytes without the white space around them. */
export function trimmed(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return bytes.subarray(start, end);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
