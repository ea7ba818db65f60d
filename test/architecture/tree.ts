/** The project's own files, as the architecture tests see them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** What is made, brought or throw-away; nothing of it is ours to judge. */
const FOREIGN = new Set(["node_modules", "dist", ".git", ".writ", "coverage", "fixtures", "peers"]);

export interface SourceFile {
  /** Relative to the project, `/`-separated. */
  readonly path: string;
  readonly text: string;
}

/** Every file of ours whose name ends with one of `endings`, sorted by path. */
export function sourceFiles(...endings: readonly string[]): SourceFile[] {
  return walk("")
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .toSorted()
    .map((path) => ({ path: path.replaceAll(sep, "/"), text: readFileSync(join(ROOT, path), "utf8") }));
}

function walk(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}
