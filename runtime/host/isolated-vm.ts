/** The isolated-vm that is installed: where its binary is, and whether it may be used at all. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { AppError } from "../../base/error.ts";

/** Older ones let a guest that holds one object of theirs take over the process (GHSA-864f-rcv7-6rh4). */
const OLDEST_SAFE = [7, 0, 1] as const;

export interface IsolatedVmFiles {
  readonly version: string;
  /** The prebuilt binary: a worker, which may not look for it, is told. */
  readonly addon: string;
}

/** Throws `PLATFORM_UNSUPPORTED` when it is missing, has no binary for this system, or has known holes. */
export function findIsolatedVm(): IsolatedVmFiles {
  const { resolve } = createRequire(import.meta.url);
  const manifest = resolve("isolated-vm/package.json");
  const version = versionIn(readFileSync(manifest, "utf8"));
  if (isOlder(version)) {
    throw new AppError(
      "PLATFORM_UNSUPPORTED",
      `isolated-vm ${version} has known holes, ${OLDEST_SAFE.join(".")} or newer is needed`,
    );
  }
  return { version, addon: addonIn(manifest) };
}

/** Found the way the package itself finds it. */
function addonIn(manifest: string): string {
  const find: unknown = createRequire(manifest)("node-gyp-build");
  if (typeof find !== "function" || !("resolve" in find) || typeof find.resolve !== "function") {
    throw new AppError("INTERNAL", "node-gyp-build can not find binaries any more");
  }
  try {
    return String(find.resolve(dirname(manifest)));
  } catch (cause) {
    throw new AppError(
      "PLATFORM_UNSUPPORTED",
      `isolated-vm has no binary for Node ${process.versions.node} on ${process.platform} ${process.arch}`,
      { cause },
    );
  }
}

function versionIn(manifest: string): string {
  const described: unknown = JSON.parse(manifest);
  const known = typeof described === "object" && described !== null && "version" in described;
  return known ? String(described.version) : "of unknown version";
}

/** What is not three numbers (a release candidate, something patched) is not known to be safe. */
function isOlder(version: string): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number) ?? [];
  const differing = OLDEST_SAFE.findIndex((wanted, index) => parts[index] !== wanted);
  return differing !== -1 && !((parts[differing] ?? 0) > (OLDEST_SAFE[differing] ?? 0));
}
