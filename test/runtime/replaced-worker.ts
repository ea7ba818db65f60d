/** Worker processes that are started exactly as always, with another program in them. */
import { copyFileSync, cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { pathToFileURL } from "node:url";
import { Watchdog } from "../../runtime/host/watchdog.ts";
import type * as module from "../../runtime/host/worker-process.ts";
import { assertNoWorkers, LIMITS, temporaryFolder } from "./support.ts";

/**
 * To be called at the top of a test file: a copy of the tree with `programs/<name>.ts` in the place of
 * runtime/worker/main.ts, removed after the tests.
 */
export function replaceWorker(name: string): () => Promise<module.WorkerProcess> {
  const copy = temporaryFolder();
  let Started: typeof module.WorkerProcess;
  let watchdog: Watchdog;

  before(async () => {
    const root = join(import.meta.dirname, "../..");
    for (const part of ["base", "manifest", "runtime", "sdk", "package.json"])
      cpSync(join(root, part), join(copy.path, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy.path, "node_modules"));
    copyFileSync(join(import.meta.dirname, `programs/${name}.ts`), join(copy.path, "runtime/worker/main.ts"));
    const host: typeof module = await import(
      pathToFileURL(join(copy.path, "runtime/host/worker-process.ts")).href
    );
    Started = host.WorkerProcess;
    watchdog = new Watchdog();
  });

  after(async () => {
    await watchdog[Symbol.asyncDispose]();
    await assertNoWorkers();
    copy[Symbol.dispose]();
  });

  return () => Started.start({ bootstrap: "", memoryBytes: LIMITS.memoryBytes, watchdog });
}
