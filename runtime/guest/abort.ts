/** AbortController and AbortSignal. */
import { DOMException, Event, EventTarget, fireTrusted, setOnAbort } from "./events.ts";

const { apply } = Reflect;

const internal = Symbol("internal");

let startTimer: (callback: () => void, ms: number) => void = () => {
  throw new TypeError("AbortSignal.timeout() has no timers");
};

/** Gives AbortSignal.timeout() its timers. */
export function setAbortTimer(start: (callback: () => void, ms: number) => void): void {
  startTimer = start;
}

let abort: (signal: AbortSignal, reason: unknown) => void;
let isSignal: (value: unknown) => value is AbortSignal;
let addSteps: (signal: AbortSignal, steps: () => void) => void;

export class AbortSignal extends EventTarget {
  /** undefined = not aborted. */
  #reason: unknown = undefined;
  #onabort: ((event: Event) => unknown) | null = null;
  readonly #steps = new Set<() => void>();
  /** For a signal made by any(): the signals it follows, none of which follows another. */
  readonly #sources = new Set<AbortSignal>();
  readonly #dependents = new Set<AbortSignal>();
  #dependent = false;
  readonly #handler = (event: Event): void => {
    if (this.#onabort !== null) apply(this.#onabort, this, [event]);
  };

  constructor(token: symbol) {
    if (token !== internal) throw new TypeError("Illegal constructor");
    super();
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(internal);
    signal.#reason = reasonOr(reason);
    return signal;
  }

  static timeout(ms: unknown): AbortSignal {
    const wait = Number(ms);
    if (!(wait >= 0 && wait <= Number.MAX_SAFE_INTEGER)) {
      throw new TypeError("timeout is not a number of milliseconds");
    }
    const signal = new AbortSignal(internal);
    startTimer(() => {
      signal.#abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    }, wait);
    return signal;
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const sources = [...signals];
    if (!sources.every(isSignal)) throw new TypeError("AbortSignal.any() takes AbortSignals");
    const result = new AbortSignal(internal);
    result.#dependent = true;
    const aborted = sources.find((source) => source.aborted);
    if (aborted !== undefined) {
      result.#reason = aborted.#reason;
      return result;
    }
    for (const source of sources) {
      for (const root of source.#dependent ? source.#sources : [source]) {
        result.#sources.add(root);
        root.#dependents.add(result);
      }
    }
    return result;
  }

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    // oxlint-disable-next-line typescript/only-throw-error -- the standard lets a reason be any value
    if (this.aborted) throw this.#reason;
  }

  get onabort(): ((event: Event) => unknown) | null {
    return this.#onabort;
  }

  set onabort(handler: ((event: Event) => unknown) | null) {
    const next = typeof handler === "function" ? handler : null;
    if (next === null) super.removeEventListener("abort", this.#handler);
    else if (this.#onabort === null) super.addEventListener("abort", this.#handler);
    this.#onabort = next;
  }

  /** All reasons are set before anybody is told. */
  #abort(reason: unknown): void {
    if (this.aborted) return;
    this.#reason = reasonOr(reason);
    const followers = [...this.#dependents].filter((dependent) => !dependent.aborted);
    for (const follower of followers) follower.#reason = this.#reason;
    this.#tell();
    for (const follower of followers) follower.#tell();
  }

  #tell(): void {
    const steps = [...this.#steps];
    this.#steps.clear();
    for (const step of steps) step();
    fireTrusted(this, new Event("abort"));
  }

  override get [Symbol.toStringTag](): string {
    return "AbortSignal";
  }

  static {
    isSignal = (value): value is AbortSignal =>
      typeof value === "object" && value !== null && #steps in value;
    abort = (signal, reason) => signal.#abort(reason);
    addSteps = (signal, steps) => signal.#steps.add(steps);
  }
}

export class AbortController {
  readonly #signal = new AbortSignal(internal);

  get signal(): AbortSignal {
    return this.#signal;
  }

  abort(reason?: unknown): void {
    abort(this.#signal, reason);
  }

  get [Symbol.toStringTag](): string {
    return "AbortController";
  }
}

setOnAbort((signal, steps) => {
  if (!isSignal(signal)) throw new TypeError("signal is not an AbortSignal");
  if (!signal.aborted) addSteps(signal, steps);
  return !signal.aborted;
});

function reasonOr(reason: unknown): unknown {
  return reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
}
