/**
 * One run on one worker, seen from the daemon: parses what the worker says, keeps the counts, answers ops, and
 * decides how the run ended. The first reason wins.
 */
import { AppError, type ErrorCode } from "../../base/error.ts";
import { escapeLine } from "../../base/text.ts";
import type { Json } from "../../base/json.ts";
import type { Limits } from "../../manifest/manifest.ts";
import { MAX_OP_BYTES, type OpError } from "../../sdk/wire.ts";
import { jsonDepth, MAX_LOG_LINES, ProtocolError, type FromWorker, type ToWorker } from "../protocol.ts";
import type { GuestError, RunOutcome, RunRequest } from "./executor.ts";
import { parseGuestFailure } from "./from-worker.ts";
import { mapStack } from "./stack.ts";

/** Answers the worker has not read: beyond this much, further ops wait until it has. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** Nesting of an op's arguments and of an output; far beyond data, far below what would exhaust a stack. */
const MAX_VALUE_DEPTH = 256;

/** Failures that arise in the guest itself. */
const GUEST_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "TASK_THREW",
  "TASK_NOT_A_FUNCTION",
  "TASK_STALLED",
  "OUTPUT_INVALID",
  "OUTPUT_TOO_LARGE",
  "OP_INVALID",
  "LIMIT_OPS",
  "NOT_YET",
]);

/** How the guest's part ended. `undefined` output = returned nothing. */
export type Ending =
  | { readonly end: "success"; readonly output: Json | undefined }
  | { readonly end: Failed; readonly error: GuestError };

type Failed = Exclude<RunOutcome["end"], "success">;

type RunMessage = Exclude<FromWorker, { type: "ready" }>;

/** Sends one message; calls `sent` when the bytes have left the daemon, or never will. */
type Send = (control: ToWorker, data: Buffer, sent: () => void) => void;

export class Lease {
  readonly request: RunRequest;
  /** Resolves with the first reason; never rejects. */
  readonly ended: Promise<Ending>;
  readonly opCounts: Record<string, number> = Object.create(null);
  readonly #send: Send;
  readonly #resolve: (ending: Ending) => void;
  /** Aborts the ops still in flight when the run is over. */
  readonly #opsAbort = new AbortController();
  /** Codes of the ops that failed. */
  readonly #answeredCodes = new Set<string>();
  /** The first reason. */
  #verdict: Ending | undefined;
  #over = false;
  #opsSubmitted = 0;
  #opsInFlight = 0;
  #unreadBytes = 0;
  /** Ops that wait until the worker has read an answer. */
  readonly #held: (() => void)[] = [];
  #logBytes = 0;
  #logLines = 0;
  #logCut = false;

