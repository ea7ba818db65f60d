/** The data folder and the files in it: closed to everybody but their owner from the first instant. */
import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, statSync } from "node:fs";
import { explainFailure, quotePath, unavailable } from "./failure.ts";

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

/**
 * Makes the folder with mode 0700 if it is not there; its parent must be. An existing folder keeps its mode, and
 * is refused where group or world could put other files in place of ours.
 */
export function prepareFolder(path: string): void {
  try {
    mkdirSync(path, { mode: FOLDER_MODE });
    chmodSync(path, FOLDER_MODE);
    return;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw explainFailure(error, path);
  }
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true) {
    throw unavailable(
      path,
      "it is a file or a broken link; it must be a folder",
      "change `data_dir` in writ.yaml",
    );
  }
  if (process.platform !== "win32" && (found.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unavailable(
      path,
      "others may write to this folder; only its owner may",
      `run \`chmod 700 ${quotePath(path)}\``,
    );
  }
}

/**
 * Makes an empty file with mode 0600, or closes an existing one to group and world. Never opens a file that
 * exists: closing any descriptor of it would drop the locks this process holds through SQLite.
 * Returns whether the file is new.
 */
export function prepareFile(path: string): boolean {
  try {
    const fd = openSync(path, "wx", FILE_MODE);
    try {
      fchmodSync(fd, FILE_MODE);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw explainFailure(error, path);
  }
  const found = statSync(path);
  if (found.isFile() && (found.mode & OPEN_TO_OTHERS) !== 0 && found.uid === process.getuid?.()) {
    chmodSync(path, FILE_MODE);
  }
  return false;
}

/** Whether a thrown value is a system error with this code. */
export function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}
