/** Reads a small regular file whose name came from a task's author, judging where it really lies. */
import type { Stats } from "node:fs";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { lstat, open, readlink, realpath } from "node:fs/promises";
import { AppError } from "../base/error.ts";

export interface SafeRead {
  readonly maxBytes: number;
  /** Throws when the file must not be read; called with the real path, and again with what was really opened. */
  readonly judge: (realPath: string, identity: Stats) => void;
}

/**
 * The whole content, in memory that nothing else shares; undefined = there is no such file. Never waits for a
 * FIFO's writer and never opens a device.
 *
 * Throws what `judge` throws, `SECRETS_ACCESS_DENIED` for anything but a regular file, `SECRETS_TOO_LARGE`, and the
 * system's own error otherwise. `shown` is what messages call the file.
 */
export async function readSmallFile(
  path: string,
  shown: string,
  read: SafeRead,
): Promise<Buffer | undefined> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  const before = await lstat(real);
  read.judge(real, before);
  requireRegular(before, shown);

  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(real, flags);
  try {
    const opened = await file.stat();
    // A folder on the way may have become a symlink since `realpath`: judge the descriptor, not the name.
    read.judge(await pathOf(file.fd, real), opened);
    requireRegular(opened, shown);
    if (opened.dev !== before.dev || opened.ino !== before.ino) {
      throw new AppError(
        "SECRETS_ACCESS_DENIED",
        `${shown} was replaced while it was read; it must stay still`,
      );
    }
    return await readAll(file, read.maxBytes, shown);
  } finally {
    await file.close();
  }
}

async function readAll(file: FileHandle, maxBytes: number, shown: string): Promise<Buffer> {
  const scratch = Buffer.alloc(maxBytes + 1);
  try {
    let length = 0;
    while (length < scratch.length) {
      const { bytesRead } = await file.read(scratch, length, scratch.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) {
      throw new AppError(
        "SECRETS_TOO_LARGE",
        `${shown} is larger than ${maxBytes} bytes; it must fit in them`,
      );
    }
    const content = Buffer.alloc(length);
    scratch.copy(content, 0, 0, length);
    return content;
  } finally {
    scratch.fill(0);
  }
}

function requireRegular(stats: Stats, shown: string): void {
  if (stats.isFile()) return;
  throw new AppError("SECRETS_ACCESS_DENIED", `${shown} is not a regular file; it must be one`);
}

/** The path of an open descriptor where the kernel tells it, else `real` looked up once more. */
async function pathOf(descriptor: number, real: string): Promise<string> {
  return process.platform === "linux" ? await readlink(`/proc/self/fd/${descriptor}`) : await realpath(real);
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
