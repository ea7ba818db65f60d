/** One pool of one worker for a test file: tasks written to real folders, bundled and executed, nothing left behind. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "../../base/json.ts";
import type { Limits } from "../../manifest/manifest.ts";
import { bundle } from "../../runtime/host/bundle.ts";
import type {
  GuestLogLine,
  GuestVariable,
  OpHandler,
  RunOutcome,
  RunRequest,
} from "../../runtime/host/executor.ts";
import { WorkerPool } from "../../runtime/host/pool.ts";

export const MB = 1024 * 1024;

/** Small enough that a run against a limit is short, large enough that an honest run never meets one. */
export const LIMITS: Limits = {
  timeoutMs: 10_000,
  cpuMs: 5_000,
  memoryBytes: 64 * MB,
  logBytes: 64 * 1024,
  outputBytes: 64 * 1024,
  opsInFlight: 8,
  ops: 1_000,
};

export interface Overrides {
  readonly limits?: Partial<Limits>;
  readonly variables?: readonly GuestVariable[];
  readonly params?: Json;
  readonly input?: Json;
  readonly ops?: OpHandler;
  readonly signal?: AbortSignal;
  readonly domain?: string;
  /** Files beside `task.ts`, by relative path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly onLog?: (line: GuestLogLine) => void;
}

export interface Ran extends RunOutcome {
  readonly logs: readonly GuestLogLine[];
  readonly wallMs: number;
}

/** A folder of a test's own, gone when the test is. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "writ-runtime-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

let runs = 0;

/** The request for one run of `source`, without executing it. */
export async function requestOf(source: string, overrides: Overrides = {}): Promise<RunRequest> {
  using folder = temporaryFolder();
  writeFiles(folder.path, { ...overrides.files, "task.ts": source });
  const scope = { projectRoot: folder.path, taskDir: folder.path, imports: [], forbidden: [] };
  const runId = `run_${++runs}`;
  return {
    runId,
    domain: overrides.domain ?? "test",
    bundle: await bundle(join(folder.path, "task.ts"), scope),
    context: {
      params: overrides.params ?? {},
      input: overrides.input ?? null,
      task: { id: "test", env: [] },
      run: { id: runId, attempt: 1, trigger: { kind: "manual" } },
    },
    variables: overrides.variables ?? [],
    limits: { ...LIMITS, ...overrides.limits },
    ops: overrides.ops ?? (async () => null),
    log: overrides.onLog ?? (() => undefined),
    signal: overrides.signal ?? new AbortController().signal,
  };
}

export type RunCode = (source: string, overrides?: Overrides) => Promise<Ran>;

/** To be called once at the top of a test file: `runCode` for it, and after its tests the check that no worker lives. */
export function startRuntime(): { readonly runCode: RunCode; readonly pool: WorkerPool } {
  const pool = new WorkerPool({ size: 1, memoryBytes: LIMITS.memoryBytes, warm: false });
  after(async () => {
    await pool[Symbol.asyncDispose]();
    await assertNoWorkers();
  });
  const runCode: RunCode = async (source, overrides = {}) => {
    const logs: GuestLogLine[] = [];
    const request = await requestOf(source, {
      ...overrides,
      onLog: (line) => {
        logs.push(line);
        overrides.onLog?.(line);
      },
    });
    const startedAt = performance.now();
    const outcome = await pool.execute(request);
    return { ...outcome, logs, wallMs: performance.now() - startedAt };
  };
  return { runCode, pool };
}

/** Throws when a worker process of this one lives on; one that was just being started has a moment to die. */
export async function assertNoWorkers(): Promise<void> {
  const deadline = performance.now() + 2_000;
  while (workerPids().length > 0 && performance.now() < deadline) await pause(10);
  assert.deepEqual(workerPids(), [], "worker processes are left");
}

/** The worker processes that a process has started and that are not gone. */
export function workerPids(parent: number = process.pid): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        const ppid = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
        return (
          Number(ppid) === parent &&
          readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("/runtime/worker/main")
        );
      } catch {
        return false;
      }
    });
}
