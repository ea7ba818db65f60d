/** What the store costs: acceptance, a whole life, and lists and look-ups among many runs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { newRunId } from "../../base/id.ts";
import { unkeyedMac } from "../../store/audit.ts";
import type { NewRun, RunFinish } from "../../store/ports.ts";
import { Store } from "../../store/store.ts";

export interface StoreRow {
  readonly name: string;
  readonly median_ms: number;
  readonly n: number;
}

const STORED_RUNS = 100_000;
const TASKS = 50;
const TOGETHER = 1_000;
const SAMPLES = 500;

const END: RunFinish = {
  state: "success",
  finishedAt: Date.now(),
  output: { ok: true, note: "x".repeat(200) },
  error: undefined,
  timingsMs: { queued: 0.4, resolve: 0.2, start: 0.9, run: 12.1 },
  usage: { cpuMs: 6, peakMemoryBytes: 41_000_000, ops: { fetch: 1 } },
  permissions: { used: ["net:api.example.com"], denied: [] },
  secrets: [],
  warnings: [],
};

function newRun(index: number): NewRun {
  const now = Date.now();
  return {
    id: newRunId(now),
    task: `task-${index % TASKS}`,
    workspace: undefined,
    actor: "bench",
    trigger: { kind: "manual" },
    params: { index },
    codeHash: "c".repeat(64),
    manifestHash: "d".repeat(64),
    createdAt: now,
    input: undefined,
  };
}

async function measure(name: string, n: number, act: (index: number) => Promise<unknown>): Promise<StoreRow> {
  const times: number[] = [];
  for (let index = 0; index < n; index++) {
    const begin = performance.now();
    await act(index);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return { name, median_ms: times[Math.floor(n / 2)] ?? 0, n };
}

/** Fills a store in a throw-away folder with `runs` ended runs and measures beside them. */
export async function benchStore(runs = STORED_RUNS): Promise<readonly StoreRow[]> {
  const folder = mkdtempSync(join(tmpdir(), "writ-bench-"));
  try {
    await using store = await Store.open(join(folder, "data"), systemClock);
    const by = { owner: "own_bench", node: "bench", at: Date.now() };
    const life = async (index: number): Promise<string> => {
      const { id } = await store.runs.accept(newRun(index));
      const claim = await store.runs.start(id, by);
      if (claim === undefined) throw new Error("the run could not be started");
      await store.runs.finish(id, claim.fence, END);
      return id;
    };
    let last = "";
    const fill = await measure(
      `${TOGETHER} whole lives at once`,
      Math.ceil(runs / TOGETHER),
      async (batch) => {
        const ids = await Promise.all(Array.from({ length: TOGETHER }, (_, i) => life(batch * TOGETHER + i)));
        last = ids.at(-1) ?? last;
      },
    );
    const among = `among ${fill.n * TOGETHER}`;
    const middle = (await store.runs.list({ limit: 500 })).next ?? last;
    const lines = Array.from({ length: 100 }, () => ({ t: 0, level: "info" as const, text: "y".repeat(80) }));
    const audit = store.audit(unkeyedMac);
    const line = { actor: "bench", action: "run.end", target: "task", result: "ok" } as const;
    return [
      fill,
      await measure("accept", SAMPLES, (index) => store.runs.accept(newRun(index))),
      await measure("accept, start, finish", SAMPLES, life),
      await measure(`get ${among}`, SAMPLES, () => store.runs.get(last)),
      await measure(`list 50 ${among}`, SAMPLES, () => store.runs.list({ limit: 50 })),
      await measure(`list 50 of a task ${among}`, SAMPLES, () =>
        store.runs.list({ task: "task-7", limit: 50 }),
      ),
      await measure(`list 50 failures of a task ${among}`, SAMPLES, () =>
        store.runs.list({ task: "task-7", state: "failure", limit: 50 }),
      ),
      await measure(`list 50 after a cursor ${among}`, SAMPLES, () =>
        store.runs.list({ limit: 50, cursor: middle }),
      ),
      await measure("append 100 log lines", SAMPLES, () => store.logs.append(last, 1, lines)),
      await measure("kv set", SAMPLES, (index) => store.kv("bench").set(`k${index}`, { index })),
      await measure("kv get", SAMPLES, (index) => store.kv("bench").get(`k${index}`)),
      await measure("audit append", SAMPLES, () => audit.append(line)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
