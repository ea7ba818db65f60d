/** Files as secrets: `file:///run/secrets/x`, below the configured roots and nowhere else. */
import type { Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, normalize } from "node:path";
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import { quote } from "../../base/text.ts";
import { isWithin } from "../hidden.ts";
import type { FoundSecret, ProviderSetting, ResolveOptions, SecretProvider, SecretRef } from "../provider.ts";
import { readSmallFile } from "../safe-file.ts";

const MAX_FILE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export interface FileProviderOptions extends Pick<ProviderSetting, "name"> {
  /** Folders whose files may be read, judged on the real path. Empty = none. */
  readonly roots: readonly string[];
  /** Files and folders that may not, even below a root (`hiddenPaths()`). */
  readonly hidden: readonly string[];
}

/** A place as it really is now: mounts appear and links move, so nothing here is remembered between look-ups. */
interface Place {
  readonly path: string;
  readonly stats: Stats;
}

export class FileProvider implements SecretProvider {
  readonly name: string;
  readonly scheme = "file";
  readonly chained = false;
  readonly #options: FileProviderOptions;

  constructor(options: FileProviderOptions) {
    this.#options = options;
    this.name = options.name ?? "file";
  }

  async resolve(
    refs: readonly SecretRef[],
    options: ResolveOptions,
  ): Promise<ReadonlyMap<number, FoundSecret | Error>> {
    const roots = await places(this.#options.roots);
    const hidden = await places(this.#options.hidden);
    const answers = new Map<number, FoundSecret | Error>();
    for (const ref of refs) {
      options.signal.throwIfAborted();
      try {
        const value = await this.#read(ref, roots, hidden);
        if (value !== undefined) answers.set(ref.id, { value, version: undefined });
      } catch (error) {
        answers.set(ref.id, error instanceof AppError ? error : unreadable(ref.key, error));
      }
    }
    return answers;
  }

  async #read(
    ref: SecretRef,
    roots: readonly Place[],
    hidden: readonly Place[],
  ): Promise<Secret | undefined> {
    const path = normalize(ref.key);
    if (this.#options.hidden.some((place) => isWithin(path, place))) throw hiddenFile(ref.key);

    const bytes = await readSmallFile(path, `file ${quote(ref.key)}`, {
      maxBytes: MAX_FILE_BYTES,
      judge: (real, stats) => {
        // By inode as well: a hard link to the key file is the key file.
        const own = hidden.some((place) => isWithin(real, place.path) || isSame(stats, place.stats));
        if (own || this.#options.hidden.some((place) => isWithin(real, place))) throw hiddenFile(ref.key);
        if (!roots.some((root) => isWithin(real, root.path))) throw outside(ref.key);
      },
    });
    if (bytes === undefined) {
      // Outside the roots "missing" and "there" sound alike, or the answer would map the host's files.
      const near = [...this.#options.roots, ...roots.map((root) => root.path)];
      if (!near.some((root) => isWithin(path, root))) throw outside(ref.key);
      return undefined;
    }
    const value = ref.options["trim"] === "newline" ? withoutNewline(bytes) : bytes;
    return value.length === 0 ? undefined : new Secret(ref.key, value);
  }

  validate(ref: Pick<SecretRef, "key" | "options">): string | undefined {
    for (const [option, value] of Object.entries(ref.options)) {
      if (option !== "trim" || value !== "newline") return "a file's only option is trim=newline";
    }
    if (!isAbsolute(ref.key)) return "it must be an absolute path, as in file:///run/secrets/api_key";
    if (ref.key.includes("\0") || ref.key.split("/").includes("..")) return 'a path holds no NUL and no ".."';
    return undefined;
  }
}

/** Those of `paths` that exist, under their real path. */
async function places(paths: readonly string[]): Promise<readonly Place[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      try {
        return { path: await realpath(path), stats: await stat(path) };
      } catch {
        return undefined;
      }
    }),
  );
  return found.filter((place) => place !== undefined);
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Without one final `\n` or `\r\n`; the bytes dropped are no secret, the buffer stays the same. */
function withoutNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) return bytes;
  return bytes.subarray(0, bytes.at(-2) === RETURN ? -2 : -1);
}

function hiddenFile(path: string): AppError {
  return new AppError("SECRETS_ACCESS_DENIED", `file ${quote(path)} is hidden from tasks`, {
    hints: ["writ's own keys, data and tasks, and the kernel's folders, can not be secrets of a task"],
  });
}

function outside(path: string): AppError {
  return new AppError(
    "SECRETS_ACCESS_DENIED",
    `file ${quote(path)} lies below none of the roots of the file provider; it must really lie below one`,
    { hints: ["add its folder to the file provider's roots in writ.yaml"] },
  );
}

/** The system's code and nothing more: its message repeats paths behind links. */
function unreadable(path: string, error: unknown): AppError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return new AppError(
    "SECRETS_PROVIDER_UNAVAILABLE",
    `file ${quote(path)} can not be read: ${code}; it must be readable by the daemon`,
  );
}
