/** Shapes that cross the wall of store/. One method is one transaction; no SQL and no row leaves this folder. */
import type { Json } from "../base/json.ts";

export type RunState = "queued" | "running" | "waiting" | RunEnd;
export type RunEnd = "success" | "failure" | "timeout" | "crashed" | "cancelled" | "skipped" | "blocked";

/** What is known when a run is accepted. */
export interface NewRun {
  readonly id: string;
  readonly task: string;
  readonly workspace: string | undefined;
  readonly actor: string;
  readonly trigger: Json;
  readonly params: Json;
  /** SHA-256 of the bundle and of the manifest's text, hex; undefined when the task did not load. */
  readonly codeHash: string | undefined;
  readonly manifestHash: string | undefined;
  readonly createdAt: number;
  /** Opaque: the encrypted input, where there is one. */
  readonly input: Uint8Array | undefined;
  /** The one process that may execute it, which recovery ends it with; left out = whoever claims it. */
  readonly owner?: string;
  readonly parentRun?: string;
  readonly retryOf?: string;
  /** The instant a cron trigger was due: one run for each, whatever happens. */
  readonly slot?: { readonly trigger: string; readonly at: number };
  /** While `until` lies ahead, accepting the same key again answers with the first run. The key names its scope. */
  readonly idempotency?: { readonly key: string; readonly until: number };
}

/** The run that stands for what was accepted: the new one, or the earlier one of its slot or idempotency key. */
export interface Accepted {
  readonly id: string;
  readonly fresh: boolean;
}

/** The right to execute a run. Every later write of the attempt names the fence. */
export interface Claim {
  readonly fence: number;
  /** From 1. */
  readonly attempt: number;
}

export interface RunErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly blame: "author" | "operator" | "system";
  readonly stack?: string;
  readonly hints?: readonly string[];
}

/** How an attempt, and with it the run, ended. Written once. */
export interface RunFinish {
  readonly state: RunEnd;
  readonly finishedAt: number;
  readonly output: Json | undefined;
  readonly error: RunErrorRecord | undefined;
  readonly timingsMs: Readonly<Record<string, number>>;
  readonly usage: {
    readonly cpuMs: number;
    readonly peakMemoryBytes: number;
    readonly ops: Readonly<Record<string, number>>;
  };
  readonly permissions: { readonly used: readonly string[]; readonly denied: readonly string[] };
  readonly secrets: readonly {
    readonly name: string;
    readonly provider: string;
    readonly version?: number;
  }[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

/** A whole row, parsed. */
export interface StoredRun extends NewRun {
  readonly state: RunState;
  readonly attempt: number;
  readonly startedAt: number | undefined;
  readonly finish: RunFinish | undefined;
}

/** One line of a list: nothing that can be large. */
export interface RunSummary {
  readonly id: string;
  readonly task: string;
  readonly workspace: string | undefined;
  readonly actor: string;
  readonly trigger: Json;
  readonly state: RunState;
  readonly attempt: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly error: RunErrorRecord | undefined;
}

export interface StoredAttempt {
  readonly attempt: number;
  readonly state: "running" | RunEnd;
  readonly startedAt: number;
  readonly finishedAt: number | undefined;
  readonly error: RunErrorRecord | undefined;
}

export interface LogLine {
  readonly t: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

export interface StoredLogLine extends LogLine {
  /** 1, 2, 3 … within the run. */
  readonly seq: number;
  readonly attempt: number;
}

/** One line of the audit chain; never a value. */
export interface AuditEntry {
  readonly actor: string;
  readonly workspace?: string;
  readonly run?: string;
  /** Dotted verb: `secret.set`, `secret.use`, `op.denied` … */
  readonly action: string;
  readonly target: string;
  readonly result: "ok" | "denied" | "error";
}
