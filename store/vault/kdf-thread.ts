/** The thread of kdf.ts: replaces the password in shared memory by the key derived from it, and ends. */
import { workerData } from "node:worker_threads";
import { argon2id } from "hash-wasm";
import type { KdfJob } from "./kdf.ts";

const { passes, memoryKiB, lanes, salt, memory }: KdfJob = workerData;
const shared = new Uint8Array(memory);
const derived = await argon2id({
  password: shared,
  salt,
  iterations: passes,
  memorySize: memoryKiB,
  parallelism: lanes,
  hashLength: shared.length,
  outputType: "binary",
});
shared.set(derived);
derived.fill(0);
