/**
 * Workers kept ready, handed out one run at a time.
 *
 * A worker serves one domain for life: the first run decides it. When another domain needs a place, the worker
 * that has been idle longest makes room. A run that did not end well takes its worker with it.
 */
import { AppError } from "../../base/error.ts";
import { bootstrapCode } from "./bootstrap-code.ts";
import type { Executor, RunOutcome, RunRequest } from "./executor.ts";
import { Watchdog } from "./watchdog.ts";
import { WorkerProcess } from "./worker-process.ts";

/** A worker is replaced after this many runs … */
const MAX_RUNS = 200;
/** … or this long. */
const MAX_AGE_MS = 10 * 60 * 1000;

export interface PoolOptions {
  /** Processes at the same time, and so runs at the same time. */
  readonly size: number;
  /** Memory limit for which isolates are prepared; a run with another limit waits for its own. */
  readonly memoryBytes: number;
  /** Starts one worker at once, ahead of the first run. */
  readonly warm: boolean;
}

export class WorkerPool implements Executor {
  readonly #options: PoolOptions;
  readonly #watchdog = new Watchdog();
  readonly #bootstrap: Promise<string>;
  readonly #idle: WorkerProcess[] = [];
  readonly #all = new Set<WorkerProcess>();
  readonly #waiting: (() => void)[] = [];
  #warming: Promise<void> | undefined;
  #busy = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#bootstrap = bootstrapCode();
    // Whoever starts a worker sees the failure.
    this.#bootstrap.catch(() => undefined);
    if (options.warm) this.#warm();
  }

  /** Starts a worker ahead of the run that will need it, one at a time; a failure shows when a run needs one. */
  #warm(): void {
    if (this.#closed) return;
    this.#warming ??= this.#fork()
      .then(
        (worker) => this.#giveBack(worker),
        () => undefined,
      )
      .finally(() => {
        this.#warming = undefined;
      });
  }

  async execute(request: RunRequest): Promise<RunOutcome> {
    await this.#takePlace();
    try {
      const worker = await this.#take(request.domain);
      const outcome = await worker.run(request);
      this.#recycle(worker);
      return outcome;
    } finally {
      this.#leavePlace();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#warming;
    const workers = [...this.#all];
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map((worker) => worker.exited));
    await this.#watchdog[Symbol.asyncDispose]();
  }

  /** Waits for one of `size` places, first come first served. */
  async #takePlace(): Promise<void> {
    if (this.#busy < this.#options.size) this.#busy++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#closed) throw new AppError("WORKER_START", "the pool of workers is closed");
  }

  /** Hands the place to whoever waits longest. */
  #leavePlace(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy--;
    else next();
  }

  /** Its own worker, else one that has served nobody, else a new one, for which an idle one may have to go. */
  async #take(domain: string): Promise<WorkerProcess> {
    for (;;) {
      const worker =
        this.#claim((idle) => idle.domain === domain) ?? this.#claim((idle) => idle.domain === undefined);
      if (worker === undefined && this.#warming === undefined) break;
      // It may have died between two runs: that is no run's fault.
      if (worker === undefined) await this.#warming;
      else if (await isReady(worker)) return worker;
    }
    if (this.#all.size >= this.#options.size) this.#claim(() => true)?.kill();
    return this.#fork();
  }

  /** Takes the longest idle worker of those that will do. */
  #claim(suits: (worker: WorkerProcess) => boolean): WorkerProcess | undefined {
    const index = this.#idle.findIndex((worker) => !worker.gone && suits(worker));
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0];
  }

  async #fork(): Promise<WorkerProcess> {
    const bootstrap = await this.#bootstrap;
    const worker = await WorkerProcess.start({
      bootstrap,
      memoryBytes: this.#options.memoryBytes,
      watchdog: this.#watchdog,
    });
    this.#all.add(worker);
    void worker.exited.then(() => this.#forget(worker));
    return worker;
  }

  #recycle(worker: WorkerProcess): void {
    const old = worker.runs >= MAX_RUNS || performance.now() - worker.startedAt > MAX_AGE_MS;
    if (old) worker.kill();
    if (worker.gone || old) this.#warm();
    else this.#giveBack(worker);
  }

  #giveBack(worker: WorkerProcess): void {
    if (this.#closed) worker.kill();
    else this.#idle.push(worker);
  }

  #forget(worker: WorkerProcess): void {
    this.#all.delete(worker);
    const index = this.#idle.indexOf(worker);
    if (index >= 0) this.#idle.splice(index, 1);
  }
}

function isReady(worker: WorkerProcess): Promise<boolean> {
  return worker.ready().then(
    () => true,
    () => false,
  );
}
