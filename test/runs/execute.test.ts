import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import type { Daemon } from "../../server/daemon.ts";
import { unkeyedMac } from "../../store/audit.ts";
import { Database } from "../../store/database.ts";
import { STORE_SCHEMA } from "../../store/schema.ts";
import { Store, STORE_FILE } from "../../store/store.ts";
import { Project } from "./project.ts";

const CANARY = "canary-7f3a91-not-a-real-secret";

const setSecret = (daemon: Daemon, key: string, value: string): Promise<unknown> =>
  daemon.setSecret({ workspace: undefined, key, actor: "test" }, Buffer.from(value), { unmaskable: false });

const withToken = { permissions: { env: [{ name: "TOKEN", secret: "token" }] } };

test("run() blocks a run whose secret is missing: recorded, and its code never starts", async () => {
  using project = new Project();
  project.task("report", withToken, "log.info('started'); return 1;");
  await using daemon = project.daemon();
  const record = await project.run(daemon, "report");
  assert.equal(record.state, "blocked");
  assert.equal(record.attempt, 0);
  assert.equal(record.error?.code, "SECRETS_REQUIRED_MISSING");
  assert.equal(record.error?.blame, "operator");
  assert.ok(record.error?.hints?.includes("writ secrets set token"));
  assert.deepEqual(await daemon.logs(record.id), []);
});

