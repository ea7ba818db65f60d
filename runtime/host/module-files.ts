/** Which files an import may reach, and how they are opened: by real path, without following anything swapped in. */
import { constants } from "node:fs";
import { open, readlink, realpath, stat } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { AppError } from "../../base/error.ts";
import { quote } from "../../base/text.ts";

/** One source file. */
const MAX_FILE_BYTES = 2 * 1024 * 1024;

export interface ImportScope {
  /** Names in messages and stacks are relative to it. */
  readonly projectRoot: string;
  readonly taskDir: string;
  /** Folders outside the task's that `imports:` in writ.yaml names. */
  readonly imports: readonly string[];
  /** Files and folders that no import may reach: data, keys, dotenv files. */
  readonly forbidden: readonly string[];
}

const LOADERS = {
  ".ts": "ts",
  ".mts": "ts",
  ".js": "js",
  ".mjs": "js",
  ".json": "json",
  ".txt": "text",
  ".md": "text",
  ".html": "text",
  ".sql": "text",
  ".csv": "text",
} as const;

type Loader = (typeof LOADERS)[keyof typeof LOADERS];

const CODE_ENDINGS = [".ts", ".mts", ".js", ".mjs"];

/** The real path an import means. `from` is the importer's real path, undefined for the entry. */
export async function resolveModule(
  specifier: string,
  from: string | undefined,
  scope: ImportScope,
): Promise<string> {
  refuseSpecifier(specifier);
  const base = resolve(from === undefined ? scope.taskDir : dirname(from), specifier);
  for (const candidate of candidates(base)) {
    const real = await regularFile(candidate);
    if (real === undefined) continue;
    await judge(real, specifier, scope);
    return real;
  }
  throw new AppError("BUNDLE_FAILED", `${quote(specifier)} does not exist`, {
    hints: ["imports are relative to the importing file, with or without the ending .ts"],
  });
}

/** Reads a judged file. */
export async function openModule(
  real: string,
  scope: ImportScope,
): Promise<{ text: string; loader: Loader }> {
  const loader = Object.entries(LOADERS).find(([ending]) => ending === extname(real))?.[1];
  if (loader === undefined) {
    throw denied(`${quote(basename(real))} is not a kind of file that can be imported`, [
      `what can be imported ends in ${Object.keys(LOADERS).join(" ")}`,
    ]);
  }
  await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  // What was opened is judged again: a folder above it may have been swapped for a link since.
  if (process.platform === "linux")
    await judge(await readlink(`/proc/self/fd/${file.fd}`), basename(real), scope);
  const stats = await file.stat();
  if (!stats.isFile()) throw denied(`${quote(basename(real))} is not a regular file`, []);
  const { size } = stats;
  if (size > MAX_FILE_BYTES) {
    throw new AppError(
      "BUNDLE_LIMIT",
      `${quote(basename(real))} has ${size} bytes, at most ${MAX_FILE_BYTES} are allowed`,
    );
  }
  return { text: await file.readFile("utf8"), loader };
}

function refuseSpecifier(specifier: string): void {
  if (specifier === "writ") {
    throw denied('"writ" has types only', ['write: import type { Task } from "writ"']);
  }
  if (isBuiltin(specifier)) {
    throw denied(`${quote(specifier)} is a module of Node, which a task does not have`, [
      "a task has the web platform and what its context grants",
    ]);
  }
  if (!/^\.{1,2}\//.test(specifier)) {
    const kind =
      /^[a-z][a-z0-9+.-]*:/i.test(specifier) || specifier.startsWith("/")
        ? "absolute paths and URLs"
        : "packages";
    throw denied(`${quote(specifier)} can not be imported: ${kind} are not bundled`, [
      "import files of the task's own folder: ./name.ts",
    ]);
  }
  if (specifier.includes("\0")) throw denied(`${quote(specifier)} is not a file name`, []);
}

/** The name as it stands, with `.js` meaning `.ts` as TypeScript has it, then with an ending. */
function candidates(base: string): string[] {
  const named = base.endsWith(".js") ? [base, `${base.slice(0, -3)}.ts`] : [base];
  return [...named, ...CODE_ENDINGS.map((ending) => base + ending)];
}

async function regularFile(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    return (await stat(real)).isFile() ? real : undefined;
  } catch {
    return undefined;
  }
}

/** Throws unless the real path lies where this task may import from. */
async function judge(real: string, specifier: string, scope: ImportScope): Promise<void> {
  const roots = await Promise.all([scope.taskDir, ...scope.imports].map((root) => realpath(root)));
  const root = roots.find((folder) => isInside(real, folder));
  if (root === undefined) {
    throw denied(`${quote(specifier)} lies outside the task's folder`, [
      "move the file into the task's folder, or list its folder under imports: in writ.yaml",
    ]);
  }
  const below = relative(root, real).split(sep);
  if (below.some((segment) => segment.startsWith(".")))
    throw denied(`${quote(specifier)} is a hidden file`, []);
  if (/^task\.ya?ml$/i.test(basename(real))) throw denied("a manifest can not be imported", []);
  for (const path of scope.forbidden) {
    const forbidden = await realpath(path).catch(() => path);
    if (isInside(real, forbidden)) throw denied(`${quote(specifier)} can never be imported`, []);
  }
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(join(folder, sep));
}

function denied(message: string, hints: readonly string[]): AppError {
  return new AppError("BUNDLE_IMPORT_DENIED", message, { hints });
}
