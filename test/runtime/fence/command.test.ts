/**
 * What a worker in an attacker's hands can do at each level, as measured: docs/fences.md and the threat model say no
 * more than is asserted here. A level that this machine can not build must say why.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fenced, spawnFenced, workerPid } from "../../../runtime/host/fence/command.ts";
import { whyNotHeld } from "../../../runtime/host/fence/inspect.ts";
import { FENCE_LEVELS, isAtLeast, type FenceLevel } from "../../../runtime/host/fence/levels.ts";
import { probeFences } from "../../../runtime/host/fence/probe.ts";
import { takenWorker } from "./taken-worker-command.ts";

const CANARY = "canary-7f3a-not-a-real-secret";
const IS_ROOT = process.geteuid?.() === 0;
const REPORT = await probeFences();
const HERE = FENCE_LEVELS.filter((level) => REPORT[level] === undefined);
const GONE_WITHIN_MS = 1_000;

for (const level of FENCE_LEVELS.filter((level) => !HERE.includes(level))) {
  test(`level ${level} COULD NOT BE EXERCISED on this machine, and the report says why`, (context) => {
    const reason = REPORT[level] ?? "";
    assert.match(reason, /\w+ \w+/);
    context.diagnostic(`FENCE ${level} WAS NOT TESTED HERE: ${reason}`);
  });
}

// --- A taken worker ---

/** A folder that everybody may enter and write, with a file for its owner only and one for all. */
const folder = mkdtempSync(join(realpathSync(tmpdir()), "writ-fence-"));
chmodSync(folder, 0o777);
after(() => rmSync(folder, { recursive: true }));
const privateFile = join(folder, "private");
const publicFile = join(folder, "public");
writeFileSync(privateFile, CANARY, { mode: 0o600 });
writeFileSync(publicFile, CANARY, { mode: 0o644 });

/** Whether this user could change a worker's code, were there no fence. */
const ownsItsCode = IS_ROOT || statSync(takenWorker("").script).uid === process.geteuid?.();

interface Attacked {
  readonly told: Record<string, unknown>;
  /** Connections that the two listeners have seen. */
  readonly visitors: number;
  readonly victimLives: boolean;
  readonly newFileIsThere: boolean;
}

async function listen(
  ...where: readonly [number, string] | readonly [string]
): Promise<Server & AsyncDisposable> {
  const server = createServer((socket) => socket.on("error", () => undefined).end());
  if (where.length === 1) server.listen(where[0]);
  else server.listen(where[0], where[1]);
  await once(server, "listening");
  return server;
}

async function attack(level: FenceLevel, strength: "native" | "JavaScript"): Promise<Attacked> {
  const abstractSocket = `writ-fence-${process.pid}-${level}-${strength}`;
  const newFile = join(folder, `new-${level}-${strength}`);
  await using tcp = await listen(0, "127.0.0.1");
  await using unix = await listen(`\0${abstractSocket}`);
  let visitors = 0;
  for (const server of [tcp, unix]) server.on("connection", () => visitors++);
  const address = tcp.address();
  assert.ok(typeof address === "object" && address !== null);
  const victim = spawn("/bin/sleep", ["1000"], { stdio: "ignore" });
  await once(victim, "spawn");
  const dead = once(victim, "exit");
  const order = { privateFile, publicFile, newFile, port: address.port, abstractSocket, victim: victim.pid };
  await using worker = await Taken.start(level, takenWorker(JSON.stringify(order), strength));
  const told: Record<string, unknown> = JSON.parse(worker.told);
  // A signal that was sent has arrived before what was written after it.
  if (told["victim"] === true) await dead;
  const victimLives = victim.exitCode === null && victim.signalCode === null;
  victim.kill("SIGKILL");
  return { told, visitors, victimLives, newFileIsThere: existsSync(newFile) };
}