test("run() redacts a secret in log, output, keys and error, and writes it nowhere", async () => {
  using project = new Project();
  project.task(
    "leaky",
    withToken,
    `log.info("raw", env.TOKEN, "base64", btoa("x" + env.TOKEN + "y"), encodeURIComponent(env.TOKEN));
     console.log({ nested: { TOKEN: env.TOKEN } });
     if (params.fail) throw new Error("bad " + env.TOKEN, { cause: new Error("inner " + env.TOKEN) });
     return { [env.TOKEN]: [env.TOKEN, { deep: "x" + env.TOKEN }] };`.replace("params.fail", "input?.fail"),
  );
  const seen: string[] = [];
  {
    await using daemon = project.daemon();
    await setSecret(daemon, "token", CANARY);
    const onLog = (text: string): number => seen.push(text);
    const success = await project.run(daemon, "leaky", { onLog });
    assert.equal(success.state, "success", success.error?.message);
    assert.match(JSON.stringify(success.output), /^\{"\[REDACTED:SECRET_TOKEN\]":/);
    const failure = await project.run(daemon, "leaky", { onLog, input: { fail: true } });
    assert.equal(failure.state, "failure");
    assert.match(failure.error?.message ?? "", /bad \[REDACTED:SECRET_TOKEN\]/);
    assert.match(failure.error?.stack ?? "", /Caused by: Error: inner \[REDACTED:SECRET_TOKEN\]/);
    for (const record of [success, failure]) assert.ok(!JSON.stringify(record).includes(CANARY));
    assert.deepEqual(success.secrets, [{ name: "TOKEN", provider: "local", version: 1 }]);
  }
  assert.ok(seen.length >= 4 && !seen.join("\n").includes(CANARY));
  const inner = Buffer.from(`x${CANARY}y`).toString("base64").slice(4, -4);
  for (const text of [CANARY, inner, encodeURIComponent(CANARY)])
    assert.deepEqual(project.filesWith(text), []);
});

test("run() redacts a value a task stores, also in the lines that were logged before", async () => {
  using project = new Project();
  project.task(
    "minter",
    { permissions: { writ: { secrets_write: ["minted/*"] } } },
    `log.info("minted ${CANARY}"); const v = await writ.secrets_set("minted/a", "${CANARY}");
     log.info("stored ${CANARY}"); return { v, echo: "${CANARY}" };`,
  );
  // The bundle holds the value, as any constant; what is looked at is what the run made of it.
  {
    await using daemon = project.daemon();
    const record = await project.run(daemon, "minter");
    assert.deepEqual(record.output, { v: { "minted/a": 1 }, echo: "[REDACTED:SECRET_minted/a]" });
    const lines = (await daemon.logs(record.id)).map(({ text }) => text);
    assert.deepEqual(lines, ["minted [REDACTED:SECRET_minted/a]", "stored [REDACTED:SECRET_minted/a]"]);
  }
  assert.deepEqual(project.filesWith(CANARY), []);
});

test("run() refuses a param that holds a secret, and records nothing", async () => {
  using project = new Project();
  project.task("echo", { ...withToken, params: { text: "" } }, "return params.text;");
  {
    await using daemon = project.daemon();
    await setSecret(daemon, "token", CANARY);
    const run = project.run(daemon, "echo", { params: { text: { text: `x ${CANARY}` } } });
    await assert.rejects(run, { code: "SECRETS_PERSIST_DENIED" });
  }
  assert.deepEqual(project.filesWith(CANARY), []);
});

test("kv refuses a value that holds a secret, and stores nothing", async () => {
  using project = new Project();
  project.task(
    "hoarder",
    withToken,
    `try { await kv.set("k", { a: ["x" + env.TOKEN] }); } catch (error) { return [error.code, await kv.list()]; }`,
  );
  await using daemon = project.daemon();
  await setSecret(daemon, "token", CANARY);
  const record = await project.run(daemon, "hoarder");
  assert.deepEqual(record.output, ["SECRETS_PERSIST_DENIED", []]);
});

test("kv of one task is nothing to another", async () => {
  using project = new Project();
  project.task("one", { permissions: {} }, "await kv.set('k', 1); return kv.list();");
  project.task("two", { permissions: {} }, "return [await kv.list(), await kv.get('k') ?? null];");
  await using daemon = project.daemon();
  assert.deepEqual((await project.run(daemon, "one")).output, ["k"]);
  assert.deepEqual((await project.run(daemon, "two")).output, [[], null]);
});

test("secrets_set() changes nothing when one key is denied or one version has moved", async () => {
  using project = new Project();
  project.task(
    "writer",
    { permissions: { writ: { secrets_write: ["a/*"] } } },
    `const codes = [];
     for (const [values, options] of [
       [{ "a/x": "${CANARY}1", "b/x": "${CANARY}2" }, {}],
       [{ "a/x": "${CANARY}3", "a/y": "${CANARY}4" }, { if_version: { "a/y": 7 } }],
       [{ "a/x": "${CANARY}5" }, { if_version: { "a/z": 1 } }],
       [{}, {}],
       [{ "a/../x": "${CANARY}6" }, {}],
       [{ "a/x": "${CANARY}\\ud800" }, {}],
     ]) try { await writ.secrets_set(values, options); } catch (error) { codes.push(error.code); }
     return codes;`,
  );
  await using daemon = project.daemon();
  const record = await project.run(daemon, "writer");
  assert.deepEqual(record.output, [
    "PERMISSION_DENIED",
    "SECRETS_CONFLICT",
    "OP_INVALID",
    "OP_INVALID",
    "PERMISSION_DENIED",
    "OP_INVALID",
  ]);
  assert.deepEqual(await daemon.listSecrets(undefined), []);
});

test("secrets_set() and secrets_delete() refuse a secret's value as a name: names are written in clear", async () => {
  using project = new Project();
  project.task(
    "swapped",
    { permissions: { env: [{ name: "TOKEN", secret: "token" }], writ: { secrets_write: true } } },
    `const codes = [];
     for (const call of [
       () => writ.secrets_set(env.TOKEN, "canary-another-not-real"),
       () => writ.secrets_set({ "fine": "canary-third-not-real", ["x." + env.TOKEN]: "canary-fourth-not-real" }),
       () => writ.secrets_set("canary-fifth-not-real", "canary-fifth-not-real"),
       () => writ.secrets_delete(env.TOKEN),
       () => writ.secrets_set(env.TOKEN, "ab"),
     ]) try { await call(); } catch (error) { codes.push(error.code); }
     return codes;`,
  );
  {
    await using daemon = project.daemon();
    await setSecret(daemon, "token", CANARY);
    const record = await project.run(daemon, "swapped");
    assert.deepEqual(record.output, [
      ...Array.from({ length: 4 }, () => "SECRETS_PERSIST_DENIED"),
      "SECRETS_UNMASKABLE",
    ]);
    assert.ok(!JSON.stringify(record).includes(CANARY));
    assert.deepEqual(
      (await daemon.listSecrets(undefined)).map(({ key }) => key),
      ["token"],
    );
  }
  assert.deepEqual(project.filesWith(CANARY), []);
});

test("a task writes into its workspace's scope and not into the global one", async () => {
  using project = new Project();
  project.task(
    "pay",
    { workspace: "payments", permissions: { writ: { secrets_write: true } } },
    `await writ.secrets_set("k", "${CANARY}");`,
  );
  await using daemon = project.daemon();
  assert.equal((await project.run(daemon, "pay")).state, "success");
  assert.deepEqual(
    (await daemon.listSecrets(undefined)).map(({ scope, key }) => `${scope}/${key}`),
    ["payments/k"],
  );
});

test("run() ends a cancelled run as cancelled, and its signal told the code", async () => {
  using project = new Project();
  project.task(
    "waiter",
    { permissions: {} },
    `log.info("ready"); await new Promise((resolve) => { signal.onabort = resolve; });
     log.info("told"); return "ignored";`,
  );
  await using daemon = project.daemon();
  const controller = new AbortController();
  const lines: string[] = [];
  const onLog = (text: string): void => {
    lines.push(text);
    controller.abort();
  };
  const record = await project.run(daemon, "waiter", { signal: controller.signal, onLog });
  assert.equal(record.state, "cancelled");
  assert.equal(record.error?.code, "RUN_CANCELLED");
  assert.equal(record.output, undefined);
  assert.deepEqual(lines, ["ready", "told"]);
});

test("run() audits the use of a secret, each denial and each write, in a chain that verifies", async () => {
  using project = new Project();
  project.task(
    "audited",
    { permissions: { env: [{ name: "TOKEN", secret: "token" }], writ: { secrets_write: ["a/*"] } } },
    `await writ.secrets_set("a/b", "${CANARY}2"); await writ.secrets_delete("a/b");
     for (let i = 0; i < 3; i++) await fetch("https://example.com/").catch(() => {});`,
  );
  {
    await using daemon = project.daemon();
    await setSecret(daemon, "token", CANARY);
    await project.run(daemon, "audited");
  }
  await using store = await Store.open(project.dataDir, systemClock);
  const lines = await store.audit(unkeyedMac).read({ after: 0 });
  assert.deepEqual(
    lines.map(({ action, target, result }) => `${action} ${target} ${result}`),
    [
      "secret.set token ok",
      "secret.use TOKEN ok",
      "secret.set a/b ok",
      "secret.delete a/b ok",
      "op.denied net GET https://example.com/ denied",
    ],
  );
});

test("run() has no end before every op has, also those nobody awaits", async () => {
  using project = new Project();
  project.task(
    "hasty",
    { permissions: { writ: { secrets_write: ["minted"] } } },
    // The first write makes the vault, which takes a while.
    `log.info("${CANARY}"); writ.secrets_set("minted", "${CANARY}");`,
  );
  {
    await using daemon = project.daemon();
    assert.equal((await project.run(daemon, "hasty")).state, "success");
  }
  {
    await using daemon = project.daemon();
    assert.deepEqual(
      (await daemon.listSecrets(undefined)).map(({ key }) => key),
      ["minted"],
    );
  }
  assert.deepEqual(project.filesWith(CANARY), []);
  await using store = await Store.open(project.dataDir, systemClock);
  const lines = await store.audit(unkeyedMac).read({ after: 0 });
  assert.deepEqual(
    lines.map(({ action, target, result }) => `${action} ${target} ${result}`),
    ["secret.set minted ok"],
  );
});

test("run() records an end also when the log could not be written, and says so", async () => {
  using project = new Project();
  project.task("chatty", { permissions: {} }, `log.info("lost"); return "kept";`);
  await using daemon = project.daemon();
  await project.run(daemon, "chatty");
  await using database = await Database.open(join(project.dataDir, STORE_FILE), STORE_SCHEMA);
  await database.transaction(() =>
    database
      .sql("CREATE TRIGGER full BEFORE INSERT ON run_logs BEGIN SELECT RAISE(ABORT, 'no room'); END")
      .run(),
  );
  const { state, output, warnings } = await project.run(daemon, "chatty");
  assert.deepEqual({ state, output }, { state: "success", output: "kept" });
  assert.deepEqual(warnings, [{ code: "STORE_UNAVAILABLE", message: "not all of the log could be written" }]);
});

test("run() says that more was denied than it names, in record and audit", async () => {
  using project = new Project();
  project.task(
    "noisy",
    { permissions: {} },
    `for (let i = 0; i < 120; i++) await fetch("https://example.com/" + i).catch(() => {});
     await writ.secrets_set("the/point", "${CANARY}").catch(() => {});`,
  );
  {
    await using daemon = project.daemon();
    const { permissions } = await project.run(daemon, "noisy");
    assert.equal(permissions?.denied.length, 101);
    assert.equal(permissions.denied.at(-1), "21 more, not named");
  }
  await using store = await Store.open(project.dataDir, systemClock);
  const lines = await store.audit(unkeyedMac).read({ after: 0 });
  assert.equal(lines.length, 101);
  assert.match(lines.at(-1)?.target ?? "", /^more than 100 different requests/);
});

test("run() redacts what was asked for before a value in it became known", async () => {
  using project = new Project();
  project.task(
    "late",
    { permissions: { writ: { secrets_write: ["minted"] } } },
    `await fetch("https://example.com/${CANARY}").catch(() => {}); await writ.secrets_set("minted", "${CANARY}");`,
  );
  await using daemon = project.daemon();
  const { permissions } = await project.run(daemon, "late");
  assert.deepEqual(permissions?.denied, ["net GET https://example.com/[REDACTED:SECRET_minted]"]);
});

test("a run whose process is killed ends as crashed when the next one looks, once", async () => {
  using project = new Project();
  project.task(
    "slow",
    { permissions: {} },
    `log.info("ready"); await new Promise((resolve) => setTimeout(resolve, 60_000));`,
  );
  project.task("quick", { permissions: {} }, "return 1;");
  const main = join(import.meta.dirname, "../../cli/main.ts");
  const child = spawn(process.execPath, [main, "-C", project.dir, "run", "slow"], {
    env: { HOME: project.dir },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await once(child.stderr, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  await using daemon = project.daemon();
  await project.run(daemon, "quick");
  await using store = await Store.open(project.dataDir, systemClock);
  const { items } = await store.runs.list({ limit: 10 });
  assert.deepEqual(
    items.map(({ task, state }) => `${task} ${state}`),
    ["quick success", "slow crashed"],
  );
});

test("check() names every entry that no run could resolve, offline, and nothing that only is missing", async () => {
  using project = new Project();
  const env = [
    { name: "HIDDEN", from: "WRIT_MASTER_KEY" },
    { name: "UNKNOWN", provider: "nope", key: "x" },
    { name: "UNCONFIGURED", secret: "file:///run/secrets/x" },
    { name: "MISSING", from: "NOT_SET_HERE" },
    { name: "UNSTORED", secret: "not/stored" },
  ];
  project.task("entries", { permissions: { env } }, "return 1;");
  await using daemon = project.daemon();
  const problems = await daemon.check(await daemon.tasks.find("entries", project.dir));
  assert.deepEqual(
    problems.map(({ code, message }) => `${code} ${message.split(":")[0]}`),
    [
      "SECRETS_ACCESS_DENIED HIDDEN",
      "SECRETS_REF_INVALID UNKNOWN",
      "SECRETS_PROVIDER_UNAVAILABLE UNCONFIGURED",
    ],
  );
});

test("run() records a null that was returned, and no output where nothing was", async () => {
  using project = new Project();
  project.task("nothing", { permissions: { writ: { kv: false } } }, "return input;");
  project.task("undefined", { permissions: { writ: { kv: false } } }, "");
  await using daemon = project.daemon();
  assert.equal((await project.run(daemon, "nothing")).output, null);
  assert.ok(!("output" in (await project.run(daemon, "undefined"))));
});
