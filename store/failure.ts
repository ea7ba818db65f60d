/** What a failing file or database means to the person who runs writ. */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "better-sqlite3";
import { AppError } from "../base/error.ts";
import { quote } from "../base/text.ts";

const PATH_MAX_CHARACTERS = 400;

/** A path inside a message. */
export function quotePath(path: string): string {
  return quote(path, PATH_MAX_CHARACTERS);
}

/** Somebody else holds the lock just now: the same call may succeed a moment later. */
export function isBusy(thrown: unknown): boolean {
  return thrown instanceof Sqlite.SqliteError && /^SQLITE_(BUSY|LOCKED)(_|$)/.test(thrown.code);
}

/** The file at `path` is no store, or is one that was damaged. */
export function corrupt(path: string, detail: string, cause?: unknown): AppError {
  return new AppError("STORE_CORRUPT", `could not read ${quotePath(path)}: ${detail}`, {
    cause,
    hints: [
      "stop writ, keep a copy of the file with its -wal and -shm neighbours, and restore the last backup",
    ],
  });
}

export function unavailable(path: string, state: string, hint: string, cause?: unknown): AppError {
  return new AppError("STORE_UNAVAILABLE", `could not use ${quotePath(path)}: ${state}`, {
    cause,
    hints: [hint],
  });
}

export function movedAway(path: string, cause?: unknown): AppError {
  return unavailable(
    path,
    "the file was moved or removed while in use",
    "put it back, or restart writ",
    cause,
  );
}

/** Turns what SQLite or the file system threw into an AppError; a defect (a broken constraint, say) comes back as it is. */
export function explainFailure(thrown: unknown, path: string): unknown {
  if (thrown instanceof AppError || !(thrown instanceof Error)) return thrown;
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
  if (isBusy(thrown)) {
    return unavailable(
      path,
      "another process kept it locked for too long; it must be free within seconds",
      "find the process that holds the file (`fuser` lists it) and let it end",
      thrown,
    );
  }
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(code))
    return corrupt(path, "it is damaged or no database", thrown);
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT") {
    return unavailable(
      path,
      "the disk is full; nothing was changed",
      "free some space, or move `data_dir` to a larger disk",
      thrown,
    );
  }
  if (code === "SQLITE_READONLY_DBMOVED") {
    return movedAway(path, thrown);
  }
  if (
    /^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code) ||
    /^E(ACCES|PERM|ROFS|NOENT|NOTDIR|ISDIR)$/.test(code) ||
    isFolder(path)
  ) {
    return unavailable(path, ...unusable(path), thrown);
  }
  if (code.startsWith("SQLITE_IOERR") || code === "EIO") {
    return unavailable(
      path,
      `the disk answered with an error (${code})`,
      "check the disk and the system's log; the store needs a local file system",
      thrown,
    );
  }
  return thrown;
}

/** Looks at folder and file to tell why they can not be opened or written: state, then what to do. */
function unusable(path: string): [state: string, hint: string] {
  const folder = dirname(path);
  const kind = statSync(folder, { throwIfNoEntry: false });
  if (kind === undefined) {
    return [
      `the folder ${quotePath(folder)} does not exist`,
      `create it, or change \`data_dir\` in writ.yaml`,
    ];
  }
  if (!kind.isDirectory()) {
    return [`${quotePath(folder)} is a file; it must be a folder`, "change `data_dir` in writ.yaml"];
  }
  if (isFolder(path)) {
    return ["it is a folder; it must be a file", "move the folder away"];
  }
  for (const each of [folder, path]) {
    try {
      accessSync(each, constants.R_OK | constants.W_OK);
    } catch {
      return [
        `${quotePath(each)} is not readable and writable by this user`,
        "give this user write access, run writ as the user who owns it, or change `data_dir` in writ.yaml",
      ];
    }
  }
  return ["it can not be opened or written", "check the access rights and the mount of its folder"];
}

/** What may not be looked at is no folder as far as anybody can tell. */
function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}
