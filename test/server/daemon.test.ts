import assert from "node:assert/strict";
import { url as inspectorUrl } from "node:inspector";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import { unkeyedMac } from "../../store/audit.ts";
import { Store } from "../../store/store.ts";
import { Vault } from "../../store/vault/vault.ts";
import { generateKeyText } from "../../store/vault/key-text.ts";
import { Project } from "../runs/project.ts";

const CANARY = "canary-7f3a91-not-a-real-secret";
const REVERSED = 'return env.X.split("").reverse().join("");';

test("run() asks a provider for bare keys only as writ.yaml says, and calls it by its name there", async () => {
  using project = new Project({
    secrets: {
      key: { file: "key" },
      providers: [{ type: "local" }, { type: "env", name: "host", chain: false }],
    },
  });
  project.task("bare", { permissions: { env: [{ name: "X", secret: "PLANTED" }] } }, REVERSED);
  project.task("uri", { permissions: { env: [{ name: "X", secret: "env://PLANTED" }] } }, REVERSED);
  project.task(
    "named",
    { permissions: { env: [{ name: "X", provider: "host", key: "PLANTED" }] } },
    REVERSED,
  );
  await using daemon = project.daemon({ env: { PLANTED: CANARY } });
  const bare = await project.run(daemon, "bare");
  assert.equal(bare.state, "blocked");
  assert.match(bare.error?.message ?? "", /looked in local\)/);
  for (const task of ["uri", "named"]) {
    const record = await project.run(daemon, task);
    assert.equal(record.state, "success", record.error?.message);
    assert.deepEqual(record.secrets, [{ name: "X", provider: "host" }]);
  }
});

test("the audit chain verifies across the moment at which the vault is made, under many lines", async () => {
  using project = new Project();
  project.task(
    "maker",
    { permissions: { writ: { secrets_write: ["k"] } } },
    `const made = writ.secrets_set("k", "${CANARY}");
     for (let i = 0; i < 99; i++) {
       fetch("https://example.com/" + i).catch(() => {});
       await new Promise((resolve) => setTimeout(resolve, 5));
     }
     await made;`,
  );
  {
    await using daemon = project.daemon();
    const record = await project.run(daemon, "maker");
    assert.equal(record.state, "success");
    assert.equal(record.warnings, undefined);
  }
  await using store = await Store.open(project.dataDir, systemClock);
  await using vault = await Vault.open({
    dataDir: project.dataDir,
    clock: systemClock,
    keySource: { kind: "file", path: join(project.dir, "key") },
    keyHost: { env: {}, home: undefined, uid: undefined, container: false, projectDir: undefined },
  });
  const mac = (bytes: Uint8Array): Uint8Array => vault.mac("audit", bytes) ?? unkeyedMac.mac(bytes);
  const verdict = await store.audit({ keyId: vault.keyId("audit"), mac }).verify();
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.equal(verdict.lines, 100);
  assert.ok(verdict.unkeyed < 100);
});

test("a signal opens no inspector on the daemon, which a worker could send and then connect", async () => {
  using project = new Project();
  project.task(
    "signalled",
    { permissions: {} },
    'log.info("ready"); await kv.set("k", 1); return kv.get("k");',
  );
  await using daemon = project.daemon();
  const record = await project.run(daemon, "signalled", {
    onLog: () => process.kill(process.pid, "SIGUSR1"),
  });
  assert.equal(record.output, 1);
  // A second run takes far longer than Node needs to open one.
  await project.run(daemon, "signalled");
  assert.equal(inspectorUrl(), undefined);
});

test("run() keeps every place of a master key from the file provider, whatever the variables say", async () => {
  using project = new Project({
    secrets: { providers: [{ type: "local" }, { type: "file", roots: ["mount", "home"] }] },
  });
  const mounted = join(project.dir, "mount/master");
  const home = join(project.dir, "home");
  const own = join(home, ".config/writ/keys/some.key");
  for (const path of [mounted, own]) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, generateKeyText(), { mode: 0o600 });
  }
  symlinkSync(mounted, join(project.dir, "mount/by-link"));
  linkSync(mounted, join(project.dir, "mount/by-inode"));
  const beside = join(project.dir, "mount/beside");
  writeFileSync(beside, CANARY);

  const ask = async (path: string, env: Readonly<Record<string, string>>): Promise<string> => {
    project.task("ask", { permissions: { env: [{ name: "X", secret: `file://${path}` }] } }, REVERSED);
    await using daemon = project.daemon({ env, home });
    const record = await project.run(daemon, "ask");
    return record.error?.code ?? record.state;
  };
  const named = { WRIT_MASTER_KEY_FILE: mounted };
  for (const name of ["master", "by-link", "by-inode"]) {
    assert.equal(await ask(join(project.dir, "mount", name), named), "SECRETS_ACCESS_DENIED", name);
  }
  assert.equal(await ask(beside, named), "success");
  // A relative or empty config home counts for nobody: the key folder is the one below the home folder.
  for (const configHome of ["", "relative"]) {
    assert.equal(await ask(own, { ...named, XDG_CONFIG_HOME: configHome }), "SECRETS_ACCESS_DENIED");
  }
});
