/** Where writ itself is installed: the same folder from source and from a build in `dist/`. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

function nearest(folder: string): string {
  const path = join(folder, "package.json");
  return existsSync(path) || dirname(folder) === folder ? path : nearest(dirname(folder));
}

export const PACKAGE_JSON = nearest(import.meta.dirname);
export const PACKAGE_ROOT = dirname(PACKAGE_JSON);
