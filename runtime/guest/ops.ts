/** Ops: submitted with an id, answered later through `settle`. */
import { MAX_OP_BYTES, type OpError } from "../../sdk/wire.ts";
import { opError, WritError } from "./errors.ts";
import type { Host } from "./host.ts";

const { parse, stringify } = JSON;

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

interface Waiting {
  readonly id: number;
  readonly name: string;
  readonly args: string;
}

/** `inFlight` ops at a time, the others wait; `total` in the life of the run. */
export function makeOps(host: Host, limits: { readonly inFlight: number; readonly total: number }): Ops {
  const pending = new Map<number, Pending>();
  const waiting: Waiting[] = [];
  let submitted = 0;
  let flying = 0;

  const submit = (op: Waiting): void => {
    flying++;
    host.op(op.id, op.name, op.args);
  };

  const call: Call = (name, args) => {
    const origin: { stack?: string } = {};
    Error.captureStackTrace(origin, call);
    return new Promise((resolve, reject) => {
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
      const id = ++submitted;
      pending.set(id, { resolve, reject, origin });
      const op = { id, name, args: json };
      if (flying < limits.inFlight) submit(op);
      else waiting.push(op);
    });
  };

  return {
    call,
    settle(id, ok, json) {
      const entry = pending.get(id);
      if (entry === undefined) return;
      pending.delete(id);
      flying--;
      const next = waiting.shift();
      if (next !== undefined) submit(next);
      const value: unknown = parse(json);
      if (ok) entry.resolve(value);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the daemon wrote it
      else entry.reject(opError(value as OpError, entry.origin));
    },
    pending: () => pending.size,
  };
}

function refused(code: string, message: string): WritError {
  return new WritError({ code, message, hints: [] });
}
