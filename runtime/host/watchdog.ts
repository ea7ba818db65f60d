/**
 * The daemon's side of the watchdog: limits are written to shared memory, and a thread that does nothing else
 * holds them. Nothing that happens on the main loop can delay a kill.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { AppError } from "../../base/error.ts";
import { processUsage, type ProcessUsage } from "./process-usage.ts";
import { FREE, MAX_SLOTS, slotAt, slotsBytes, type Slot } from "./watchdog-slots.ts";

export interface WatchLimits {
  /** From now, in milliseconds of the monotonic clock. */
  readonly wallMs: number;
  /** On top of what the process has used so far. */
  readonly cpuMs: number;
  /** Resident, in all. */
  readonly memoryBytes: number;
}

export type KillReason = "wall" | "cpu" | "memory";

export interface WatchResult {
  /** Why the watchdog killed the process; undefined when it did not. */
  readonly killed: KillReason | undefined;
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
}

const REASONS = [undefined, "wall", "cpu", "memory"] as const;

export class Watchdog implements AsyncDisposable {
  readonly #memory = new SharedArrayBuffer(slotsBytes());
  readonly #thread: Worker;
  readonly #taken = new Set<number>();

  constructor() {
    // From source this file is .ts, from a build .js; the thread's file has the same ending.
    const path = new URL(`./watchdog-thread${extname(import.meta.filename)}`, import.meta.url);
    this.#thread = new Worker(path, { workerData: this.#memory, env: {}, stdout: false });
    this.#thread.unref();
  }

  /** Begins to watch a process; one that is gone already is never killed. Throws when too many are watched. */
  watch(pid: number, limits: WatchLimits): Watch {
    const index = this.#freeSlot();
    const usage = processUsage(pid);
    return new Watch(slotAt(this.#memory, index), pid, usage, limits, () => this.#taken.delete(index));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate();
  }

  #freeSlot(): number {
    for (let index = 0; index < MAX_SLOTS; index++) {
      if (this.#taken.has(index)) continue;
      this.#taken.add(index);
      return index;
    }
    throw new AppError("INTERNAL", `no more than ${MAX_SLOTS} processes can be watched`);
  }
}

/** One process under watch, for one run. */
export class Watch {
  readonly #slot: Slot;
  /** Number of this watch. */
  readonly #id = nextId();
  readonly #pid: number;
  readonly #cpuBefore: number;
  readonly #release: () => void;
  #result: WatchResult | undefined;

  constructor(
    slot: Slot,
    pid: number,
    usage: ProcessUsage | undefined,
    limits: WatchLimits,
    release: () => void,
  ) {
    this.#slot = slot;
    this.#pid = pid;
    this.#release = release;
    this.#cpuBefore = usage?.cpuMs ?? 0;
    slot.set("pid", pid);
    slot.set("startTicks", usage?.startTicks ?? 0);
    slot.set("deadline", monotonicMs() + limits.wallMs);
    slot.set("cpuLimit", this.#cpuBefore + limits.cpuMs);
    slot.set("memoryLimit", limits.memoryBytes);
    slot.set("cpuMs", this.#cpuBefore);
    slot.set("peakMemory", usage?.rssBytes ?? 0);
    slot.setReason(0);
    slot.transition(FREE, this.#id);
  }

  /** Brings the end nearer (a cancelled run has a grace); never moves it away. */
  shorten(wallMs: number): void {
    this.#slot.set("deadline", Math.min(this.#slot.get("deadline"), monotonicMs() + wallMs));
  }

  /** Stops watching. Whoever changes the slot's state first wins: a kill is never missed, nor invented. */
  stop(): WatchResult {
    if (this.#result !== undefined) return this.#result;
    const spared = this.#slot.transition(this.#id, FREE);
    const killed = spared ? undefined : REASONS[this.#slot.reason()];
    const usage = processUsage(this.#pid);
    const cpuMs = Math.max(usage?.cpuMs ?? 0, this.#slot.get("cpuMs")) - this.#cpuBefore;
    const peakMemoryBytes = Math.max(usage?.rssBytes ?? 0, this.#slot.get("peakMemory"));
    this.#slot.reset();
    this.#release();
    this.#result = { killed, cpuMs, peakMemoryBytes };
    return this.#result;
  }
}

const MAX_ID = 2 ** 31 - 1;
let lastId = 0;

function nextId(): number {
  lastId = (lastId % MAX_ID) + 1;
  return lastId;
}

/** One clock for all threads, and one that nobody sets. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
