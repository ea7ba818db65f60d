/** Programs of the system that build a fence. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../../base/error.ts";

/** Not PATH: whoever can set a variable must not choose what encloses a worker. */
const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/current-system/sw/bin"];

/** Where each comes from, for who has to install it. */
const PACKAGES = {
  sh: "a POSIX shell",
  env: "coreutils",
  setpriv: "util-linux",
  unshare: "util-linux",
  mount: "util-linux",
  mkdir: "coreutils",
  bwrap: "bubblewrap",
} as const;

/** Absolute path. Throws `PLATFORM_UNSUPPORTED` when it is not installed. */
export function toolPath(name: keyof typeof PACKAGES): string {
  const found = FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new AppError("PLATFORM_UNSUPPORTED", `"${name}" is not installed (package: ${PACKAGES[name]})`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
