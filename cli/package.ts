/** Files of writ's own package: in the same places from source and from a build in `dist/`. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

function nearest(folder: string): string {
  const found = existsSync(join(folder, "package.json"));
  return found || dirname(folder) === folder ? folder : nearest(dirname(folder));
}

/** The text of a file of the package, by its path in it. */
export async function packageFile(path: string): Promise<string> {
  return await readFile(join(nearest(import.meta.dirname), path), "utf8");
}

export async function packageVersion(): Promise<string> {
  const described: unknown = JSON.parse(await packageFile("package.json"));
  const known = typeof described === "object" && described !== null && "version" in described;
  return known ? String(described.version) : "unknown";
}
