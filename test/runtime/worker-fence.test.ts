/** What the worker's process has, seen from outside and, once it is taken, from inside. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Json } from "../../base/json.ts";
import { replaceWorker } from "./replaced-worker.ts";
import { requestOf, startRuntime, temporaryFolder, workerPids } from "./support.ts";

const CANARY = "canary-7f3a-not-a-real-secret";
process.env["WRIT_FENCE_CANARY"] = CANARY;

const { runCode } = startRuntime();

// --- From outside ---

/** The one worker, while a run is in it. */
async function whileRunning<T>(look: (pid: number) => T): Promise<T> {
  let seen: T | undefined;
  const ran = await runCode("export default ({ kv }) => kv.get('a');", {
    ops: async () => {
      const [pid, ...others] = workerPids();
      assert.ok(pid !== undefined && others.length === 0);
      seen = look(pid);
      return null;
    },
  });
  assert.equal(ran.end, "success");
  assert.ok(seen !== undefined);
  return seen;
}

test("a worker's environment is empty", async () => {
  assert.equal(await whileRunning((pid) => readFileSync(`/proc/${pid}/environ`, "latin1")), "");
});

test("a worker has no open file but its socket, /dev/null and what Node itself makes", async () => {
  const open = await whileRunning((pid) =>
    readdirSync(`/proc/${pid}/fd`).map((fd) => [Number(fd), readlinkSync(`/proc/${pid}/fd/${fd}`)] as const),
  );
  const kinds = new Map(open);
  for (const fd of [0, 1, 2]) assert.equal(kinds.get(fd), "/dev/null");
  assert.match(kinds.get(3) ?? "", /^socket:/);
  const others = open.filter(([fd]) => fd > 3).map(([, target]) => target.replace(/:?\[\d+\]$/, ""));
  const known = new Set([
    "/dev/null",
    "pipe",
    "anon_inode:[eventpoll]",
    "anon_inode:[eventfd]",
    "anon_inode:[io_uring]",
  ]);
  assert.deepEqual(
    others.filter((target) => !known.has(target)),
    [],
  );
});

test("a worker's command line and working directory tell nothing of the project", async () => {
  const [line, cwd] = await whileRunning((pid) => [
    readFileSync(`/proc/${pid}/cmdline`, "latin1"),
    readlinkSync(`/proc/${pid}/cwd`),
  ]);
  assert.doesNotMatch(line ?? "", /canary|writ-runtime-/);
  assert.match(line ?? "", /--permission/);
  assert.doesNotMatch(
    line ?? "",
    /--inspect|--allow-fs-write|--allow-child|--allow-worker|--allow-fs-read=\*/,
  );
  assert.equal(cwd, "/");
});

test("a worker outlives the signals of a terminal, so that the daemon ends its run", async () => {
  const ran = await runCode(
    "export default async ({ kv }) => { await kv.get('a'); await new Promise((go) => setTimeout(go, 50)); return 1; };",
    {
      ops: async () => {
        for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const)
          for (const pid of workerPids()) process.kill(pid, signal);
        return null;
      },
    },
  );
  assert.deepEqual([ran.end, ran.output], ["success", 1]);
});

test("a worker that is killed from outside ends its run crashed, and the next run succeeds", async () => {
  const ran = await runCode("export default ({ kv }) => kv.get('a');", {
    ops: () => {
      for (const pid of workerPids()) process.kill(pid, "SIGKILL");
      return new Promise(() => undefined);
    },
  });
  assert.deepEqual([ran.end, ran.error?.code], ["crashed", "WORKER_DIED"]);
  assert.equal((await runCode("export default () => 1;")).output, 1);
});

