/** Master keys in files: who may have touched them, what they hold, and how ours is made. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { AppError } from "../../base/error.ts";
import { hasCode } from "../data-dir.ts";
import { quotePath } from "../failure.ts";
import { decodeKey, encodeKey } from "./key-text.ts";

const FILE_MAX_BYTES = 1024;
const TMPFS = 0x01021994;
const RAMFS = 0x858458f6;

/** `own`: we made it, so it must look as we made it. `named`: an operator's file, often a read-only mount. */
export type KeyFileKind = "own" | "named";

/** The key's 32 bytes, which the caller wipes; undefined when there is no such file. */
export function readKeyFile(path: string, kind: KeyFileKind, uid: number | undefined): Buffer | undefined {
  let fd: number;
  try {
    // Without O_NONBLOCK a FIFO in the file's place would hang the process.
    const links = kind === "own" ? constants.O_NOFOLLOW : 0;
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | links);
  } catch (cause) {
    if (hasCode(cause, "ENOENT") || hasCode(cause, "ENOTDIR")) return undefined;
    if (kind === "own" && hasCode(cause, "ELOOP"))
      throw insecure(path, "it is a symbolic link", "a regular file");
    throw new AppError("SECRETS_KEY_MISSING", `could not read the master key file ${quotePath(path)}`, {
      cause,
      hints: ["give the user that runs writ read access to it, and to it alone"],
    });
  }
  const text = Buffer.alloc(FILE_MAX_BYTES + 1);
  try {
    checkAccess(path, fd, kind, uid);
    let length = 0;
    for (let read = 1; read > 0 && length < text.length; length += read) {
      read = readSync(fd, text, length, text.length - length, null);
    }
    if (length > FILE_MAX_BYTES) {
      throw new AppError(
        "SECRETS_KEY_INVALID",
        `the master key file ${quotePath(path)} has more than ${FILE_MAX_BYTES} bytes`,
      );
    }
    return decodeKey(text.toString("latin1", 0, length), `the file ${quotePath(path)}`);
  } finally {
    text.fill(0);
    closeSync(fd);
  }
}

function checkAccess(path: string, fd: number, kind: KeyFileKind, uid: number | undefined): void {
  const found = fstatSync(fd);
  if (!found.isFile()) throw insecure(path, "it is something else", "a regular file");
  if (process.platform === "win32") return;
  const mode = (found.mode & 0o777).toString(8).padStart(3, "0");
  if (kind === "named") {
    if ((found.mode & 0o022) !== 0) {
      throw insecure(path, `its mode is ${mode}`, "not writable by group or world", `chmod go-w`);
    }
    return;
  }
  if (found.uid !== uid) throw insecure(path, `it belongs to user ${found.uid}`, `owned by user ${uid}`);
  if ((found.mode & 0o077) !== 0) {
    throw insecure(path, `its mode is ${mode}`, "closed to group and world", "chmod 600");
  }
}

function insecure(path: string, state: string, desired: string, mend?: string): AppError {
  return new AppError(
    "SECRETS_PERMISSIONS_INSECURE",
    `refused the master key file ${quotePath(path)}: ${state}, it must be ${desired}`,
    {
      hints: mend === undefined ? [] : [`run \`${mend} ${quotePath(path)}\` if nobody else has seen the key`],
    },
  );
}

/**
 * Why a generated key must not be put in `folder`; undefined when it may. Nothing is created.
 * A key beside the data would be in every backup of it; a key on a memory disk is gone before the data is.
 */
export function whyNotKeyFolder(
  folder: string,
  dataDir: string,
  projectDir: string | undefined,
): string | undefined {
  const real = realFuturePath(folder);
  for (const [name, path] of [
    ["data folder", dataDir],
    ["project", projectDir],
  ] as const) {
    if (path !== undefined && isInside(real, realFuturePath(path))) {
      return `the key folder ${quotePath(folder)} lies inside the ${name}`;
    }
  }
  const ground = nearestExisting(real);
  const kind = statfsSync(ground).type;
  const volatile = kind === TMPFS || kind === RAMFS;
  if (volatile && statSync(ground).dev !== statSync(nearestExisting(realFuturePath(dataDir))).dev) {
    return `the key folder ${quotePath(folder)} is in memory and does not outlive the machine's run`;
  }
  return undefined;
}

/** Writes a new key file and makes sure that it is on the disk. Never touches a file that exists. */
export function writeKeyFile(path: string, key: Buffer): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  const text = Buffer.from(`${encodeKey(key)}\n`, "latin1");
  try {
    for (let done = 0; done < text.length;) done += writeSync(fd, text, done);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    text.fill(0);
    closeSync(fd);
  }
  // mkdir may have made any of the three; an entry is only safe when its folder is.
  for (const each of [folder, dirname(folder), dirname(dirname(folder))]) syncFolder(each);
}

/** Forces a folder's entries to the disk, where the system knows how. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** `path` with every link resolved, as far as it exists. */
function realFuturePath(path: string): string {
  const absolute = resolve(path);
  const ground = nearestExisting(absolute);
  return join(realpathSync(ground), absolute.slice(ground.length));
}

function nearestExisting(path: string): string {
  let ground = path;
  while (basename(ground) !== "" && statSync(ground, { throwIfNoEntry: false }) === undefined) {
    ground = dirname(ground);
  }
  return ground;
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