  constructor(request: RunRequest, send: Send) {
    this.request = request;
    this.#send = send;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  /** Whether the end has been decided, so that no further message may come. */
  get over(): boolean {
    return this.#over;
  }

  /** Takes one message of this run. Throws ProtocolError when the worker breaks a rule. */
  receive(message: RunMessage, data: Buffer): void {
    if (message.run !== this.request.runId) throw new ProtocolError("message names another run");
    if (this.#over) throw new ProtocolError("message after the end");
    switch (message.type) {
      case "log":
        return this.#log(message.level, data);
      case "op":
        return this.#op(message.op, message.name, data);
      case "exhausted":
        return this.fail("crashed", "LIMIT_MEMORY", memoryMessage(this.request.limits));
      case "done":
        return message.ok ? this.#returned(data) : this.#threw(data);
    }
  }

  /** Settles how the run will end, while its code still has a grace to notice; does nothing when that is settled. */
  sentence(end: Failed, code: ErrorCode, message: string): void {
    this.#verdict ??= { end, error: { code, message, stack: undefined, hints: [] } };
  }

  /** Ends the run with a reason of the daemon's own; does nothing when it has ended. */
  fail(end: Failed, code: ErrorCode, message: string): void {
    this.sentence(end, code, message);
    this.#end();
  }

  #end(ending?: Ending): void {
    this.#verdict ??= ending;
    if (this.#over || this.#verdict === undefined) return;
    this.#over = true;
    this.#opsAbort.abort();
    this.#resolve(this.#verdict);
  }

  #log(level: "debug" | "info" | "warn" | "error", data: Buffer): void {
    if (this.#logCut) throw new ProtocolError("more log than the limit");
    this.#logBytes += data.length + 1;
    this.#logLines++;
    const { logBytes } = this.request.limits;
    if (this.#logBytes <= logBytes && this.#logLines <= MAX_LOG_LINES) {
      return this.request.log({ level, text: mapStack(data.toString("utf8"), this.request.bundle) });
    }
    this.#logCut = true;
    const limit =
      this.#logLines > MAX_LOG_LINES ? `${MAX_LOG_LINES} lines` : `limits.log of ${logBytes} bytes`;
    this.request.log({ level: "warn", text: `[log cut here: the run has passed its ${limit}]` });
  }

  #op(id: number, name: string, data: Buffer): void {
    this.#opsSubmitted++;
    if (id !== this.#opsSubmitted) throw new ProtocolError("op id out of order");
    if (this.#opsSubmitted > this.request.limits.ops) throw new ProtocolError("more ops than the limit");
    if (++this.#opsInFlight > this.request.limits.opsInFlight)
      throw new ProtocolError("too many ops in flight");
    const known = /^[a-z_.]+$/.test(name) ? name : "unknown";
    this.opCounts[known] = (this.opCounts[known] ?? 0) + 1;
    void this.#answer(id, name, data);
  }

  async #answer(id: number, name: string, data: Buffer): Promise<void> {
    if (this.#unreadBytes >= MAX_UNREAD_BYTES || this.#held.length > 0)
      await new Promise<void>((go) => this.#held.push(go));
    if (this.#over) return;
    let ok = true;
    let json: Buffer;
    try {
      const args = parseValue(data, "OP_INVALID", `arguments of "${escapeLine(name)}"`);
      json = Buffer.from(JSON.stringify(await this.request.ops(name, args, this.#opsAbort.signal)));
    } catch (error) {
      ok = false;
      const told = opError(error);
      this.#answeredCodes.add(told.code);
      json = Buffer.from(JSON.stringify(told));
    }
    this.#opsInFlight--;
    if (this.#over) return;
    this.#unreadBytes += json.length;
    this.#send({ type: "answer", run: this.request.runId, op: id, ok, size: json.length }, json, () => {
      this.#unreadBytes -= json.length;
      this.#held.shift()?.();
    });
  }

  #returned(data: Buffer): void {
    const { outputBytes } = this.request.limits;
    if (data.length === 0) return this.#end({ end: "success", output: undefined });
    if (data.length > outputBytes) {
      const state = `the return value has ${data.length} bytes of JSON, at most ${outputBytes} are allowed`;
      return this.fail("failure", "OUTPUT_TOO_LARGE", `${state} (limits.output)`);
    }
    try {
      this.#end({ end: "success", output: parseValue(data, "OUTPUT_INVALID", "return value") });
    } catch (error) {
      this.fail(
        "failure",
        "OUTPUT_INVALID",
        error instanceof Error ? error.message : "the return value is not JSON",
      );
    }
  }

  /** The guest words its own failure and may lie about it: a code must be the guest's own or one it was answered. */
  #threw(data: Buffer): void {
    const told = parseGuestFailure(data.toString("utf8"));
    if (told === undefined)
      return this.fail("failure", "TASK_THREW", "the task failed with an error that can not be read");
    const code = GUEST_CODES.has(told.code) || this.#answeredCodes.has(told.code) ? told.code : "TASK_THREW";
    const text = told.name === "" || code !== "TASK_THREW" ? told.message : `${told.name}: ${told.message}`;
    const message = mapStack(text, this.request.bundle);
    const stack = told.stack === "" ? undefined : mapStack(told.stack, this.request.bundle);
    this.#end({ end: "failure", error: { code, message, stack, hints: told.hints } });
  }
}

function parseValue(data: Buffer, code: "OP_INVALID" | "OUTPUT_INVALID", what: string): Json {
  if (code === "OP_INVALID" && data.length > MAX_OP_BYTES) {
    throw new AppError(code, `the ${what} have ${data.length} bytes, at most ${MAX_OP_BYTES} are allowed`);
  }
  const depth = jsonDepth(data);
  if (depth > MAX_VALUE_DEPTH) {
    throw new AppError(code, `the ${what} is nested ${depth} deep, at most ${MAX_VALUE_DEPTH} are allowed`);
  }
  try {
    return JSON.parse(data.toString("utf8"));
  } catch (cause) {
    throw new AppError(code, `the ${what} is not JSON`, { cause });
  }
}

/** What the guest may know of a failed op: our own wording, never that of a library or of the system. */
function opError(error: unknown): OpError {
  if (error instanceof AppError) return { code: error.code, message: error.message, hints: error.hints };
  return { code: "INTERNAL", message: "the op failed inside writ", hints: [] };
}

export function memoryMessage(limits: Limits): string {
  return `the run used more memory than its limits.memory of ${limits.memoryBytes / 1024 ** 2} MB`;
}