/** A process inside a fence, ended with the test. */
class Taken implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly told: string;

  private constructor(child: ChildProcess, pid: number, told: string) {
    this.child = child;
    this.pid = pid;
    this.told = told;
  }

  static async start(level: FenceLevel, command = takenWorker("null")): Promise<Taken> {
    const child = spawnFenced(level, command, "pipe");
    child.stderr?.resume();
    const socket = child.stdio[3] ?? assert.fail();
    const [data]: unknown[] = await Promise.race([once(socket, "data"), once(child, "exit")]);
    assert.ok(data instanceof Buffer, `it ended with ${String(data)}`);
    return new Taken(child, workerPid(child, level) ?? assert.fail("no pid"), data.toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    assert.ok((await timeUntilGone(this.pid)) < GONE_WITHIN_MS);
  }
}

/** Milliseconds; gives up, and says so by its length, a little after the limit. */
async function timeUntilGone(pid: number): Promise<number> {
  const since = performance.now();
  while (isAlive(pid) && performance.now() - since < 1.2 * GONE_WITHIN_MS) await pause(5);
  return performance.now() - since;
}

function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

for (const level of HERE) {
  const enclosed = isAtLeast(level, "L2");
  const otherUser = IS_ROOT && level !== "L0";

  test(`at ${level} native code ${enclosed ? "reads no file but its own" : "reads files"}`, async () => {
    const { told, newFileIsThere } = await attack(level, "native");
    assert.equal(told["privateFile"], enclosed ? "ENOENT" : otherUser ? "EACCES" : CANARY);
    assert.equal(told["publicFile"], enclosed ? "ENOENT" : CANARY);
    assert.equal(newFileIsThere, !enclosed);
    const mayWrite = !otherUser && ownsItsCode;
    assert.equal(told["ownFile"], !mayWrite ? "EACCES" : enclosed ? "EROFS" : "written");
    assert.deepEqual(told["variables"], level === "L3" ? ["PWD"] : []);
  });

  test(`at ${level} native code ${enclosed ? "reaches nobody" : "reaches listeners of this machine"}`, async () => {
    const { told, visitors } = await attack(level, "native");
    assert.equal(visitors, enclosed ? 0 : 2);
    const refused = level === "L3" ? /^EPERM$/ : /^(ENETUNREACH|ECONNREFUSED|EADDRNOTAVAIL)$/;
    for (const kind of ["tcp", "unix"]) assert.match(String(told[kind]), enclosed ? refused : /^reached$/);
  });

  const started = level === "L3" ? "no process" : enclosed ? "Node alone" : "processes";
  test(`at ${level} native code can start ${started}`, async () => {
    const { told } = await attack(level, "native");
    assert.equal(told["shell"], level === "L3" ? "EPERM" : enclosed ? "ENOENT" : "started");
    assert.equal(told["node"], level === "L3" ? "EPERM" : "started");
  });

  const spares = enclosed || otherUser;
  test(`at ${level} native code ${spares ? "can not end" : "can end"} a process of the daemon's user`, async () => {
    const { told, victimLives } = await attack(level, "native");
    assert.equal(victimLives, spares);
    assert.equal(told["victim"], enclosed ? "ESRCH" : otherUser ? "EPERM" : true);
    assert.equal(told["processes"], enclosed ? "ENOENT" : true);
    // At L0 root is root.
    assert.match(String(told["user"]), IS_ROOT && level === "L0" ? /^changed$/ : /^(EPERM|EINVAL)$/);
  });

  test(`at ${level} JavaScript in the worker's realm meets the permission model first`, async () => {
    const { told, visitors, newFileIsThere } = await attack(level, "JavaScript");
    for (const what of ["privateFile", "publicFile", "newFile", "ownFile", "processes", "shell", "node"]) {
      assert.equal(told[what], "ERR_ACCESS_DENIED", what);
    }
    assert.equal(newFileIsThere, false);
    // It has no gate for the network.
    assert.equal(visitors, enclosed ? 0 : 2);
  });

  // --- Its process ---

  test(`workerPid() finds Node, and it is held as ${level} promises`, async () => {
    await using worker = await Taken.start(level);
    assert.equal(readFileSync(`/proc/${worker.pid}/comm`, "latin1").trim(), "MainThread");
    assert.match(readFileSync(`/proc/${worker.pid}/cmdline`, "latin1"), /taken-worker\.ts/);
    assert.equal(whyNotHeld(worker.pid, level), undefined);
    assert.equal(whyNotHeld(process.pid, level) === undefined, level === "L0");
  });

  test(`a worker at ${level} has no descriptor but its socket and what Node makes`, async () => {
    // One that Node does not see when it closes its own for its children.
    const program = join(import.meta.dirname, "programs/orphaning-daemon.ts");
    const secret = openSync(privateFile, "r");
    const inherited = [...Array.from({ length: 97 }, () => "ignore" as const), secret];
    const daemon = spawn(process.execPath, [program, level, "null"], {
      stdio: ["ignore", "pipe", "inherit", ...inherited],
    });
    closeSync(secret);
    const pid = await pidFrom(daemon);
    try {
      assert.equal(readlinkSync(`/proc/${daemon.pid}/fd/100`), privateFile, "the daemon has it");
      const folder = `/proc/${pid}/fd`;
      const targets = readdirSync(folder)
        .filter((fd) => !isRootOf(pid, `${folder}/${fd}`))
        .map((fd) => readlinkSync(`${folder}/${fd}`));
      const unknown = targets.filter((target) => !/^(\/dev\/null|pipe:.*|anon_inode:.*)$/.test(target));
      assert.deepEqual(
        unknown.map((target) => target.replace(/\d+/, "")),
        ["socket:[]"],
      );
    } finally {
      daemon.kill("SIGKILL");
      process.kill(pid, "SIGKILL");
      await timeUntilGone(pid);
    }
  });

  test(`a signal to everybody, as a terminal sends it, ends no worker at ${level}`, async () => {
    await using worker = await Taken.start(level);
    const socket = worker.child.stdio[3] ?? assert.fail();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      for (const pid of new Set([worker.child.pid ?? 0, worker.pid])) process.kill(pid, signal);
    }
    assert.ok("write" in socket);
    socket.write("ping");
    const [echo]: unknown[] = await once(socket, "data");
    assert.equal(String(echo), "ping");
  });

  const leaves = level === "L0" ? "is NOT ended with" : "is gone within a second after";
  test(`at ${level} a worker that does not want to leave ${leaves} its daemon`, async () => {
    const program = join(import.meta.dirname, "programs/orphaning-daemon.ts");
    const daemon = spawn(process.execPath, [program, level, "null"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = await pidFrom(daemon);
    const gone = once(daemon, "exit");
    daemon.kill("SIGKILL");
    await gone;
    const ms = await timeUntilGone(pid);
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
    assert.equal(ms < GONE_WITHIN_MS, level !== "L0", `${ms} ms`);
  });
}

/** libuv keeps one descriptor in reserve: of the root, where there is no /dev. In a fence that is the fence's. */
function isRootOf(pid: number, path: string): boolean {
  const [own, root, ours] = [path, `/proc/${pid}/root/`, "/"].map((name) => {
    const { dev, ino } = statSync(name);
    return `${dev}:${ino}`;
  });
  return own === root && own !== ours;
}

async function pidFrom(daemon: ChildProcess): Promise<number> {
  const [line]: unknown[] = await once(daemon.stdout ?? assert.fail(), "data");
  const pid = Number(String(line).trim());
  assert.ok(pid > 1 && isAlive(pid), String(line));
  return pid;
}

// --- The command line ---

test("fenced() changes nothing at L0", () => {
  const node = takenWorker("{}");
  assert.deepEqual(fenced("L0", node), {
    command: node.path,
    args: [...node.flags, node.script, "{}"],
    handedOver: [],
  });
});

test("fenced() refuses files whose names it could not hand on", () => {
  const node = { ...takenWorker("{}"), readable: ["/srv/a\n/etc"] };
  for (const level of ["L2", "L3"] as const) {
    assert.throws(() => fenced(level, node), { code: "PLATFORM_UNSUPPORTED" });
  }
});
