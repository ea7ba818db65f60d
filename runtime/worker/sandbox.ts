/**
 * One isolate, prepared ahead and used for one run.
 *
 * Only Callbacks enter the isolate, captured in the bootstrap's closure. References and ExternalCopies stay here:
 * one of them in the guest's hands would be a way to the host's memory.
 */
import type ivm from "isolated-vm";
import type { IsolatedVm } from "./addon.ts";

/** Global through which the entry module hands the task over; deleted by its first call. */
const HOOK = "__writ_task__";
/** What the daemon maps back to the author's files. */
const TASK_FILE = "file:///task.js";

/**
 * The guest's requests, answered by the run in progress. Must not throw: an error would carry host paths. Text that
 * the task's code may have had a hand in is not known to be text.
 */
export interface HostCalls {
  op(id: number, name: string, args: unknown): void;
  log(level: string, text: unknown): void;
  timer(id: number, ms: number): void;
  clearTimer(id: number): void;
  random(bytes: number): Uint8Array;
  toAscii(domain: string): string;
  done(ok: boolean, json: unknown): void;
}

type GuestFunction = ivm.Reference<(...args: readonly unknown[]) => unknown>;

export class Sandbox implements Disposable {
  readonly memoryMb: number;
  readonly #ivm: IsolatedVm;
  readonly #isolate: ivm.Isolate;
  readonly #context: ivm.Context;
  readonly #guest: ivm.Reference;
  #calls: HostCalls | undefined;

  /** Creates the isolate and evaluates the bootstrap, which is trusted code. */
  constructor(addon: IsolatedVm, bootstrap: string, memoryMb: number) {
    this.#ivm = addon;
    this.memoryMb = memoryMb;
    this.#isolate = new addon.Isolate({
      memoryLimit: memoryMb,
      // Without this the process hangs or aborts by itself; the daemon treats both as a crash.
      onCatastrophicError: () => process.abort(),
    });
    this.#context = this.#isolate.createContextSync();
    const host = ["op", "log", "timer", "clearTimer", "random", "toAscii", "done"] as const;
    this.#guest = this.#context.evalClosureSync(
      `${bootstrap}\nreturn __writ.boot({ ${host.map((name, index) => `${name}: $${index}`).join(", ")} });`,
      host.map((name) => this.#callback(name)),
      { result: { reference: true }, filename: "writ:bootstrap" },
    );
  }

  /** Starts a task; resolves when its top level has run as far as it goes without waiting. */
  async start(calls: HostCalls, code: string, beginning: string, values: ArrayBuffer): Promise<void> {
    this.#calls = calls;
    const copy = new this.#ivm.ExternalCopy(values).copyInto({ release: true });
    this.#method("begin").applySync(undefined, [beginning, copy, HOOK]);
    const task = this.#isolate.compileModuleSync(code, { filename: TASK_FILE });
    const entry = this.#isolate.compileModuleSync(`import * as task from "task"; globalThis.${HOOK}(task);`, {
      filename: "writ:entry",
    });
    const refuse = (): never => {
      throw new Error("the bundle imports nothing");
    };
    task.instantiateSync(this.#context, refuse);
    entry.instantiateSync(this.#context, (specifier) => (specifier === "task" ? task : refuse()));
    await entry.evaluate();
  }

  /** Each of these rejects when the task's code, woken by it, throws or leaves a rejection unhandled. */
  async settle(id: number, ok: boolean, json: string): Promise<void> {
    await this.#method("settle").apply(undefined, [id, ok, json]);
  }

  async fire(timer: number): Promise<void> {
    await this.#method("fire").apply(undefined, [timer]);
  }

  async abort(reason: string): Promise<void> {
    await this.#method("abort").apply(undefined, [reason]);
  }

  /** Ops and timers that can still wake the task, asked after everything it had to do. */
  async pending(): Promise<number> {
    return Number(await this.#method("pending").apply(undefined, []));
  }

  /** Whether isolated-vm itself has disposed of the isolate, which it does at the memory limit. */
  get disposed(): boolean {
    return this.#isolate.isDisposed;
  }

  [Symbol.dispose](): void {
    this.#calls = undefined;
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  #callback(name: keyof HostCalls): ivm.Callback {
    const call = (...args: unknown[]): unknown => {
      try {
        const calls = this.#calls;
        // The arguments are the guest's; what it can do with wrong ones is fail its own run.
        return calls === undefined ? undefined : Reflect.apply(calls[name], calls, args);
      } catch {
        return undefined;
      }
    };
    return new this.#ivm.Callback(call, { sync: true });
  }

  #method(name: string): GuestFunction {
    return this.#guest.getSync(name, { reference: true });
  }
}
