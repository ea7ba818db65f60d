/** TextEncoder and TextDecoder: every encoding of the standard but the multi-byte legacy ones. */
import { markUncloneable } from "./clone.ts";

export interface TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { readonly read: number; readonly written: number };
}

export interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: ArrayBufferView | ArrayBuffer, options?: { readonly stream?: boolean }): string;
}

interface Encodings {
  readonly TextEncoder: new () => TextEncoder;
  readonly TextDecoder: new (
    label?: string,
    options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean },
  ) => TextDecoder;
}

// An import would bring in the package's declarations, and with them Node's globals.
declare const require: (id: "@exodus/bytes/encoding-lite.js") => Encodings;

export const { TextEncoder, TextDecoder } = require("@exodus/bytes/encoding-lite.js");

markUncloneable(TextEncoder);
markUncloneable(TextDecoder);
