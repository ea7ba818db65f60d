/** The memory that daemon and watchdog thread share: one slot per watched process. */

/** Processes watched at the same time. */
export const MAX_SLOTS = 256;

/**
 * States of a slot; both sides change it only by compare-and-exchange. A slot that is watched has the number of its
 * watch, above 0 and never used before: what the thread has read of an earlier watch can not end a later one.
 */
export const FREE = 0;
export const KILLED = -1;

const FIELDS = ["pid", "startTicks", "deadline", "cpuLimit", "memoryLimit", "cpuMs", "peakMemory"] as const;
type Field = (typeof FIELDS)[number];

/** Two 32-bit integers (state, reason), then the fields as doubles. */
const SLOT_BYTES = 8 + FIELDS.length * 8;

export function slotsBytes(): number {
  return MAX_SLOTS * SLOT_BYTES;
}

export function slotAt(memory: SharedArrayBuffer, index: number): Slot {
  return new Slot(memory, index * SLOT_BYTES);
}

export class Slot {
  readonly #integers: Int32Array<SharedArrayBuffer>;
  readonly #numbers: Float64Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer, offset: number) {
    this.#integers = new Int32Array(memory, offset, 2);
    this.#numbers = new Float64Array(memory, offset + 8, FIELDS.length);
  }

  get(field: Field): number {
    return this.#numbers[FIELDS.indexOf(field)] ?? 0;
  }

  set(field: Field, value: number): void {
    this.#numbers[FIELDS.indexOf(field)] = value;
  }

  state(): number {
    return Atomics.load(this.#integers, 0);
  }

  /** Whether the state was `from` and is now `to`. */
  transition(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#integers, 0, from, to) === from;
  }

  reset(): void {
    Atomics.store(this.#integers, 0, FREE);
  }

  reason(): number {
    return Atomics.load(this.#integers, 1);
  }

  setReason(reason: number): void {
    Atomics.store(this.#integers, 1, reason);
  }
}
