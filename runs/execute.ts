/** The one path that executes a run: load, resolve, accept, start, run, redact, finish. */
import { AppError, ERROR_CODES, toAppError, type ErrorCode } from "../base/error.ts";
import type { Clock } from "../base/clock.ts";
import { newRunId } from "../base/id.ts";
import type { Json } from "../base/json.ts";
import { Secret } from "../base/secret.ts";
import { bundle, type Bundle } from "../runtime/host/bundle.ts";
import type { Executor, OpHandler, RunOutcome } from "../runtime/host/executor.ts";
import { answerOp } from "../sdk/host/registry.ts";
import { Redactor } from "../secrets/redact.ts";
import type { Resolution, ResolvedVariable, ResolveFailure } from "../secrets/resolve-env.ts";
import type { AuditEntry, LogLine, RunErrorRecord, RunFinish } from "../store/ports.ts";
import type { Store } from "../store/store.ts";
import type { Vault } from "../store/vault/vault.ts";
import { resolveParams, type GivenParam } from "./params.ts";
import { toRecord, type RunRecord } from "./record.ts";
import { RunLog } from "./run-log.ts";
import { makeOpContext, PermissionUse } from "./run-ops.ts";
import type { LoadedTask, TaskPlace, Tasks } from "./tasks.ts";

/** What starts a run; every trigger ends up as one of these. */
export interface StartRequest {
  readonly place: TaskPlace;
  readonly trigger: Json;
  readonly params: ReadonlyMap<string, GivenParam>;
  /** Values of declared variables for this run alone. */
  readonly overrides: ReadonlyMap<string, string>;
  readonly input: Json;
  /** Who asked for it, as record and audit name it. */
  readonly actor: string;
  readonly signal: AbortSignal;
  /** Redacted lines, as they come. */
  readonly onLog?: (line: LogLine) => void;
}

export interface RunnerParts {
  readonly tasks: Tasks;
  readonly store: Store;
  readonly executor: Executor;
  readonly vault: () => Promise<Vault>;
  readonly resolve: (task: LoadedTask, request: StartRequest) => Promise<Resolution>;
  readonly audit: (entry: AuditEntry) => Promise<void>;
  readonly clock: Clock;
  /** This process, as owner of its runs, and its machine. */
  readonly owner: string;
  readonly node: string;
  readonly projectRoot: string;
  readonly imports: readonly string[];
  /** What no import may reach, whatever `imports` says. */
  readonly forbidden: readonly string[];
}

/** Within which one Ctrl-C arrives everywhere. */
const SIGNAL_MS = 20;

type Resolved = Extract<Resolution, { ok: true }>;

/** A run that has its values and waits for its record. */
interface Prepared {
  readonly id: string;
  readonly request: StartRequest;
  readonly task: LoadedTask;
  readonly code: Bundle;
  readonly params: Readonly<Record<string, Json>>;
  readonly createdAt: number;
}

export class Runner {
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /**
   * Runs a task once and answers its record, whatever the end. Throws, with nothing recorded, when there is no run
   * to speak of: the task does not load, a param is wrong, or the values given are secrets that must not be stored.
   */
  async run(request: StartRequest): Promise<RunRecord> {
    const { clock, tasks } = this.#parts;
    const createdAt = clock.now();
    const task = await tasks.load(request.place);
    const params = resolveParams(task.manifest.params, request.params);
    const code = await this.#bundle(task, request.signal);
    const prepared = { id: newRunId(createdAt), request, task, code, params, createdAt };
    const resolving = performance.now();
    const resolution = await this.#parts.resolve(task, request);
    const resolveMs = performance.now() - resolving;
    if (!resolution.ok) return this.#block(prepared, resolution.failures, resolveMs);
    try {
      using redactor = makeRedactor(resolution.variables);
      if (redactor instanceof Redactor) return await this.#execute(prepared, resolution, redactor, resolveMs);
      return await this.#block(prepared, [redactor], resolveMs);
    } finally {
      for (const { value } of resolution.variables) if (value instanceof Secret) value.wipe();
    }
  }

