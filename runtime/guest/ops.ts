/** Ops: submitted with an id, answered later through `settle`. */
import { MAX_OP_BYTES, type OpError } from "../../sdk/wire.ts";
import { opError, WritError } from "./errors.ts";
import type { Host } from "./host.ts";

// Captured: a task that replaces a built-in must not come between an op and its number.
const { parse, stringify } = JSON;
const { captureStackTrace } = Error;
const OwnPromise = Promise;

/** Submits an op; resolves with the daemon's answer, rejects with WritError or PermissionDenied. */
export type Call = (name: string, args: unknown) => Promise<unknown>;

export interface Ops {
  readonly call: Call;
  settle(id: number, ok: boolean, json: string): void;
  /** Ops submitted or waiting for their turn. */
  pending(): number;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly origin: { stack?: string };
}

interface Op {
  readonly id: number;
  readonly name: string;
  readonly args: string;
  /** The op that waits behind this one. */
  next: Op | undefined;
}

/** `inFlight` ops at a time, the others wait; `total` in the life of the run. */
export function makeOps(host: Host, limits: { readonly inFlight: number; readonly total: number }): Ops {
  const pending: Record<number, Pending> = Object.create(null);
  let unanswered = 0;
  let firstWaiting: Op | undefined;
  let lastWaiting: Op | undefined;
  let submitted = 0;
  let flying = 0;

  const submit = (op: Op): void => {
    host.op(op.id, op.name, op.args);
    flying++;
  };

  const call: Call = (name, args) => {
    const origin: { stack?: string } = {};
    captureStackTrace(origin, call);
    return new OwnPromise((resolve, reject) => {
      const json = args === undefined ? "null" : stringify(args);
      if (typeof json !== "string")
        throw refused("OP_INVALID", `"${name}" was given arguments that are not JSON`);
      // Bytes are at most three per UTF-16 unit; the daemon counts them exactly.
      if (json.length > MAX_OP_BYTES) {
        throw refused(
          "OP_INVALID",
          `"${name}" was given ${json.length} characters, at most ${MAX_OP_BYTES} are allowed`,
        );
      }
      if (submitted >= limits.total) {
        throw refused("LIMIT_OPS", `the run has made ${limits.total} ops, which is its limit (limits.ops)`);
      }
      const op: Op = { id: submitted + 1, name, args: json, next: undefined };
      if (flying < limits.inFlight) {
        // First of all: with no stack left this throws, and then nothing has happened.
        submit(op);
      } else {
        if (lastWaiting === undefined) firstWaiting = op;
        else lastWaiting.next = op;
        lastWaiting = op;
      }
      submitted++;
      unanswered++;
      pending[op.id] = { resolve, reject, origin };
    });
  };

  return {
    call,
    settle(id, ok, json) {
      const entry = pending[id];
      if (entry === undefined) return;
      delete pending[id];
      unanswered--;
      flying--;
      const next = firstWaiting;
      if (next !== undefined) {
        firstWaiting = next.next;
        if (firstWaiting === undefined) lastWaiting = undefined;
        submit(next);
      }
      const value: unknown = parse(json);
      if (ok) entry.resolve(value);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the daemon wrote it
      else entry.reject(opError(value as OpError, entry.origin));
    },
    pending: () => unanswered,
  };
}

function refused(code: string, message: string): WritError {
  return new WritError({ code, message, hints: [] });
}
