/** Bytes that a command line names: a file, or stdin. */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { AppError } from "../base/error.ts";
import { quote } from "../base/text.ts";

const PATH_MAX_CHARACTERS = 400;

/** The whole file or pipe at `path`, to `maxBytes`; the buffer is the caller's to wipe. */
export async function readNamed(path: string, cwd: string, maxBytes: number): Promise<Buffer> {
  const shown = quote(path, PATH_MAX_CHARACTERS);
  try {
    return await readAll(createReadStream(resolve(cwd, path), { end: maxBytes }), shown, maxBytes);
  } catch (cause) {
    throw unreadable(cause, shown);
  }
}

/** Everything that comes until the end, to `maxBytes`; more is refused, not cut. */
export async function readAll(stream: Readable, shown: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
      chunks.push(bytes);
      length += bytes.length;
      if (length > maxBytes) {
        throw new AppError(
          "FILE_UNUSABLE",
          `${shown} has more than ${maxBytes} bytes, which is the limit here`,
        );
      }
    }
    return Buffer.concat(chunks);
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

/** What a failing file system call means; a defect comes back as it is. `shown` is safe for a message. */
export function unreadable(thrown: unknown, shown: string): unknown {
  if (thrown instanceof AppError || !(thrown instanceof Error) || !("code" in thrown)) return thrown;
  const cause = thrown;
  switch (thrown.code) {
    case "ENOENT":
    case "ENOTDIR":
    case "ENAMETOOLONG":
      return new AppError("FILE_NOT_FOUND", `there is no file ${shown}`, { cause });
    case "EISDIR":
      return new AppError("FILE_UNUSABLE", `${shown} is a folder; it must be a file`, { cause });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new AppError("FILE_UNUSABLE", `this user may not use ${shown}`, { cause });
    case "ENOSPC":
    case "EDQUOT":
      return new AppError("FILE_UNUSABLE", `the disk is full; ${shown} could not be written`, { cause });
    default:
      return thrown;
  }
}
