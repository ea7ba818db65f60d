/** What a worker process is started with: Node's flags, its script, and the files it may read. */
import { dirname, extname, join } from "node:path";
import type { NodeCommand } from "./fence/command.ts";
import { findIsolatedVm } from "./isolated-vm.ts";
import { PACKAGE_JSON } from "./package-root.ts";

const FLAGS = [
  "--permission",
  "--allow-addons",
  "--disable-sigusr1",
  "--disable-proto=throw",
  "--no-node-snapshot",
  "--wasm-max-mem-pages=1024",
  "--no-warnings",
];

/** From source these files are .ts, from a build .js. */
const EXTENSION = extname(import.meta.filename);
const RUNTIME = dirname(import.meta.dirname);
const WORKER = join(RUNTIME, "worker");

let known: NodeCommand | undefined;

/** Throws `PLATFORM_UNSUPPORTED` when isolated-vm can not be used here. */
export function workerCommand(): NodeCommand {
  known ??= makeCommand();
  return known;
}

function makeCommand(): NodeCommand {
  const { addon } = findIsolatedVm();
  // Its own code, the shared protocol, the addon, and the file that says these are modules.
  const readable = [WORKER, join(RUNTIME, `protocol${EXTENSION}`), addon, PACKAGE_JSON];
  return {
    path: process.execPath,
    flags: [...FLAGS, ...readable.map((path) => `--allow-fs-read=${path}`)],
    script: join(WORKER, `main${EXTENSION}`),
    args: [addon],
    readable,
  };
}
