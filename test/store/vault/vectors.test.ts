/** The format is what docs/vault-format.md says: two programs that share no code read the same file alike. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { fields, hmac, openXChaCha, readVault } from "./independent.ts";
import { ACTOR, CANARY, keyHost, MASTER_KEY, openVault, temporaryFolder } from "./harness.ts";

const hex = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((text) => Buffer.from(text, "hex"));
const vector = z
  .strictObject({
    comment: z.string(),
    masterKey: z.string(),
    storeId: z.string(),
    derivedKey: hex,
    ringKeys: z.record(z.string(), hex),
    root: hex,
    values: z.record(z.string(), hex),
    input: z.strictObject({ runId: z.string(), plaintext: hex, sealed: hex }),
    mac: z.strictObject({ purpose: z.literal("audit"), bytes: hex, mac: hex }),
    databaseGzip: z.string().transform((text) => gunzipSync(Buffer.from(text, "base64"))),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, "../../vectors/vault-v1.json"), "utf8")));

function vectorFolder(): { readonly path: string } & Disposable {
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, "data"), { mode: 0o700 });
  writeFileSync(join(folder.path, "data", "secrets.db"), vector.databaseGzip, { mode: 0o600 });
  return folder;
}

test("openXChaCha() of the second reader opens the published test vector", () => {
  // draft-irtf-cfrg-xchacha-03, A.3.1
  const key = Buffer.from(Array.from({ length: 32 }, (_, n) => 0x80 + n));
  const nonce = Buffer.from(Array.from({ length: 24 }, (_, n) => 0x40 + n));
  const data = Buffer.from("50515253c0c1c2c3c4c5c6c7", "hex");
  const sealed = Buffer.from(
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216" +
      "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13" +
      "b52ec0875924c1c7987947deafd8780acf49",
    "hex",
  );
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  assert.equal(openXChaCha(key, nonce, data, sealed).toString(), text);
});

test("the second reader reads the vector's file and finds its keys, root and values", () => {
  using folder = vectorFolder();
  const found = readVault(join(folder.path, "data", "secrets.db"), Buffer.from(vector.masterKey, "base64"));
  assert.equal(found.storeId, vector.storeId);
  assert.deepEqual(found.derived, vector.derivedKey);
  assert.deepEqual(
    Object.fromEntries([...found.keys].map(([purpose, key]) => [purpose, key.bytes])),
    vector.ringKeys,
  );
  assert.deepEqual(found.root, vector.root);
  assert.deepEqual(Object.fromEntries(found.values), vector.values);
});

test("the second reader opens the vector's input and computes its MAC", () => {
  const { runId, plaintext, sealed } = vector.input;
  const key = vector.ringKeys["inputs"];
  assert.ok(key !== undefined);
  const prefix = fields("writ-vault-sealed-input-v1", 1, 5);
  assert.deepEqual(sealed.subarray(0, prefix.length), prefix);
  const at = prefix.length + 4;
  const data = fields("writ-vault-input-v1", vector.storeId, runId, 1, 5);
  assert.deepEqual(
    openXChaCha(key, sealed.subarray(at, at + 24), data, sealed.subarray(at + 24 + 4)),
    plaintext,
  );
  assert.deepEqual(hmac(vector.ringKeys["audit"] ?? Buffer.alloc(0), vector.mac.bytes), vector.mac.mac);
});

test("Vault reads the vector's file as the second reader does", async () => {
  using folder = vectorFolder();
  const host = keyHost({ WRIT_MASTER_KEY: vector.masterKey });
  await using vault = await openVault(folder.path, { keyHost: host, knownStoreId: vector.storeId });
  for (const { scope, key, version } of await vault.list()) {
    const found = await vault.get(scope, key);
    assert.deepEqual(found?.value.bytes, vector.values[`${scope}:${key}:${version}`]);
  }
  assert.deepEqual(
    (await vault.list()).map(({ key }) => key),
    ["BYTES", "TOKEN", "stripe/key"],
  );
  assert.deepEqual(vault.openInput(vector.input.runId, vector.input.sealed), vector.input.plaintext);
  assert.deepEqual(vault.mac(vector.mac.purpose, vector.mac.bytes), vector.mac.mac);
});

test("the second reader reads what Vault writes today", async () => {
  using folder = temporaryFolder();
  {
    await using vault = await openVault(folder.path);
    for (let n = 0; n < 6; n++) await vault.set("global", "TOKEN", CANARY, ACTOR);
    await vault.set("global", "GONE", CANARY, ACTOR);
    await vault.delete("global", "GONE", ACTOR);
  }
  const { values } = readVault(join(folder.path, "data", "secrets.db"), Buffer.from(MASTER_KEY, "base64"));
  assert.deepEqual(
    [...values.keys()],
    [2, 3, 4, 5, 6].map((version) => `global:TOKEN:${version}`),
  );
  for (const value of values.values()) assert.deepEqual(value, CANARY);
});
