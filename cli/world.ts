/** Everything the command line touches of its process, as an argument: a test can be the process. */
import type { Readable, Writable } from "node:stream";

export interface Input extends Readable {
  readonly isTTY?: boolean;
  /** Present on a terminal only: keys arrive one by one and are not echoed. */
  setRawMode?(on: boolean): unknown;
}

export interface Output extends Writable {
  readonly isTTY?: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Signals {
  once(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

export interface World {
  /** What stands after `writ`. */
  readonly argv: readonly string[];
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
  /** The user's home folder. */
  readonly home: string;
  readonly signals: Signals;
}

/** The user broke off: exit 130, and nothing to explain. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Takes over the first signal to stop and turns it into an abort. The second one finds the process as the system
 * made it, and ends it at once.
 */
export function takeInterrupts(signals: Signals): Interruption {
  const controller = new AbortController();
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const release = (): void => {
    for (const name of names) signals.off(name, stop);
  };
  const stop = (): void => {
    release();
    controller.abort(new Interrupted("interrupted"));
  };
  for (const name of names) signals.once(name, stop);
  return { signal: controller.signal, [Symbol.dispose]: release };
}
