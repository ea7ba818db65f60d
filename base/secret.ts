/** A value that refuses to print: the only ways out are `bytes` and `text()`, and both are easy to grep for. */
import { isUtf8 } from "node:buffer";
import { inspect } from "node:util";

/** Holds the bytes of one secret for one run. Whoever makes it wipes it. */
export class Secret implements Disposable {
  readonly name: string;
  readonly #bytes: Buffer;

  /** Takes ownership of `bytes`: they are zeroed by `wipe()`. */
  constructor(name: string, bytes: Buffer) {
    this.name = name;
    this.#bytes = bytes;
  }

  /** The live buffer, not a copy. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Whether the value can be delivered as a variable: UTF-8 without NUL. */
  get isText(): boolean {
    return isUtf8(this.#bytes) && !this.#bytes.includes(0);
  }

  /** The value as a string, which the garbage collector keeps as long as it likes; prefer `bytes`. */
  text(): string {
    return this.#bytes.toString("utf8");
  }

  /** Zeroes the bytes. A second call does nothing. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return `[SECRET:${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
