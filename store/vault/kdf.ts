/** Argon2id on a thread of its own: it computes for about 0.2 s, during which the event loop must go on. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { AppError } from "../../base/error.ts";
import { KEY_BYTES, SALT_BYTES, type KdfParameters } from "./format.ts";

/** For a random master key. The cost is bearable and keeps a key somebody typed in from being the weakest link. */
export const MASTER_KEY_KDF = { passes: 1, memoryKiB: 64 * 1024, lanes: 4 } as const;

/** What a header may ask for before anything in it is authenticated. */
const PASSES_MAX = 16;
const MEMORY_MAX_KIB = 512 * 1024;
const MEMORY_MIN_KIB_PER_LANE = 8;
const LANES_MAX = 16;

/** What the thread is started with. `memory` holds the password, and the derived key once the thread has ended. */
export interface KdfJob extends Omit<KdfParameters, "salt"> {
  readonly salt: Uint8Array;
  readonly memory: SharedArrayBuffer;
}

/** 32 bytes, which the caller wipes. Parameters above the caps are `SECRETS_STORE_CORRUPT`, before any memory is used. */
export async function deriveKey(password: Uint8Array, parameters: KdfParameters): Promise<Buffer> {
  const { passes, memoryKiB, lanes, salt } = parameters;
  const sane =
    passes >= 1 &&
    passes <= PASSES_MAX &&
    lanes >= 1 &&
    lanes <= LANES_MAX &&
    memoryKiB >= lanes * MEMORY_MIN_KIB_PER_LANE &&
    memoryKiB <= MEMORY_MAX_KIB &&
    salt.length === SALT_BYTES;
  if (!sane) {
    throw new AppError(
      "SECRETS_STORE_CORRUPT",
      `could not derive the vault's key: the header asks for ${passes} passes over ${memoryKiB} KiB in ${lanes} lanes, ` +
        `at most ${PASSES_MAX}, ${MEMORY_MAX_KIB} and ${LANES_MAX} are accepted`,
    );
  }
  if (password.length !== KEY_BYTES) throw new TypeError(`a master key has ${KEY_BYTES} bytes`);
  const memory = new SharedArrayBuffer(KEY_BYTES);
  const shared = new Uint8Array(memory);
  try {
    shared.set(password);
    await runThread({ passes, memoryKiB, lanes, salt, memory });
    const derived = Buffer.alloc(KEY_BYTES);
    derived.set(shared);
    return derived;
  } finally {
    shared.fill(0);
  }
}

/** Resolves when the thread has ended well. Its WebAssembly memory, which held the key, goes with it. */
function runThread(job: KdfJob): Promise<void> {
  const file = new URL(`./kdf-thread${extname(import.meta.filename)}`, import.meta.url);
  return new Promise((resolve, reject) => {
    const thread = new Worker(file, { workerData: job, env: {}, execArgv: [] });
    thread.once("error", reject);
    thread.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`the Argon2id thread ended with ${code}`)),
    );
  });
}
