/** Finds tasks below the tasks roots and loads them: the manifest parsed, the script located. */
import { constants } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { AppError, type Position } from "../base/error.ts";
import { sha256 } from "../base/hash.ts";
import { didYouMean, quote } from "../base/text.ts";
import { loadManifest, type ProjectRules } from "../manifest/load.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { renderProblem, type Problem } from "../manifest/problem.ts";
import { idFromFolder, taskIdProblem } from "../manifest/task-id.ts";
import { MAX_YAML_BYTES } from "../manifest/yaml.ts";

const MANIFEST_FILE = "task.yaml";
const ENTRY_FILES = ["task.ts", "task.mts", "task.js", "task.mjs"];
/** Folders below a tasks root; deeper ones are not looked at. */
const MAX_DEPTH = 16;

export interface TaskPlace {
  readonly id: string;
  /** Real path of the task's folder. */
  readonly dir: string;
}

export interface LoadedTask extends TaskPlace {
  readonly manifest: Manifest;
  /** Real name of the script in the folder. */
  readonly entry: string;
  /** SHA-256 of the manifest's bytes, hex. */
  readonly manifestHash: string;
  /** Warnings, and what is declared but does not act yet. */
  readonly notes: readonly Problem[];
}

export interface TaskRoots {
  /** Absolute; tasks are the folders below them that hold a manifest. */
  readonly roots: readonly string[];
  /** File names in messages are relative to it. */
  readonly projectRoot: string;
  readonly rules: ProjectRules;
}

/** A manifest that can not be used; `problems` has all of it, the error itself the first. */
class ManifestError extends AppError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const [first, ...others] = errors.length > 0 ? errors : problems;
    if (first === undefined) throw new Error("a manifest without problems is no error");
    const message = first.fix === "" ? first.message : `${first.message}; ${first.fix}`;
    super(first.code, message, { at: first.at, hints: others.map(renderProblem) });
    this.problems = problems;
  }
}

export class Tasks {
  readonly #options: TaskRoots;

  constructor(options: TaskRoots) {
    this.#options = options;
  }

