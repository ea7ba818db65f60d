/** The command of a worker in an attacker's hands: everything as for a worker, except the script. */
import { join } from "node:path";
import type { NodeCommand } from "../../../runtime/host/fence/command.ts";
import { workerCommand } from "../../../runtime/host/worker-command.ts";

const SCRIPT = join(import.meta.dirname, "programs/taken-worker.ts");

/**
 * `native`: without Node's permission model, as code that has broken out of JavaScript is without it. Else that
 * model is on, and gives no more than a worker's own files.
 */
export function takenWorker(order: string, strength: "native" | "JavaScript" = "native"): NodeCommand {
  const worker = workerCommand();
  const flags = worker.flags.filter((flag) => !/^--(permission|allow-)/.test(flag));
  const permissions = ["--permission", "--allow-addons", `--allow-fs-read=${SCRIPT}`];
  return {
    ...worker,
    flags: strength === "native" ? flags : [...permissions, ...worker.flags],
    script: SCRIPT,
    args: [order],
    readable: [...worker.readable, SCRIPT],
  };
}