  async #bundle(task: LoadedTask, signal: AbortSignal): Promise<Bundle> {
    const { projectRoot, imports, forbidden } = this.#parts;
    const dotenv = task.manifest.dotenv.map((file) => `${task.dir}/${file}`);
    try {
      return await bundle(task.entry, {
        projectRoot,
        taskDir: task.dir,
        imports,
        forbidden: [...forbidden, ...dotenv],
      });
    } catch (error) {
      // Ctrl-C reaches the bundler's process as well, and its end may be heard before the signal is.
      await new Promise((resolve) => setTimeout(resolve, SIGNAL_MS));
      if (signal.aborted)
        throw new AppError("RUN_CANCELLED", "cancelled before the run was accepted", { cause: error });
      throw error;
    }
  }

  async #accept(prepared: Prepared, input: Uint8Array | undefined): Promise<void> {
    const { id, request, task, code, params, createdAt } = prepared;
    await this.#parts.store.runs.accept({
      id,
      task: task.id,
      workspace: task.manifest.workspace,
      actor: request.actor,
      trigger: request.trigger,
      params,
      codeHash: code.hash,
      manifestHash: task.manifestHash,
      createdAt,
      input,
      owner: this.#parts.owner,
    });
  }

  /** Encrypted where there is a vault; without one the input is not kept, because it could only be kept in clear. */
  async #sealInput({ id, request: { input } }: Prepared): Promise<Uint8Array | undefined> {
    if (input === null) return undefined;
    return (await this.#parts.vault()).sealInput(id, Buffer.from(JSON.stringify(input)));
  }

  /** A run whose secrets can not be had never starts. */
  async #block(
    prepared: Prepared,
    failures: readonly ResolveFailure[],
    resolveMs: number,
  ): Promise<RunRecord> {
    const { store, clock } = this.#parts;
    // What blocks the run may be the vault itself, which seals inputs and audit lines: the record is made all the same.
    await this.#accept(prepared, await this.#sealInput(prepared).catch(() => undefined));
    const audits = failures.map(({ name }) => this.#auditUse(prepared, name, "error"));
    const unaudited = (await Promise.allSettled(audits)).filter(({ status }) => status === "rejected");
    await store.runs.block(prepared.id, {
      ...NOTHING_USED,
      state: "blocked",
      finishedAt: clock.now(),
      error: failureRecord(failures, this.#parts.tasks.manifestName(prepared.task)),
      timingsMs: { resolve: resolveMs },
      warnings: unaudited.map(() => UNAUDITED),
    });
    return this.#record(prepared.id);
  }

  async #execute(
    prepared: Prepared,
    resolution: Resolved,
    redactor: Redactor,
    resolveMs: number,
  ): Promise<RunRecord> {
    const { store, clock, owner, node } = this.#parts;
    const { id, request } = prepared;
    refuseSecretsInRecord(redactor, prepared);
    // Before the run is accepted: without an audit of its secrets there is no run.
    for (const { name, value } of resolution.variables) {
      if (value instanceof Secret) await this.#auditUse(prepared, name, "ok");
    }
    await this.#accept(prepared, await this.#sealInput(prepared));
    const claim = await store.runs.start(id, { owner, node, at: clock.now() });
    if (claim === undefined) throw new AppError("INTERNAL", `run ${id} was taken by somebody else`);
    const log = new RunLog({
      run: id,
      attempt: claim.attempt,
      logs: store.logs,
      redactor,
      clock,
      onLine: request.onLog,
    });
    const audits: Promise<void>[] = [];
    const use = new PermissionUse((target) => {
      const written = this.#audit(prepared, { action: "op.denied", target, result: "denied" });
      written.catch(() => undefined);
      audits.push(written);
    });
    const queued = performance.now();
    const outcome = await this.#outcome(prepared, resolution, claim.attempt, redactor, log, use);
    // What could not be written on the way must not cost the run its end; denials were enforced in any case.
    const unlogged = await log.flush().then(
      () => [],
      () => [UNLOGGED],
    );
    const unaudited = (await Promise.allSettled(audits)).filter(({ status }) => status === "rejected");
    // False = recovery took this process for dead and has written an end: that one stands, and is answered.
    await store.runs.finish(id, claim.fence, {
      ...finishOf(outcome, redactor),
      finishedAt: clock.now(),
      timingsMs: { resolve: resolveMs, ...outcome.timingsMs, total: performance.now() - queued },
      permissions: use.summary((text) => redactor.redactText(text)),
      secrets: resolution.variables.flatMap(secretRecord),
      warnings: [
        ...redactor.unmaskable.map((name) => ({
          code: "SECRETS_UNMASKABLE",
          message: `the value of "${name}" is too short or too common to be replaced in output`,
        })),
        ...unaudited.map(() => UNAUDITED),
        ...unlogged,
      ],
    });
    return this.#record(id);
  }

  async #outcome(
    prepared: Prepared,
    { variables }: Resolved,
    attempt: number,
    redactor: Redactor,
    log: RunLog,
    use: PermissionUse,
  ): Promise<RunOutcome> {
    const { executor, store, vault } = this.#parts;
    const { id, task, code, params, request } = prepared;
    const audit = (entry: AuditEntry): Promise<void> => this.#parts.audit(entry);
    const context = makeOpContext(
      { runId: id, task, kv: store.kv(task.id), vault, redactor, log, audit },
      use,
    );
    /** An op that nobody awaits still acts and audits: the run has no end before it has. */
    const underWay = new Set<Promise<Json>>();
    const ops: OpHandler = (name, args, signal) => {
      const answer = answerOp(name, args, context, signal);
      underWay.add(answer);
      const settled = (): boolean => underWay.delete(answer);
      answer.then(settled, settled);
      return answer;
    };
    try {
      return await executor.execute({
        runId: id,
        domain: `${task.id} ${code.hash}`,
        bundle: code,
        context: {
          params,
          input: request.input,
          task: { id: task.id, env: variables.map(declared) },
          run: { id, attempt, trigger: request.trigger },
        },
        variables,
        limits: task.manifest.limits,
        ops,
        log: (line) => log.write(line),
        signal: request.signal,
      });
    } catch (error) {
      const { code: reason, message, hints } = toAppError(error);
      return {
        end: "crashed",
        output: undefined,
        error: { code: reason, message, stack: undefined, hints },
        usage: { cpuMs: 0, peakMemoryBytes: 0, ops: {} },
        timingsMs: { start: 0, run: 0 },
      };
    } finally {
      await Promise.allSettled(underWay);
    }
  }

  #auditUse(prepared: Prepared, target: string, result: "ok" | "error"): Promise<void> {
    return this.#audit(prepared, { action: "secret.use", target, result });
  }

  #audit(
    { id, task, request }: Prepared,
    entry: Pick<AuditEntry, "action" | "target" | "result">,
  ): Promise<void> {
    const { workspace } = task.manifest;
    return this.#parts.audit({
      actor: request.actor,
      run: id,
      ...(workspace === undefined ? {} : { workspace }),
      ...entry,
    });
  }

  /** Read back from the store: what is answered is what is recorded. */
  async #record(id: string): Promise<RunRecord> {
    const stored = await this.#parts.store.runs.get(id);
    if (stored === undefined) throw new AppError("INTERNAL", `the record of run ${id} is gone`);
    return toRecord(stored);
  }
}

