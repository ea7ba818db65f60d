/**
 * Who executes runs: each such process holds an exclusive lock on a file of its own below `owners/`. The kernel
 * frees it whatever the process dies of, so a lock that can be taken means an owner that is dead.
 */
import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import Sqlite from "better-sqlite3";
import type { Clock } from "../base/clock.ts";
import { isOwnerId, newOwnerId } from "../base/id.ts";
import { hasCode, prepareFile, prepareFolder } from "./data-dir.ts";
import { explainFailure, isBusy, unavailable } from "./failure.ts";
import type { RunStore } from "./runs.ts";

const FOLDER = "owners";
const SUFFIX = ".lock";
/** A file on its way to be an owner's, which recovery does not look at. */
const NEW_SUFFIX = ".new";

/** Keeps the connections from the garbage collector, which would close them and so free the locks. */
const held = new Set<Sqlite.Database>();

/** Alive for as long as it is not disposed of and its process lives. */
export interface Owner extends Disposable {
  readonly id: string;
}

/** Becomes an owner in this data folder, which must exist. Dispose of it after the last run has ended. */
export function acquireOwner(dataDir: string, clock: Clock): Owner {
  const folder = join(resolve(dataDir), FOLDER);
  prepareFolder(folder);
  const id = newOwnerId(clock.now());
  const path = join(folder, id + SUFFIX);
  const newPath = join(folder, id + NEW_SUFFIX);
  prepareFile(newPath);
  const lock = tryLock(newPath);
  if (lock === undefined) throw unavailable(newPath, "somebody else took it", "check who else writes there");
  try {
    // It has its name only once it is locked: a recovering process never meets it unlocked and alive.
    renameSync(newPath, path);
  } catch (error) {
    lock.close();
    throw explainFailure(error, newPath);
  }
  held.add(lock);
  return { id, [Symbol.dispose]: () => release(path, lock) };
}

/**
 * Ends as `crashed` every run whose owner is dead, and forgets that owner. Safe beside other processes that do
 * the same: each run is ended once, by one of them. The ids of the runs this call ended.
 */
export async function recover(dataDir: string, runs: RunStore, clock: Clock): Promise<readonly string[]> {
  const folder = join(resolve(dataDir), FOLDER);
  const ended: string[] = [];
  // The rows are read first: an owner makes its file before its first row, so one without a file is dead.
  for (const id of new Set([...(await runs.owners()), ...ownersIn(folder)])) {
    const path = join(folder, id + SUFFIX);
    const there = isOwnerId(id) && statSync(path, { throwIfNoEntry: false }) !== undefined;
    if (!there) {
      ended.push(...(await runs.endAbandoned(id, clock.now())));
      continue;
    }
    const lock = tryLock(path);
    if (lock === undefined) continue;
    try {
      ended.push(...(await runs.endAbandoned(id, clock.now())));
    } catch (error) {
      lock.close();
      throw error;
    }
    release(path, lock);
  }
  return ended;
}

function ownersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .filter(isOwnerId);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw explainFailure(error, folder);
  }
}

/** Holds the lock while the connection is open; undefined = somebody else has it, or removed the file. */
function tryLock(path: string): Sqlite.Database | undefined {
  let lock: Sqlite.Database | undefined;
  try {
    lock = new Sqlite(path, { fileMustExist: true, timeout: 0 });
    lock.pragma("journal_mode = MEMORY");
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (isBusy(error)) return undefined;
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    throw explainFailure(error, path);
  }
}

/** Removes the file while it is still locked, so nobody can lock it in between and take it for a dead owner's. */
function release(path: string, lock: Sqlite.Database): void {
  if (!lock.open) return;
  rmSync(path, { force: true });
  lock.close();
  held.delete(lock);
}
