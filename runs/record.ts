/** The record of a run as everybody sees it: the CLI, the API, tests and notifications. */
import { rfc3339 } from "../base/clock.ts";
import type { Json } from "../base/json.ts";
import type { LogLine, RunErrorRecord, RunState, StoredRun } from "../store/ports.ts";

/** snake_case, RFC 3339 times in UTC, absent rather than null where a thing does not apply. */
export interface RunRecord {
  readonly id: string;
  readonly task: string;
  readonly workspace?: string;
  readonly state: RunState;
  readonly attempt: number;
  readonly trigger: Json;
  readonly params: Json;
  readonly output?: Json;
  readonly error?: RunErrorRecord;
  readonly created_at: string;
  readonly started_at?: string;
  readonly finished_at?: string;
  readonly timings_ms?: Readonly<Record<string, number>>;
  readonly usage?: {
    readonly cpu_ms: number;
    readonly peak_memory_bytes: number;
    readonly ops: Readonly<Record<string, number>>;
  };
  readonly permissions?: { readonly used: readonly string[]; readonly denied: readonly string[] };
  readonly secrets?: readonly {
    readonly name: string;
    readonly provider: string;
    readonly version?: number;
  }[];
  readonly warnings?: readonly { readonly code: string; readonly message: string }[];
  /** Only where asked for. */
  readonly logs?: readonly { readonly t: string; readonly level: LogLine["level"]; readonly text: string }[];
}

export function toRecord(run: StoredRun, logs?: readonly LogLine[]): RunRecord {
  const { finish } = run;
  return {
    id: run.id,
    task: run.task,
    ...(run.workspace === undefined ? {} : { workspace: run.workspace }),
    state: run.state,
    attempt: run.attempt,
    trigger: run.trigger,
    params: run.params,
    ...(finish?.output === undefined ? {} : { output: finish.output }),
    ...(finish?.error === undefined ? {} : { error: finish.error }),
    created_at: rfc3339(run.createdAt),
    ...(run.startedAt === undefined ? {} : { started_at: rfc3339(run.startedAt) }),
    ...(finish === undefined
      ? {}
      : {
          finished_at: rfc3339(finish.finishedAt),
          timings_ms: finish.timingsMs,
          usage: {
            cpu_ms: finish.usage.cpuMs,
            peak_memory_bytes: finish.usage.peakMemoryBytes,
            ops: finish.usage.ops,
          },
          permissions: finish.permissions,
          secrets: finish.secrets,
          ...(finish.warnings.length === 0 ? {} : { warnings: finish.warnings }),
        }),
    ...(logs === undefined
      ? {}
      : { logs: logs.map(({ t, level, text }) => ({ t: rfc3339(t), level, text })) }),
  };
}
