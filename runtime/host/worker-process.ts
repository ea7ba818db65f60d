/** One worker process: started with nothing, spoken to over one socket, ended with SIGKILL. */
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { Socket } from "node:net";
import { AppError, type ErrorCode } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import type { Limits } from "../../manifest/manifest.ts";
import { MessageReader, ProtocolError, writeMessage, type FromWorker, type ToWorker } from "../protocol.ts";
import type { GuestError, RunOutcome, RunRequest } from "./executor.ts";
import { maxDataBytes, parseFromWorker } from "./from-worker.ts";
import { PACKAGE_JSON } from "./package-root.ts";
import { Lease, memoryMessage, type Ending } from "./lease.ts";
import { processUsage } from "./process-usage.ts";
import type { KillReason, Watch, Watchdog } from "./watchdog.ts";

/** From the process's start to its first isolate. */
const START_TIMEOUT_MS = 10_000;
/** From the end of a run to the next isolate. */
const READY_TIMEOUT_MS = 3_000;
/** From the abort signal to SIGKILL when a run is out of time. */
const KILL_GRACE_MS = 200;
/** The same when somebody cancelled it. */
const CANCEL_GRACE_MS = 5_000;
/** What a run may add to its process, in units of limits.memory: heap, then what V8 needs around it. */
const MEMORY_FACTOR = 2;
const BYTES_PER_MB = 1024 * 1024;
/** What runs may leave behind in a process; with more it is not used again, and its runs' limits do not grow with it. */
const MAX_GROWTH_BYTES = 64 * BYTES_PER_MB;
/** CPU time of a process between two runs: a new isolate needs a tenth, a thread that a run has left behind all. */
const IDLE_CPU_MS = 1_000;
/** isolated-vm aborts with less. */
const MIN_ISOLATE_MB = 32;

const FLAGS = [
  "--permission",
  "--allow-addons",
  "--disable-sigusr1",
  "--disable-proto=throw",
  "--no-node-snapshot",
  "--wasm-max-mem-pages=1024",
  "--no-warnings",
];

export interface WorkerOptions {
  readonly bootstrap: string;
  /** Memory of the spare isolate; a run with another limit waits for a new one. */
  readonly memoryBytes: number;
  readonly watchdog: Watchdog;
}

export class WorkerProcess {
  readonly startedAt = performance.now();
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
  /** The domain of its first run; it never serves another. */
  domain: string | undefined;
  runs = 0;
  lastUsedAt = 0;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #watchdog: Watchdog;
  #current: { readonly lease: Lease; readonly watch: Watch } | undefined;
  /** Between two runs nobody waits for an end, but what a run left behind may still be at work. */
  #idleWatch: Watch | undefined;
  /** Resident when its first isolate was ready. */
  #baseBytes: number | undefined;
  #waiting = 0;
  #ready = unobserved();
  #isReady = false;
  #gone = false;

  /** Starts a process and waits for its first isolate. Throws `WORKER_START`. */
  static async start(options: WorkerOptions): Promise<WorkerProcess> {
    const worker = new WorkerProcess(options.watchdog);
    const bootstrap = Buffer.from(options.bootstrap);
    const memoryMb = toMegabytes(options.memoryBytes);
    worker.#send({ type: "boot", memoryMb, size: bootstrap.length }, bootstrap);
    const timer = setTimeout(() => worker.kill(), START_TIMEOUT_MS);
    try {
      await worker.ready();
    } finally {
      clearTimeout(timer);
    }
    return worker;
  }

