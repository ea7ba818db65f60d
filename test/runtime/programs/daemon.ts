/** A daemon that starts one run, says which process does it, and waits to be killed. Its first argument is the task. */
import { WorkerPool } from "../../../runtime/host/pool.ts";
import { LIMITS, requestOf, workerPids } from "../support.ts";

const pool = new WorkerPool({ size: 1, memoryBytes: LIMITS.memoryBytes, warm: false });
const request = await requestOf(process.argv[2] ?? "", {
  limits: { timeoutMs: 60_000, cpuMs: 60_000 },
  onLog: () => process.stdout.write(`${workerPids().join()}\n`),
});
await pool.execute(request);
// The run is over and its worker idle: only this keeps the process.
setInterval(() => undefined, 60_000);
