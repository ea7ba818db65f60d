import assert from "node:assert/strict";
import { argon2Sync } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { deriveKey, MASTER_KEY_KDF } from "../../../store/vault/kdf.ts";

const PASSWORD = Buffer.alloc(32, 1);
const SALT = Buffer.alloc(16, 2);

test("deriveKey() is Argon2id with 1 pass, 64 MiB and 4 lanes, as OpenSSL computes it", async () => {
  const expected = argon2Sync("argon2id", {
    message: PASSWORD,
    nonce: SALT,
    parallelism: 4,
    tagLength: 32,
    memory: 65_536,
    passes: 1,
  });
  assert.deepEqual(await deriveKey(PASSWORD, { ...MASTER_KEY_KDF, salt: SALT }), expected);
  assert.deepEqual(PASSWORD, Buffer.alloc(32, 1));
});

test("deriveKey() lets the event loop turn while it computes", async () => {
  const state = { turns: 0, done: false };
  const derived = deriveKey(PASSWORD, { passes: 2, memoryKiB: 65_536, lanes: 1, salt: SALT }).finally(() => {
    state.done = true;
  });
  while (!state.done) {
    await setImmediate();
    state.turns++;
  }
  await derived;
  assert.ok(state.turns > 100, `${state.turns} turns`);
});

test("deriveKey() refuses a header's parameters before it uses any memory, when they are above the caps", async () => {
  const least = { passes: 1, memoryKiB: 8, lanes: 1, salt: SALT };
  assert.equal((await deriveKey(PASSWORD, least)).length, 32);
  const beyond = [
    { passes: 0 },
    { passes: 17 },
    { memoryKiB: 7 },
    { memoryKiB: 512 * 1024 + 1 },
    { memoryKiB: 2 ** 40 },
    { lanes: 0 },
    { lanes: 17, memoryKiB: 65_536 },
    { lanes: 2 },
    { salt: Buffer.alloc(15) },
  ];
  for (const change of beyond) {
    await assert.rejects(
      deriveKey(PASSWORD, { ...least, ...change }),
      { code: "SECRETS_STORE_CORRUPT" },
      JSON.stringify(change),
    );
  }
});