const UNLOGGED = { code: "STORE_UNAVAILABLE", message: "not all of the log could be written" };
const UNAUDITED = { code: "STORE_UNAVAILABLE", message: "a line could not be written to the audit log" };

const NOTHING_USED = {
  output: undefined,
  usage: { cpuMs: 0, peakMemoryBytes: 0, ops: {} },
  permissions: { used: [], denied: [] },
  secrets: [],
} as const;

/** What can not be redacted does not run: values too large to be watched for are a failure like any other. */
function makeRedactor(variables: readonly ResolvedVariable[]): Redactor | (ResolveFailure & Disposable) {
  const secrets = variables.flatMap(({ name, value }) =>
    value instanceof Secret ? [{ name, bytes: value.bytes }] : [],
  );
  try {
    return new Redactor(secrets);
  } catch (error) {
    const { code, message, hints } = toAppError(error);
    const name = secrets.map((secret) => secret.name).join(", ");
    return { code, name, message, hints, at: undefined, [Symbol.dispose]: () => undefined };
  }
}

/** Params are stored in clear, for everybody who may see the record. */
function refuseSecretsInRecord(redactor: Redactor, { params, request }: Prepared): void {
  if (!redactor.contains(params) && !redactor.contains(request.trigger)) return;
  throw new AppError(
    "SECRETS_PERSIST_DENIED",
    "a param holds the value of a secret, and params are recorded in clear",
    {
      hints: ["the task has the value in env; give it no copy as a param"],
    },
  );
}

function declared({ name, source, version }: ResolvedVariable): {
  name: string;
  source: string;
  version?: number;
} {
  return { name, source, ...(version === undefined ? {} : { version }) };
}

function secretRecord({ name, value, provider, version }: ResolvedVariable): RunFinish["secrets"] {
  if (!(value instanceof Secret)) return [];
  return [{ name, provider: provider ?? "none", ...(version === undefined ? {} : { version }) }];
}

/** The end as it is stored: everything the guest made is redacted, its state and code are ours. */
function finishOf(
  outcome: RunOutcome,
  redactor: Redactor,
): Pick<RunFinish, "state" | "output" | "error" | "usage"> {
  const { end, output, error, usage } = outcome;
  return {
    state: end,
    output: output === undefined ? undefined : redactor.redactJson(output),
    error: error === undefined ? undefined : errorRecord(redactor.redactError(error)),
    usage,
  };
}

function errorRecord(error: NonNullable<RunOutcome["error"]>): RunErrorRecord {
  const { code, message, stack, hints } = error;
  return {
    code,
    message,
    blame: isErrorCode(code) ? ERROR_CODES[code].blame : "system",
    ...(stack === undefined ? {} : { stack }),
    ...(hints.length === 0 ? {} : { hints }),
  };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** The first failure is the run's error; its hints say what to do about it, and what else is missing. */
function failureRecord(failures: readonly ResolveFailure[], file: string): RunErrorRecord {
  const [first, ...others] = failures;
  const place = ({ name, at }: ResolveFailure): string =>
    at === undefined ? name : `${file}:${at.line}:${at.column} ${name}`;
  if (first === undefined) throw new Error("a resolution fails for a reason");
  const more = others.flatMap((other) => [`${other.code} ${place(other)}: ${other.message}`, ...other.hints]);
  return {
    code: first.code,
    message: `${place(first)}: ${first.message}`,
    blame: ERROR_CODES[first.code].blame,
    hints: [...first.hints, ...more],
  };
}