/** Kills a daemon in the middle of a task and waits for its worker to go. */
async function orphan(source: string): Promise<number> {
  const program = join(import.meta.dirname, "programs/daemon.ts");
  const daemon = spawn(process.execPath, [program, source], { stdio: ["ignore", "pipe", "inherit"] });
  const [line]: unknown[] = await once(daemon.stdout, "data");
  const pid = Number(String(line).trim());
  assert.ok(pid > 1 && existsSync(`/proc/${pid}`), String(line));
  const gone = once(daemon, "exit");
  daemon.kill("SIGKILL");
  await gone;
  const killedAt = performance.now();
  while (existsSync(`/proc/${pid}`) && !isZombie(pid) && performance.now() - killedAt < 5_000) await pause(5);
  return performance.now() - killedAt;
}

/** Dead, but with no parent that asks. */
function isZombie(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return true;
  }
}

for (const [state, source] of Object.entries({
  idle: "export default ({ log }) => { log.info('here'); };",
  waiting:
    "export default async ({ log }) => { log.info('here'); await new Promise((go) => setTimeout(go, 1e6)); };",
  spinning: "export default ({ log }) => { log.info('here'); for (;;); };",
  unstoppable:
    "export default ({ log }) => { log.info('here'); Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1); };",
})) {
  test(`a worker that is ${state} is gone within a second after its daemon was killed`, async () => {
    const ms = await orphan(source);
    assert.ok(ms < 1_000, `${ms} ms`);
  });
}

// --- From inside, once taken ---

const start = replaceWorker("probing-worker");

/** What Node code in a worker's process gets. */
async function probe(code: string): Promise<Json | undefined> {
  const worker = await start();
  const request = await requestOf("export default 1;");
  const outcome = await worker.run({ ...request, bundle: { ...request.bundle, code } });
  worker.kill();
  await worker.exited;
  assert.equal(outcome.end, "success", outcome.error?.message);
  return outcome.output;
}

test("a taken worker has no permission left, and can not take one back", async () => {
  const scopes = ["fs", "fs.read", "fs.write", "addon", "child", "worker", "inspector", "wasi"];
  const output = await probe(`
    return ${JSON.stringify(scopes)}.map((scope) => process.permission.has(scope))
      .concat(["grant", "add", "allow"].map((name) => name in process.permission));`);
  assert.deepEqual(
    output,
    Array.from({ length: scopes.length + 3 }, () => false),
  );
});

test("a taken worker sees no environment, not even through /proc", async () => {
  const output = await probe(`
    let environ; try { environ = load("fs").readFileSync("/proc/self/environ", "latin1"); } catch (error) { environ = error.code; }
    return [Object.keys(process.env), environ];`);
  assert.deepEqual(output, [[], "ERR_ACCESS_DENIED"]);
});