  private constructor(watchdog: Watchdog) {
    this.#watchdog = watchdog;
    this.#child = spawn(process.execPath, [...FLAGS, ...allowed(), WORKER_MAIN, ADDON], {
      env: {},
      cwd: "/",
      // A group of its own: Ctrl-C is for the daemon, which ends its workers when their runs have ended.
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    const socket = this.#child.stdio[3];
    if (!(socket instanceof Socket)) throw new AppError("INTERNAL", "the worker's socket is not a socket");
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.exited = promise;
    this.#child.once("error", () => this.#onExit("it could not be started", resolve));
    this.#child.once("exit", (code, signal) => this.#onExit(signal ?? `exit code ${code}`, resolve));
    const reader = new MessageReader(
      (control, data) => this.#receive(parseFromWorker(control), data),
      (control) => maxDataBytes(control, this.#current?.lease.request.limits.outputBytes ?? 0),
    );
    this.#socket.on("data", (chunk: Buffer) => this.#read(reader, chunk));
    // A socket that breaks, or that the worker has closed, says nothing the exit will not say.
    this.#socket.on("error", () => this.kill());
    this.#socket.on("close", () => this.kill());
  }

  /** Dead, or about to be. */
  get gone(): boolean {
    return this.#gone || this.#child.killed;
  }

  /** Resolves when an isolate is prepared; rejects with `WORKER_START` when the process is gone. */
  async ready(): Promise<void> {
    this.#hold(true);
    this.#waiting++;
    try {
      await this.#ready.promise;
    } finally {
      this.#waiting--;
      this.#hold(false);
    }
  }

  /** Asks for the end; `exited` tells when it has come. */
  kill(): void {
    this.#child.ref();
    this.#child.kill("SIGKILL");
  }

  /** Runs one task. Unless it ended by itself and well-behaved, the process is dead when this resolves. */
  async run(request: RunRequest): Promise<RunOutcome> {
    const startedAt = performance.now();
    // Cancelled while it waited for its worker: nothing has run, and nothing is spoilt.
    if (request.signal.aborted) return notStarted();
    this.#hold(true);
    this.#idleWatch?.stop();
    const lease = new Lease(request, (control, data, sent) => this.#send(control, data, sent));
    const watch = this.#watch(request.limits);
    this.#current = { lease, watch };
    this.#ready = unobserved();
    this.#isReady = false;
    this.runs++;
    this.domain = request.domain;
    using _reasons = this.#armReasons(lease, watch);
    this.#sendRun(request);
    const sentAt = performance.now();
    const ending = await this.#end(lease, watch);
    this.#current = undefined;
    this.lastUsedAt = performance.now();
    this.#hold(false);
    const { cpuMs, peakMemoryBytes } = watch.stop();
    if (!this.gone) this.#watchIdle();
    return {
      end: ending.end,
      output: ending.end === "success" ? ending.output : undefined,
      error: ending.end === "success" ? undefined : ending.error,
      usage: { cpuMs, peakMemoryBytes, ops: lease.opCounts },
      timingsMs: { start: sentAt - startedAt, run: this.lastUsedAt - sentAt },
    };
  }

  /** Waits for the end; anything but a task that ended by itself costs the process. */
  async #end(lease: Lease, watch: Watch): Promise<Ending> {
    const ending = await lease.ended;
    const byItself = ending.end === "success" || ending.end === "failure";
    const { killed } = watch.stop();
    if (byItself && killed === undefined) return ending;
    this.kill();
    await this.exited;
    return byItself && killed !== undefined ? { ...verdict(killed, lease.request.limits) } : ending;
  }

  #watch(limits: Limits): Watch {
    return this.#watchdog.watch(this.#child.pid ?? 0, {
      wallMs: limits.timeoutMs + KILL_GRACE_MS,
      cpuMs: limits.cpuMs,
      memoryBytes: this.#boundedSize() + limits.memoryBytes * MEMORY_FACTOR,
    });
  }

  /** Whoever breaches this is killed without a word: there is no run to end. */
  #watchIdle(): void {
    this.#idleWatch?.stop();
    this.#idleWatch = this.#watchdog.watch(this.#child.pid ?? 0, {
      wallMs: this.#isReady ? Number.POSITIVE_INFINITY : READY_TIMEOUT_MS,
      cpuMs: IDLE_CPU_MS,
      memoryBytes: Number.POSITIVE_INFINITY,
    });
  }

  /** Resident now, as far as it is owed to the process and not to what earlier runs have left behind. */
  #boundedSize(): number {
    return Math.min(this.#residentBytes(), (this.#baseBytes ?? 0) + MAX_GROWTH_BYTES);
  }

  #residentBytes(): number {
    return processUsage(this.#child.pid ?? 0)?.rssBytes ?? 0;
  }

  /** The reasons that come from outside the task: time and cancellation. The watchdog would end it all the same. */
  #armReasons(lease: Lease, watch: Watch): Disposable {
    const { runId: run, limits, signal } = lease.request;
    const stop = (sentence: () => void, reason: string, graceMs: number): void => {
      sentence();
      watch.shorten(graceMs);
      this.#send({ type: "abort", run, reason });
    };
    const expire = (): void =>
      stop(
        () => lease.sentence("timeout", "LIMIT_TIMEOUT", timeoutMessage(limits)),
        "the run is out of time",
        KILL_GRACE_MS,
      );
    const cancel = (): void =>
      stop(
        () => lease.sentence("cancelled", "RUN_CANCELLED", "the run was cancelled"),
        "the run was cancelled",
        CANCEL_GRACE_MS,
      );
    const timer = setTimeout(expire, limits.timeoutMs);
    signal.addEventListener("abort", cancel, { once: true });
    return {
      [Symbol.dispose](): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", cancel);
      },
    };
  }

  #sendRun(request: RunRequest): void {
    const values = request.variables.map(({ value }) =>
      value instanceof Secret ? value.bytes : Buffer.from(value),
    );
    const code = Buffer.from(request.bundle.code);
    const beginning = Buffer.from(
      JSON.stringify({
        facts: request.context,
        limits: request.limits,
        variables: request.variables.map(({ name, hidden }, index) => ({
          name,
          hidden,
          bytes: values[index]?.length,
        })),
      }),
    );
    const data = Buffer.concat([code, beginning, ...values]);
    const { runId: run, limits } = request;
    const memoryMb = toMegabytes(limits.memoryBytes);
    const parts = [code.length, beginning.length] as const;
    const message: ToWorker = {
      type: "run",
      run,
      memoryMb,
      logBytes: limits.logBytes,
      parts,
      size: data.length,
    };
    // Zeroed once the kernel has it.
    writeMessage(this.#socket, message, data, () => data.fill(0));
  }

  #send(control: ToWorker, data?: Buffer, sent?: () => void): void {
    if (!this.#gone && this.#socket.writable) writeMessage(this.#socket, control, data, sent);
  }

  #read(reader: MessageReader, chunk: Buffer): void {
    try {
      reader.push(chunk);
    } catch (error) {
      const broken = error instanceof ProtocolError ? error.message : "a message could not be handled";
      this.#current?.lease.fail("crashed", "WORKER_PROTOCOL", `the worker broke the protocol: ${broken}`);
      this.#socket.removeAllListeners("data").resume();
      this.kill();
    }
  }

  #receive(message: FromWorker, data: Buffer): void {
    if (message.type === "ready") return this.#becomeReady();
    if (this.#current === undefined) throw new ProtocolError("message outside a run");
    this.#current.lease.receive(message, data);
  }

  /** Once after the start and once after each run; more would be a way to keep the daemon busy. */
  #becomeReady(): void {
    const running = this.#current !== undefined && !this.#current.lease.over;
    if (running || this.#isReady) throw new ProtocolError("ready out of turn");
    this.#isReady = true;
    this.#ready.resolve();
    if (this.#current === undefined) this.#watchIdle();
    const size = this.#residentBytes();
    this.#baseBytes ??= size;
    if (size > this.#baseBytes + MAX_GROWTH_BYTES && this.#waiting === 0) this.kill();
  }

  #onExit(how: string, resolve: () => void): void {
    this.#gone = true;
    this.#idleWatch?.stop();
    if (this.#current !== undefined) {
      const { lease, watch } = this.#current;
      const { killed } = watch.stop();
      if (killed === undefined) lease.fail("crashed", "WORKER_DIED", `the worker process died (${how})`);
      else {
        const { end, error } = verdict(killed, lease.request.limits);
        lease.fail(end, error.code, error.message);
      }
    }
    this.#ready.reject(
      new AppError("WORKER_START", `no isolate could be prepared: the worker process died (${how})`),
    );
    resolve();
  }

  /** Only a run in progress keeps the daemon's event loop alive. */
  #hold(held: boolean): void {
    for (const handle of [this.#child, this.#socket]) {
      if (held) handle.ref();
      else handle.unref();
    }
  }
}

