/** Errors the guest sees, made here from a code and a message: no host stack and no host path ever crosses. */
import type { GuestFailure, OpError } from "../../sdk/wire.ts";

/** UTF-16 units, which JSON can make six bytes each; together they stay below MAX_FAILURE_BYTES. */
const MAX_CODE = 64;
const MAX_NAME = 200;
const MAX_MESSAGE = 4_000;
const MAX_STACK = 16_000;
const MAX_HINT = 1_000;
const MAX_HINTS = 5;
const MAX_CAUSES = 5;

/** A refused or failed op. `code` is stable, `hints` say what to change. */
export class WritError extends Error {
  readonly code: string;
  readonly hints: readonly string[];

  constructor(error: OpError) {
    super(error.message);
    this.name = "WritError";
    this.code = error.code;
    this.hints = error.hints;
  }
}

/** The manifest does not grant the op; the message names it, `hints` hold the line to add. */
export class PermissionDenied extends WritError {
  constructor(error: OpError) {
    super(error);
    this.name = "PermissionDenied";
  }
}

/** Builds the error of a failed op; `origin` carries the stack of the call that submitted it. */
export function opError(error: OpError, origin: { stack?: string }): WritError {
  const made = error.code === "PERMISSION_DENIED" ? new PermissionDenied(error) : new WritError(error);
  const { stack } = origin;
  if (typeof stack === "string") {
    const frames = stack.indexOf("\n");
    made.stack = `${made.name}: ${made.message}${frames < 0 ? "" : stack.slice(frames)}`;
  }
  return made;
}

/**
 * Describes whatever was thrown. Reading a hostile value may throw or spin: the first is caught, the second is
 * the run's CPU time.
 */
export function describeFailure(thrown: unknown): GuestFailure {
  try {
    if (!(thrown instanceof Error))
      return failure("TASK_THREW", "Error", `threw ${text(thrown)}, which is not an Error`, "", []);
    const known = thrown instanceof WritError;
    const name = text(thrown.name);
    const stack = causes(thrown);
    return failure(
      known ? thrown.code : "TASK_THREW",
      name,
      text(thrown.message),
      stack,
      known ? thrown.hints : [],
    );
  } catch {
    return failure("TASK_THREW", "Error", "threw a value that can not be described", "", []);
  }
}

export function failure(
  code: string,
  name: string,
  message: string,
  stack: string,
  hints: readonly string[],
): GuestFailure {
  return {
    code: text(code).slice(0, MAX_CODE),
    name: cut(name, MAX_NAME),
    message: cut(message, MAX_MESSAGE),
    stack: cut(stack, MAX_STACK),
    hints: hints.slice(0, MAX_HINTS).map((hint) => cut(text(hint), MAX_HINT)),
  };
}

/** The stack, then those of its causes and aggregated errors. */
function causes(error: Error): string {
  let described = stackOf(error);
  let cause: unknown = error.cause;
  for (let depth = 0; cause !== undefined && depth < MAX_CAUSES; depth++) {
    described += `\nCaused by: ${stackOf(cause)}`;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  if (error instanceof AggregateError) {
    for (const inner of error.errors.slice(0, MAX_CAUSES)) described += `\nOne of: ${stackOf(inner)}`;
  }
  return described;
}

function stackOf(value: unknown): string {
  if (!(value instanceof Error)) return text(value);
  const { stack } = value;
  return typeof stack === "string" && stack !== "" ? stack : `${text(value.name)}: ${text(value.message)}`;
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

function cut(value: string, max: number): string {
  return value.length <= max ? value : `${value.slice(0, max)}…`;
}