test("a taken worker can read, list and write no file, not even its own code", async () => {
  using folder = temporaryFolder();
  const secret = join(folder.path, "secret.txt");
  const written = join(folder.path, "written.txt");
  writeFileSync(secret, CANARY);
  const output = await probe(`
    const fs = load("fs");
    const ways = {
      readFileSync: () => fs.readFileSync(${JSON.stringify(secret)}, "utf8"),
      openSync: () => fs.openSync(${JSON.stringify(secret)}),
      promises: () => fs.promises.readFile(${JSON.stringify(secret)}, "utf8"),
      stream: () => new Promise((ok, no) => fs.createReadStream(${JSON.stringify(secret)}).on("data", (d) => ok(String(d))).on("error", no)),
      buffer: () => fs.readFileSync(Buffer.from(${JSON.stringify(secret)}), "utf8"),
      url: () => fs.readFileSync(new URL("file://" + ${JSON.stringify(secret)}), "utf8"),
      dots: () => fs.readFileSync(addon + "/../../../../../../../../../../../../../../.." + ${JSON.stringify(secret)}, "utf8"),
      stat: () => fs.statSync(${JSON.stringify(secret)}).size,
      list: () => fs.readdirSync("/"),
      readlink: () => fs.readlinkSync("/proc/self/exe"),
      own: () => fs.readFileSync(addon).length,
      ownCode: () => fs.readFileSync(process.argv[1], "utf8").length,
      cp: () => fs.cpSync(${JSON.stringify(secret)}, ${JSON.stringify(written)}),
      symlink: () => fs.symlinkSync(${JSON.stringify(secret)}, ${JSON.stringify(written)}),
      write: () => fs.writeFileSync(${JSON.stringify(written)}, "x"),
      mkdir: () => fs.mkdirSync(${JSON.stringify(written)}),
      unlink: () => fs.unlinkSync(${JSON.stringify(secret)}),
      import: () => import(${JSON.stringify(`file://${secret}`)}),
      require: () => load("module").createRequire("file:///x.js")(${JSON.stringify(secret)}),
      binding: () => process.binding("fs").open(${JSON.stringify(secret)}, 0, 0o666),
      loadEnvFile: () => process.loadEnvFile(${JSON.stringify(secret)}),
      report: () => process.report.writeReport(${JSON.stringify(written)}),
    };
    const worked = [];
    for (const [name, way] of Object.entries(ways)) { try { worked.push([name, String(await way()).slice(0, 40)]); } catch {} }
    return worked;`);
  assert.deepEqual(output, []);
  assert.equal(readFileSync(secret, "utf8"), CANARY);
  assert.equal(existsSync(written), false);
});

test("a taken worker can start no program, thread, inspector or WASI, and load no addon", async () => {
  using folder = temporaryFolder();
  const mark = join(folder.path, "mark");
  const output = await probe(`
    const { spawn, spawnSync, execSync, fork } = load("child_process");
    const { Worker } = load("worker_threads");
    const started = (child) => new Promise((ok, no) => child.on("spawn", () => ok("spawned")).on("online", () => ok("online")).on("error", no));
    const ways = {
      spawn: () => started(spawn("/bin/touch", [${JSON.stringify(mark)}])),
      spawnSync: () => { const { error, status } = spawnSync("/bin/touch", [${JSON.stringify(mark)}]); if (error) throw error; return status; },
      execSync: () => execSync("touch " + ${JSON.stringify(mark)}),
      fork: () => started(fork(process.argv[1])),
      execve: () => process.execve("/bin/touch", ["touch", ${JSON.stringify(mark)}], {}),
      worker: () => started(new Worker("1", { eval: true })),
      inspector: () => load("inspector").open(0),
      session: () => { const session = new (load("inspector").Session)(); session.connect(); return "connected"; },
      wasi: () => new (load("wasi").WASI)({ version: "preview1", preopens: { "/": "/" } }),
      dlopen: () => process.dlopen({ exports: {} }, addon),
      dlopenOther: () => process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6"),
      binding: () => Object.keys(process.binding("spawn_sync")),
      bindingProcess: () => Object.keys(process.binding("process_wrap")),
      linked: () => process._linkedBinding("x"),
    };
    const worked = [];
    for (const [name, way] of Object.entries(ways)) { try { worked.push([name, String(await way()).slice(0, 40)]); } catch {} }
    return worked;`);
  assert.deepEqual(output, []);
  assert.equal(existsSync(mark), false);
});

test("at level L0 the network of a taken worker is NOT fenced: it reaches a listener of this machine", async () => {
  const server = createServer((socket) => socket.end("reached")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const output = await probe(`
    return new Promise((ok) => load("net").connect(${address.port}, "127.0.0.1").on("data", (data) => ok(String(data))).on("error", (error) => ok(error.code)));`);
  server.close();
  assert.equal(output, "reached");
});

test("at level L0 other processes of the same user are NOT fenced from a taken worker: it can end them", async () => {
  const victim = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(victim, "spawn");
  const gone = once(victim, "exit");
  await probe(`process.kill(${victim.pid}, "SIGKILL"); return 1;`);
  const [, signal]: unknown[] = await gone;
  assert.equal(signal, "SIGKILL");
});