  /** Every folder with a manifest, by id. An id that is not allowed is still listed: loading it says why. */
  async list(): Promise<readonly TaskPlace[]> {
    const found: TaskPlace[] = [];
    for (const root of this.#options.roots) {
      const real = await realpath(root).catch(() => undefined);
      if (real !== undefined) await walk(real, real, 0, found);
    }
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** By id, or by a folder below a tasks root. Throws `TASK_NOT_FOUND`. */
  async find(idOrFolder: string, cwd: string): Promise<TaskPlace> {
    const candidates = [
      ...this.#options.roots.map((root) => join(root, idOrFolder)),
      resolve(cwd, idOrFolder),
    ];
    // A NUL or an over-long name is not found, like any other wrong name.
    for (const candidate of idOrFolder.includes("\0") ? [] : candidates) {
      const dir = await realpath(candidate).catch(() => undefined);
      if (dir === undefined || !(await isFile(join(dir, MANIFEST_FILE)))) continue;
      for (const root of this.#options.roots) {
        const id = await idBelow(root, dir);
        if (id !== undefined) return { id, dir };
      }
    }
    const ids = (await this.list()).map(({ id }) => id);
    const near = didYouMean(idOrFolder, ids);
    const hints =
      near === undefined
        ? [`tasks are the folders with a ${MANIFEST_FILE} below ${this.#shownRoots()}`]
        : [`did you mean ${quote(near)}?`];
    throw new AppError("TASK_NOT_FOUND", `there is no task ${quote(idOrFolder)}`, { hints });
  }

  /** Throws ManifestError for a manifest with errors, `TASK_ID_INVALID` for a folder that can not be one. */
  async load(place: TaskPlace): Promise<LoadedTask> {
    const file = this.nameOf(join(place.dir, MANIFEST_FILE));
    const bad = taskIdProblem(place.id);
    if (bad !== undefined) {
      throw new AppError("TASK_ID_INVALID", `the task id ${quote(place.id)} ${bad}`, {
        at: { file, line: 1, column: 1 },
      });
    }
    await this.#refuseTwin(place, file);
    const at = { file, line: 1, column: 1 };
    const text = await readManifest(place.dir, at).catch((cause: unknown) => {
      if (cause instanceof AppError) throw cause;
      throw new AppError("FILE_UNUSABLE", "the manifest can not be read by this user", { at, cause });
    });
    const loaded = loadManifest(text, file, { id: place.id, project: this.#options.rules });
    if (!loaded.ok) throw new ManifestError(loaded.problems);
    return {
      ...place,
      manifest: loaded.manifest,
      entry: await entryOf(place, loaded.manifest, file),
      manifestHash: Buffer.from(sha256(text)).toString("hex"),
      notes: [...loaded.warnings, ...loaded.notActing],
    };
  }

  /** Everything that is wrong with a task, and what of it does not act yet. Nothing is run, no provider is asked. */
  async check(place: TaskPlace): Promise<readonly Problem[]> {
    try {
      return (await this.load(place)).notes;
    } catch (error) {
      if (error instanceof ManifestError) return error.problems;
      if (!(error instanceof AppError) || error.at === undefined) throw error;
      const { code, message, hints, at } = error;
      return [{ code, message, fix: hints.join("; "), at, severity: "error" }];
    }
  }

  manifestName({ dir }: TaskPlace): string {
    return this.nameOf(join(dir, MANIFEST_FILE));
  }

  /** How a file is called in messages. */
  nameOf(path: string): string {
    const name = relative(this.#options.projectRoot, path);
    return name.startsWith("..") ? path : name;
  }

  /** An id is the name of the task's kv and of its records: two tasks must not have the same. */
  async #refuseTwin({ id, dir }: TaskPlace, file: string): Promise<void> {
    for (const root of this.#options.roots) {
      const other = await realpath(join(root, id)).catch(() => undefined);
      if (other === undefined || other === dir || !(await isFile(join(other, MANIFEST_FILE)))) continue;
      throw new AppError(
        "TASK_ID_INVALID",
        `the task id ${quote(id)} is also that of ${quote(this.nameOf(other), 200)}; it must be that of one task`,
        { at: { file, line: 1, column: 1 }, hints: ["rename one of the two folders"] },
      );
    }
  }

  #shownRoots(): string {
    return this.#options.roots.map((root) => quote(this.nameOf(root) || ".")).join(", ");
  }
}

async function walk(root: string, dir: string, depth: number, found: TaskPlace[]): Promise<void> {
  // A link to a folder is not followed: its tasks would have two ids.
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const manifest = entries.find((entry) => entry.name === MANIFEST_FILE);
  if (dir !== root && (manifest?.isFile() === true || manifest?.isSymbolicLink() === true)) {
    // Not checked yet: one folder with a wrong name is no reason not to list the others.
    found.push({ id: relative(root, dir).replaceAll(sep, "/"), dir });
  }
  if (depth === MAX_DEPTH) return;
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.startsWith(".") || entry.name === "node_modules") continue;
    await walk(root, join(dir, entry.name), depth + 1, found);
  }
}

async function idBelow(root: string, dir: string): Promise<string | undefined> {
  const real = await realpath(root).catch(() => undefined);
  return real !== undefined && dir.startsWith(real + sep) ? idFromFolder(real, dir) : undefined;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

/**
 * At most one byte over the limit: the parser then says that it is too large. Whoever may write to the folder decides
 * what the task may do, and nobody else; a link within the folder is as good as a file.
 */
async function readManifest(dir: string, at: Position): Promise<Buffer> {
  const path = await realpath(join(dir, MANIFEST_FILE));
  if (!path.startsWith(dir + sep)) {
    const state = "the manifest is a link that leads out of the task's folder; it must lie in it";
    throw new AppError("FILE_UNUSABLE", state, { at });
  }
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(MAX_YAML_BYTES + 1);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  return buffer.subarray(0, bytesRead);
}

async function entryOf(place: TaskPlace, manifest: Manifest, file: string): Promise<string> {
  for (const name of manifest.entry === undefined ? ENTRY_FILES : [manifest.entry]) {
    if (await isFile(join(place.dir, name))) return name;
  }
  const missing =
    manifest.entry === undefined
      ? `none of ${ENTRY_FILES.join(", ")} exists`
      : `${quote(manifest.entry)} does not exist`;
  throw new AppError("MANIFEST_ENTRY", `the task has no script: ${missing} in ${quote(dirname(file))}`, {
    at: { file, line: 1, column: 1 },
  });
}
