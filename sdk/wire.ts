/** What guest and daemon agree on for every op: levels, failures, limits. */

export type LogLevel = "debug" | "info" | "warn" | "error";

/** How an op failed, as the guest will see it. */
export interface OpError {
  readonly code: string;
  readonly message: string;
  readonly hints: readonly string[];
}

/** How the task's code failed, as the guest tells it. */
export interface GuestFailure {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly hints: readonly string[];
}

/** Arguments or answer of one op, as JSON. */
export const MAX_OP_BYTES = 1024 * 1024;
