/** A trivial run on a warm pool against `deno run` of the same script, side by side. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundle } from "../../runtime/host/bundle.ts";
import type { RunRequest } from "../../runtime/host/executor.ts";
import { WorkerPool } from "../../runtime/host/pool.ts";
import { time, type BenchRow } from "./measure.ts";
import { denoPath } from "./peers.ts";

const RUNS = 300;
const MEMORY_BYTES = 128 * 1024 * 1024;

/** The work: the same function, called by each with its own means. */
const WORK = `const answer = [1, 2, 3].map((n) => n * n).reduce((a, b) => a + b);`;
const TASK = `export default () => { ${WORK} return { answer }; };`;
const SCRIPT = `${WORK} console.log(JSON.stringify({ answer }));`;

export async function benchRun(): Promise<readonly BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "writ-bench-"));
  try {
    await writeFile(join(folder, "task.ts"), TASK);
    await writeFile(join(folder, "script.ts"), SCRIPT);
    const deno = await denoPath();
    const run = promisify(execFile);
    const args = ["run", "--no-prompt", "--no-config", "--no-remote", join(folder, "script.ts")];
    const peer = await time(Math.ceil(RUNS / 5), () => run(deno, args, { env: { DENO_DIR: folder } }));
    const { latency, cpuMs } = await benchWrit(folder);
    return [
      { name: "trivial run, warm pool, fresh isolate: p50", median: latency.p50, unit: "ms" },
      { name: "trivial run, warm pool, fresh isolate: p99", median: latency.p99, unit: "ms" },
      { name: "deno run of the same script: p50", median: peer.p50, unit: "ms" },
      { name: "deno run / writ run", median: peer.p50 / latency.p50, unit: "×" },
      { name: "CPU of the worker per run, isolate included", median: cpuMs, unit: "ms" },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function benchWrit(
  folder: string,
): Promise<{ latency: Awaited<ReturnType<typeof time>>; cpuMs: number }> {
  const scope = { projectRoot: folder, taskDir: folder, imports: [], forbidden: [] };
  const code = await bundle("task.ts", scope);
  await using pool = new WorkerPool({ size: 1, memoryBytes: MEMORY_BYTES, warm: true });
  let cpu = 0;
  const request = (index: number): RunRequest => ({
    runId: `run_${index}`,
    domain: "bench",
    bundle: code,
    context: {
      params: {},
      input: null,
      task: { id: "bench", env: [] },
      run: { id: `run_${index}`, attempt: 1, trigger: { kind: "manual" } },
    },
    variables: [],
    limits: {
      timeoutMs: 10_000,
      cpuMs: 10_000,
      memoryBytes: MEMORY_BYTES,
      logBytes: 1024,
      outputBytes: 1024,
      opsInFlight: 64,
      ops: 1000,
    },
    ops: async () => null,
    log: () => undefined,
    signal: new AbortController().signal,
  });
  // The next isolate is prepared between two runs, as it would be on a server that is not saturated.
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  const times: number[] = [];
  for (let index = 0; index < RUNS; index++) {
    await settle();
    const begin = performance.now();
    const outcome = await pool.execute(request(index));
    times.push(performance.now() - begin);
    if (outcome.end !== "success") throw new Error(`the run ended ${outcome.end}: ${outcome.error?.message}`);
    cpu += outcome.usage.cpuMs;
  }
  times.sort((a, b) => a - b);
  const latency = { p50: times[Math.floor(RUNS / 2)] ?? 0, p99: times[Math.floor(RUNS * 0.99)] ?? 0 };
  return { latency, cpuMs: cpu / RUNS };
}
