/** The interface runs/ sees: code, authority and values in; one outcome out. */
import type { Json } from "../../base/json.ts";
import type { Secret } from "../../base/secret.ts";
import type { Limits } from "../../manifest/manifest.ts";
import type { Bundle } from "./bundle.ts";

/** One variable as the guest will see it. */
export interface GuestVariable {
  readonly name: string;
  /** Ordinary text, or bytes that are wiped when the run ends. */
  readonly value: string | Secret;
  /** Secret and `sensitive` values are non-enumerable in the guest. */
  readonly hidden: boolean;
}

export interface GuestContext {
  readonly params: Json;
  readonly input: Json;
  readonly task: {
    readonly id: string;
    readonly env: readonly { name: string; source: string; version?: number }[];
  };
  readonly run: { readonly id: string; readonly attempt: number; readonly trigger: Json };
}

/** Answers the guest's ops; judged in the daemon. A throw of AppError reaches the guest as code and message. */
export type OpHandler = (name: string, args: Json, signal: AbortSignal) => Promise<Json>;

export interface GuestLogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

export interface RunRequest {
  readonly runId: string;
  /** Runs of one domain may share a worker process; each gets a fresh isolate. */
  readonly domain: string;
  readonly bundle: Bundle;
  readonly context: GuestContext;
  readonly variables: readonly GuestVariable[];
  readonly limits: Limits;
  readonly ops: OpHandler;
  /** Called for each line in order, unredacted; at most `limits.logBytes` in all. */
  readonly log: (line: GuestLogLine) => void;
  readonly signal: AbortSignal;
}

/** Everything is as the guest gave it: whoever stores or prints it redacts it first. */
export interface RunOutcome {
  readonly end: "success" | "failure" | "timeout" | "crashed" | "cancelled";
  readonly output: Json | undefined;
  readonly error: GuestError | undefined;
  readonly usage: {
    readonly cpuMs: number;
    readonly peakMemoryBytes: number;
    readonly ops: Readonly<Record<string, number>>;
  };
  readonly timingsMs: { readonly start: number; readonly run: number };
}

export interface GuestError {
  readonly code: string;
  readonly message: string;
  /** Mapped to the author's files; undefined when the run was killed. */
  readonly stack: string | undefined;
  readonly hints: readonly string[];
}

export interface Executor extends AsyncDisposable {
  /** Never rejects for anything the guest or the worker did; rejects only when no worker can be started. */
  execute(request: RunRequest): Promise<RunOutcome>;
}
