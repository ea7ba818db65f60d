/** Runs and ends with every part filled in, for tests that care for one of them. */
import { newRunId } from "../../base/id.ts";
import type { NewRun, RunFinish } from "../../store/ports.ts";

export const AT = Date.UTC(2026, 10, 20, 9);

export function newRun(change: Partial<NewRun> = {}): NewRun {
  return {
    id: newRunId(AT),
    task: "hello",
    workspace: undefined,
    actor: "cli:tester",
    trigger: { kind: "manual" },
    params: { mode: "daily" },
    codeHash: "c0de",
    manifestHash: "3a51",
    createdAt: AT,
    input: undefined,
    ...change,
  };
}

export function runFinish<S extends RunFinish["state"]>(
  state: S,
  change: Partial<RunFinish> = {},
): RunFinish & { readonly state: S } {
  return {
    finishedAt: AT + 20,
    output: { ok: true },
    error: undefined,
    timingsMs: { queued: 0.5, run: 12.25 },
    usage: { cpuMs: 6, peakMemoryBytes: 41_000_000, ops: { "kv.set": 2 } },
    permissions: { used: ["net:api.example.com"], denied: [] },
    secrets: [{ name: "TOKEN", provider: "local", version: 3 }],
    warnings: [],
    ...change,
    state,
  };
}
