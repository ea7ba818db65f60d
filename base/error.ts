/** The error table: every code a user can meet, who is to blame, and how HTTP and the shell report it. */

/** Who has to change something: the task's author, whoever runs writ, or writ itself. */
export type Blame = "author" | "operator" | "system";

interface ErrorKind {
  readonly blame: Blame;
  /** HTTP status of an API answer. */
  readonly status: number;
  /** Exit code of the command line (`docs/cli.md` lists them). */
  readonly exit: number;
}

const kind = (blame: Blame, status: number, exit: number): ErrorKind => ({ blame, status, exit });

/** Each code has a page `docs/errors/<CODE>.md`; a test holds table and pages together. */
export const ERROR_CODES = {
  // Manifest
  MANIFEST_NOT_FOUND: kind("author", 404, 4),
  MANIFEST_EMPTY: kind("author", 422, 3),
  MANIFEST_ENCODING: kind("author", 422, 3),
  MANIFEST_TOO_LARGE: kind("author", 422, 3),
  MANIFEST_SYNTAX: kind("author", 422, 3),
  MANIFEST_DUPLICATE_KEY: kind("author", 422, 3),
  MANIFEST_ALIASES: kind("author", 422, 3),
  MANIFEST_UNKNOWN_KEY: kind("author", 422, 3),
  MANIFEST_TYPE: kind("author", 422, 3),
  MANIFEST_VALUE: kind("author", 422, 3),
  MANIFEST_MISSING_KEY: kind("author", 422, 3),
  MANIFEST_CONFLICT: kind("author", 422, 3),
  MANIFEST_LIMIT: kind("author", 422, 3),
  MANIFEST_CRON: kind("author", 422, 3),
  MANIFEST_NET: kind("author", 422, 3),
  MANIFEST_ENTRY: kind("author", 422, 3),
  MANIFEST_NOT_ACTING: kind("author", 422, 3),
  MANIFEST_CREDENTIAL_VALUE: kind("author", 422, 3),
  TASK_ID_INVALID: kind("author", 422, 3),
  TASK_NOT_FOUND: kind("author", 404, 4),
  PARAM_INVALID: kind("author", 422, 2),

  // Code
  BUNDLE_FAILED: kind("author", 422, 3),
  BUNDLE_IMPORT_DENIED: kind("author", 422, 3),
  BUNDLE_LIMIT: kind("author", 422, 3),

  // Runs
  TASK_THREW: kind("author", 200, 1),
  TASK_NOT_A_FUNCTION: kind("author", 200, 1),
  TASK_STALLED: kind("author", 200, 1),
  OUTPUT_INVALID: kind("author", 200, 1),
  OUTPUT_TOO_LARGE: kind("author", 200, 1),
  PERMISSION_DENIED: kind("author", 403, 1),
  NOT_YET: kind("author", 501, 1),
  OP_INVALID: kind("author", 422, 1),
  LIMIT_TIMEOUT: kind("author", 200, 124),
  LIMIT_CPU: kind("author", 200, 124),
  LIMIT_MEMORY: kind("author", 200, 1),
  LIMIT_OPS: kind("author", 200, 1),
  LIMIT_LOG: kind("author", 200, 1),
  KV_LIMIT: kind("author", 422, 1),
  WORKER_DIED: kind("system", 200, 1),
  WORKER_PROTOCOL: kind("system", 200, 1),
  WORKER_START: kind("operator", 503, 1),
  RUN_CANCELLED: kind("operator", 200, 130),
  RUN_ABANDONED: kind("operator", 200, 1),

  // Secrets (design names; Loom's five first)
  SECRETS_REF_INVALID: kind("author", 422, 3),
  SECRETS_PROVIDER_UNAVAILABLE: kind("operator", 503, 3),
  SECRETS_REF_NOT_FOUND: kind("operator", 422, 3),
  SECRETS_REQUIRED_MISSING: kind("operator", 422, 3),
  SECRETS_REF_AMBIGUOUS: kind("author", 422, 3),
  SECRETS_DISABLED: kind("operator", 422, 3),
  SECRETS_UNSAFE_DEBUG_TRACE: kind("operator", 422, 3),
  SECRETS_ACCESS_DENIED: kind("author", 403, 3),
  SECRETS_PERSIST_DENIED: kind("author", 403, 1),
  SECRETS_CONFLICT: kind("author", 409, 1),
  SECRETS_NOT_TEXT: kind("author", 422, 3),
  SECRETS_IN_COMMAND: kind("author", 403, 1),
  SECRETS_NAME_CONFLICT: kind("author", 422, 3),
  SECRETS_NAME_INVALID: kind("author", 422, 2),
  SECRETS_SCOPE_INVALID: kind("author", 422, 3),
  SECRETS_CYCLE: kind("operator", 500, 78),
  SECRETS_KEY_MISSING: kind("operator", 503, 3),
  SECRETS_KEY_INVALID: kind("operator", 503, 3),
  SECRETS_DECRYPT_FAILED: kind("operator", 500, 3),
  SECRETS_STORE_CORRUPT: kind("operator", 500, 3),
  SECRETS_PERMISSIONS_INSECURE: kind("operator", 500, 3),
  SECRETS_TOO_LARGE: kind("author", 413, 2),
  SECRETS_UNMASKABLE: kind("author", 422, 2),
  DOTENV_INVALID: kind("author", 422, 3),

  // The installation
  CONFIG_INVALID: kind("operator", 500, 78),
  CONFIG_NOT_FOUND: kind("operator", 500, 78),
  STORE_UNAVAILABLE: kind("operator", 503, 1),
  STORE_TOO_NEW: kind("operator", 500, 1),
  STORE_CORRUPT: kind("operator", 500, 1),
  PLATFORM_UNSUPPORTED: kind("operator", 500, 1),
  USAGE: kind("operator", 400, 2),
  FILE_NOT_FOUND: kind("operator", 404, 4),
  FILE_UNUSABLE: kind("operator", 400, 1),
  INTERNAL: kind("system", 500, 1),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A place in a file a person edits; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface AppErrorOptions {
  readonly cause?: unknown;
  /** What to change, one sentence each; shown below the message. */
  readonly hints?: readonly string[];
  /** Where the mistake stands, when it stands in a file. */
  readonly at?: Position;
}

/**
 * Something that can happen and that somebody can mend. Anything else that is thrown is a defect of writ.
 *
 * The message says what failed, then the present state, then the desired one; it never holds a value of a
 * secret, a header or a body.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly hints: readonly string[];
  readonly at: Position | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hints = options.hints ?? [];
    this.at = options.at;
  }
}

/** Narrows whatever was caught to an AppError; a defect becomes `INTERNAL` with the original as its cause. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const message = thrown instanceof Error ? thrown.message : textOf(thrown);
  return new AppError("INTERNAL", message, { cause: thrown });
}

/** Anything can be thrown, also what has no text. */
function textOf(thrown: unknown): string {
  return typeof thrown === "object" && thrown !== null
    ? "something that is no error was thrown"
    : String(thrown);
}

/** `task.yaml:3:9`, the form every message uses. */
export function formatPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}
