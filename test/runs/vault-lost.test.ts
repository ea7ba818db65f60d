/** A vault that was there and is gone is not taken for one that never was. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Project } from "./project.ts";

const write = { workspace: undefined, key: "token", actor: "test" };
const value = Buffer.from("canary-7f3a-not-a-real-secret");
const options = { unmaskable: false };

test("a vault that disappears blocks runs, also where the environment has the variable, until it is given up", async () => {
  using project = new Project();
  project.task(
    "report",
    { permissions: { env: [{ name: "TOKEN", secret: "token" }] } },
    "return env.TOKEN.length;",
  );
  {
    await using daemon = project.daemon();
    await daemon.setSecret(write, value, options);
    assert.equal((await project.run(daemon, "report")).state, "success");
  }
  for (const end of ["", "-wal", "-shm"]) rmSync(join(project.dataDir, `secrets.db${end}`), { force: true });
  {
    await using daemon = project.daemon({ env: { token: "canary-fallback-not-real" } });
    const record = await project.run(daemon, "report", { input: { kept: "not" } });
    assert.equal(record.state, "blocked");
    assert.equal(record.error?.code, "SECRETS_STORE_CORRUPT");
    assert.equal(record.warnings?.length, 1, "the audit log is sealed with a key that is gone");
    await assert.rejects(daemon.setSecret(write, value, options), { code: "SECRETS_STORE_CORRUPT" });
  }
  {
    await using daemon = project.daemon();
    assert.deepEqual(await daemon.setSecret(write, value, { ...options, newVault: true }), {
      version: 1,
      created: true,
    });
  }
  await using daemon = project.daemon();
  assert.equal((await project.run(daemon, "report")).state, "success");
});

test("setSecret() with newVault never replaces a vault that is there", async () => {
  using project = new Project();
  {
    await using daemon = project.daemon();
    await daemon.setSecret(write, value, options);
  }
  await using daemon = project.daemon();
  assert.equal((await daemon.setSecret(write, value, { ...options, newVault: true })).version, 2);
});
