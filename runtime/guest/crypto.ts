/** crypto.getRandomValues and crypto.randomUUID over the host's random bytes. */
import { DOMException } from "./events.ts";
import type { Host } from "./host.ts";
import { viewName } from "./brand.ts";

/** The standard's limit on one call, in bytes. */
const MAX_RANDOM_BYTES = 65_536;

const INTEGER_VIEWS: ReadonlySet<string | undefined> = new Set([
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export interface Crypto {
  /** Fills and returns `array`. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
}

export function makeCrypto(host: Pick<Host, "random">): Crypto {
  return {
    getRandomValues(array) {
      if (!INTEGER_VIEWS.has(viewName(array))) {
        throw new DOMException("getRandomValues() takes an integer typed array", "TypeMismatchError");
      }
      const { buffer, byteOffset, byteLength } = array;
      if (byteLength > MAX_RANDOM_BYTES) {
        throw new DOMException(
          `getRandomValues() gives at most ${MAX_RANDOM_BYTES} bytes, not ${byteLength}`,
          "QuotaExceededError",
        );
      }
      if (byteLength > 0) new Uint8Array(buffer, byteOffset, byteLength).set(host.random(byteLength));
      return array;
    },

    randomUUID() {
      const bytes = host.random(16);
      let uuid = "";
      for (let index = 0; index < 16; index++) {
        let byte = bytes[index] ?? 0;
        if (index === 6) byte = (byte & 0x0f) | 0x40;
        if (index === 8) byte = (byte & 0x3f) | 0x80;
        if (index === 4 || index === 6 || index === 8 || index === 10) uuid += "-";
        uuid += HEX[byte];
      }
      return uuid;
    },
  };
}