function notStarted(): RunOutcome {
  return {
    end: "cancelled",
    output: undefined,
    error: { code: "RUN_CANCELLED", message: "the run was cancelled", stack: undefined, hints: [] },
    usage: { cpuMs: 0, peakMemoryBytes: 0, ops: {} },
    timingsMs: { start: 0, run: 0 },
  };
}

interface Verdict {
  readonly end: "timeout" | "crashed";
  readonly error: GuestError & { readonly code: ErrorCode };
}

function verdict(killed: KillReason, limits: Limits): Verdict {
  const ended = (end: Verdict["end"], code: ErrorCode, message: string): Verdict => ({
    end,
    error: { code, message, stack: undefined, hints: [] },
  });
  switch (killed) {
    case "wall":
      return ended("timeout", "LIMIT_TIMEOUT", timeoutMessage(limits));
    case "cpu":
      return ended(
        "timeout",
        "LIMIT_CPU",
        `the run used more CPU time than its limits.cpu of ${limits.cpuMs} ms`,
      );
    case "memory":
      return ended("crashed", "LIMIT_MEMORY", memoryMessage(limits));
  }
}

function timeoutMessage(limits: Limits): string {
  return `the run took longer than its limits.timeout of ${limits.timeoutMs} ms`;
}

function toMegabytes(bytes: number): number {
  return Math.max(MIN_ISOLATE_MB, Math.round(bytes / BYTES_PER_MB));
}

/** A promise that may be rejected while nobody waits for it: a worker can die between two runs. */
function unobserved(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => undefined);
  return made;
}

/** From source these files are .ts, from a build .js. */
const EXTENSION = extname(import.meta.filename);
const RUNTIME = dirname(import.meta.dirname);
const WORKER = join(RUNTIME, "worker");
const WORKER_MAIN = join(WORKER, `main${EXTENSION}`);
const ADDON = addonPath();

/** All that a worker may read: its own code, the shared protocol, the addon, and the file that says these are modules. */
function allowed(): string[] {
  const readable = [WORKER, join(RUNTIME, `protocol${EXTENSION}`), ADDON, PACKAGE_JSON];
  return readable.map((path) => `--allow-fs-read=${path}`);
}

/** The prebuilt binary, found the way the package itself finds it; the worker may not look. */
function addonPath(): string {
  const { resolve } = createRequire(import.meta.url);
  const manifest = resolve("isolated-vm/package.json");
  const find: unknown = createRequire(manifest)("node-gyp-build");
  if (typeof find !== "function" || !("resolve" in find) || typeof find.resolve !== "function") {
    throw new AppError("INTERNAL", "node-gyp-build can not find binaries any more");
  }
  return String(find.resolve(dirname(manifest)));
}
