/** Globals that our packages expect and a bare isolate lacks; the bundler puts these in their place. */
export { TextDecoder, TextEncoder } from "./encoding.ts";

/** The guest never has shared memory; whatwg-url only asks whether a value is of it. */
export class SharedArrayBuffer {
  get byteLength(): number {
    throw new TypeError("not a SharedArrayBuffer");
  }

  get growable(): boolean {
    throw new TypeError("not a SharedArrayBuffer");
  }
}
