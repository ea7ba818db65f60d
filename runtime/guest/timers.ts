/** setTimeout and setInterval over the host's one-shot timers, and queueMicrotask. */
import type { Host } from "./host.ts";

const { apply } = Reflect;
const { then } = Promise.prototype;
const settled = Promise.resolve();

/** Timers waiting at once. */
const MAX_TIMERS = 10_000;
/** Longest wait, in milliseconds: what a 32-bit timer can hold. */
const MAX_WAIT_MS = 2 ** 31 - 1;

type Callback = (...args: readonly unknown[]) => unknown;

export interface Timers {
  setTimeout(callback: Callback, ms?: number, ...args: readonly unknown[]): number;
  setInterval(callback: Callback, ms?: number, ...args: readonly unknown[]): number;
  clearTimeout(id?: unknown): void;
  clearInterval(id?: unknown): void;
  /** Runs the callback of a timer; one that is gone is ignored. What the callback throws is thrown. */
  fire(id: number): void;
  /** How many timers wait. */
  pending(): number;
}

interface Timer {
  readonly callback: Callback;
  readonly args: readonly unknown[];
  readonly ms: number;
  readonly repeats: boolean;
}

export function makeTimers(host: Pick<Host, "timer" | "clearTimer">): Timers {
  const timers = new Map<number, Timer>();
  let last = 0;

  function start(
    name: string,
    callback: unknown,
    ms: unknown,
    args: readonly unknown[],
    repeats: boolean,
  ): number {
    if (!isCallback(callback)) throw new TypeError(`${name}() takes a function`);
    if (timers.size >= MAX_TIMERS) throw new RangeError(`more than ${MAX_TIMERS} timers are waiting`);
    const timer = { callback, args, ms: waitOf(ms), repeats };
    const id = ++last;
    timers.set(id, timer);
    host.timer(id, timer.ms);
    return id;
  }

  function clear(id: unknown): void {
    const key = Number(id);
    if (timers.delete(key)) host.clearTimer(key);
  }

  return {
    setTimeout(callback, ms, ...args) {
      return start("setTimeout", callback, ms, args, false);
    },
    setInterval(callback, ms, ...args) {
      return start("setInterval", callback, ms, args, true);
    },
    clearTimeout(id) {
      clear(id);
    },
    clearInterval(id) {
      clear(id);
    },
    fire(id) {
      const timer = timers.get(id);
      if (timer === undefined) return;
      if (!timer.repeats) timers.delete(id);
      apply(timer.callback, globalThis, timer.args);
      if (timer.repeats && timers.has(id)) host.timer(id, timer.ms);
    },
    pending: () => timers.size,
  };
}

/** What the callback throws becomes an unhandled rejection, which fails the run. */
export function queueMicrotask(callback: () => unknown): void {
  if (!isCallback(callback)) throw new TypeError("queueMicrotask() takes a function");
  const steps = (): void => {
    callback();
  };
  void apply(then, settled, [steps]);
}

function isCallback(value: unknown): value is Callback {
  return typeof value === "function";
}

function waitOf(ms: unknown): number {
  const wait = Math.trunc(Number(ms));
  return wait > 0 ? Math.min(wait, MAX_WAIT_MS) : 0;
}
