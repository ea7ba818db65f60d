/** Starts a taken worker at a level, says which process it is, and waits to be killed. */
import { spawnFenced, workerPid } from "../../../../runtime/host/fence/command.ts";
import { FENCE_LEVELS } from "../../../../runtime/host/fence/levels.ts";
import { takenWorker } from "../taken-worker-command.ts";

const level = FENCE_LEVELS.find((name) => name === process.argv[2]) ?? "L0";
const child = spawnFenced(level, takenWorker(process.argv[3] ?? ""));
child.stdio[3]?.once("data", () => process.stdout.write(`${workerPid(child, level)}\n`));
