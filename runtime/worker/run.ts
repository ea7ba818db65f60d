/** One run inside the worker: wires a sandbox to the socket until the task is done. */
import { randomFillSync } from "node:crypto";
import type { Writable } from "node:stream";
import { domainToASCII } from "node:url";
import {
  MAX_FAILURE_BYTES,
  MAX_LOG_LINE_BYTES,
  MAX_LOG_LINES,
  writeMessage,
  type FromWorker,
  type ToWorker,
} from "../protocol.ts";
import type { HostCalls, Sandbox } from "./sandbox.ts";

type RunMessage = Extract<ToWorker, { type: "run" }>;

const MAX_RANDOM_BYTES = 65_536;
/** UTF-16 units of a failure told by the worker itself. */
const MAX_TEXT = 2048;
/** Below this line of a stack stand the frames of the process around the isolate. */
const BOUNDARY = "\n    at (<isolated-vm boundary>)";

const LEVELS = ["debug", "info", "warn", "error"] as const;

export class Run implements HostCalls {
  readonly id: string;
  /** Resolves when the task is done, whichever way; never rejects. */
  readonly finished: Promise<void>;
  readonly #socket: Writable;
  readonly #sandbox: Sandbox;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #finish: () => void;
  #opsInFlight = 0;
  #logBytesLeft: number;
  #logLinesLeft = MAX_LOG_LINES;
  #done = false;

  constructor(socket: Writable, sandbox: Sandbox, message: RunMessage) {
    this.id = message.run;
    this.#socket = socket;
    this.#sandbox = sandbox;
    this.#logBytesLeft = message.logBytes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#finish = resolve;
  }

  start(code: string, beginning: string, values: ArrayBuffer): void {
    this.#guard(this.#sandbox.start(this, code, beginning, values));
  }

  answer(op: number, ok: boolean, json: string): void {
    this.#opsInFlight--;
    this.#guard(this.#sandbox.settle(op, ok, json));
  }

  abort(reason: string): void {
    this.#guard(this.#sandbox.abort(reason));
  }

  op(id: number, name: string, args: unknown): void {
    if (this.#done) return;
    this.#opsInFlight++;
    this.#send({ type: "op", run: this.id, op: id, name }, bytesOf(args));
  }

  /**
   * Stops sending once a limit is passed: the line that passes it tells the daemon to cut, and one more would be
   * a breach. The guest cuts long lines itself, unless it has replaced what that is done with.
   */
  log(level: string, text: unknown): void {
    const known = LEVELS.find((name) => name === level);
    if (known === undefined || this.#done || this.#logBytesLeft < 0 || this.#logLinesLeft < 0) return;
    const line = bytesOf(text).subarray(0, MAX_LOG_LINE_BYTES);
    this.#logBytesLeft -= line.length + 1;
    this.#logLinesLeft--;
    this.#send({ type: "log", run: this.id, level: known }, line);
  }

  timer(id: number, ms: number): void {
    if (this.#done) return;
    this.#timers.set(
      id,
      setTimeout(() => {
        this.#timers.delete(id);
        this.#guard(this.#sandbox.fire(id));
      }, ms),
    );
  }

  clearTimer(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  random(bytes: number): Uint8Array {
    return randomFillSync(new Uint8Array(Math.min(bytes, MAX_RANDOM_BYTES)));
  }

  toAscii(domain: string): string {
    return domainToASCII(domain);
  }

  done(ok: boolean, json: unknown): void {
    if (this.#done) return;
    this.#done = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    // A failure is worded by code that the task may have replaced.
    const data = bytesOf(json);
    this.#send({ type: "done", run: this.id, ok }, data.subarray(0, ok ? data.length : MAX_FAILURE_BYTES));
    this.#finish();
  }

  /** Follows one turn of the guest: what it throws ends the run, and so does waiting for nothing. */
  #guard(turn: Promise<void>): void {
    turn.then(
      () => this.#checkStalled(),
      (error: unknown) => this.#fail("TASK_THREW", error),
    );
  }

  #checkStalled(): void {
    if (this.#done || this.#opsInFlight > 0 || this.#timers.size > 0) return;
    this.#sandbox.pending().then(
      (pending) => {
        if (pending > 0 || this.#opsInFlight > 0 || this.#timers.size > 0) return;
        this.#fail(
          "TASK_STALLED",
          new Error("the task waits for a promise that nothing can resolve any more"),
        );
      },
      (error: unknown) => this.#fail("TASK_THREW", error),
    );
  }

  /** Errors arrive as copies of whatever was thrown; `undefined` and strings are possible. */
  #fail(code: string, thrown: unknown): void {
    if (this.#sandbox.disposed && !this.#done) {
      this.#done = true;
      writeMessage(this.#socket, { type: "exhausted", run: this.id });
      return;
    }
    const error = thrown instanceof Error ? thrown : new Error(cut(String(thrown), MAX_TEXT));
    const message = cut(error.message, MAX_TEXT);
    const stack = code === "TASK_THREW" ? cut(inGuest(error.stack ?? ""), 4 * MAX_TEXT) : "";
    this.done(false, JSON.stringify({ code, name: cut(error.name, 100), message, stack, hints: [] }));
  }

  #send(control: WithoutSize<FromWorker>, data: Buffer): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Omit does not distribute over the union
    writeMessage(this.#socket, { ...control, size: data.length } as FromWorker, data);
  }
}

function bytesOf(text: unknown): Buffer {
  return Buffer.from(typeof text === "string" ? text : "");
}

/** A stack without the frames of this process, whose paths are nobody's business. */
function inGuest(stack: string): string {
  const end = stack.indexOf(BOUNDARY);
  return end < 0 ? "" : stack.slice(0, end);
}

type WithoutSize<T> = T extends unknown ? Omit<T, "size"> : never;

/** With a mark: redaction recognises the beginning of a value by it. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`;
}
