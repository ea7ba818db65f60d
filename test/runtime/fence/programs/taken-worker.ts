/** A worker in an attacker's hands: tries what its order names, tells what came of it, and stays until it is killed. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, Socket } from "node:net";

interface Order {
  readonly privateFile: string;
  readonly publicFile: string;
  readonly newFile: string;
  readonly port: number;
  readonly abstractSocket: string;
  readonly victim: number;
}

/** What to try, see `attack` in command.test.ts; null = only be there. */
const order: Order | null = JSON.parse(process.argv[2] ?? "");

const socket = new Socket({ fd: 3, readable: true, writable: true });
// So that a test can tell that it is alive.
socket.on("data", (data) => socket.write(data));
// Whoever has taken it does not leave when told to.
for (const event of ["close", "error"]) socket.on(event, () => undefined);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
setInterval(() => undefined, 1000);

function attempt(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : String(error);
}

function start(path: string, args: readonly string[]): unknown {
  const { error } = spawnSync(path, args);
  return error === undefined ? "started" : codeOf(error);
}

async function reach(
  target: { readonly port: number; readonly host: string } | { readonly path: string },
): Promise<unknown> {
  return new Promise((resolve) => {
    attempt(() => {
      const made = "path" in target ? connect(target.path) : connect(target.port, target.host);
      made.on("connect", () => resolve("reached"));
      made.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    });
  });
}

async function attack(order: Order): Promise<Readonly<Record<string, unknown>>> {
  return {
    privateFile: attempt(() => readFileSync(order.privateFile, "utf8")),
    publicFile: attempt(() => readFileSync(order.publicFile, "utf8")),
    newFile: attempt(() => writeFileSync(order.newFile, "")) ?? "written",
    ownFile: attempt(() => writeFileSync(import.meta.filename, "", { flag: "a" })) ?? "written",
    root: attempt(() => readdirSync("/").length > 0),
    processes: attempt(() => readdirSync("/proc").includes(String(order.victim))),
    tcp: await reach({ port: order.port, host: "127.0.0.1" }),
    unix: await reach({ path: `\0${order.abstractSocket}` }),
    shell: attempt(() => start("/bin/sh", ["-c", "exit 7"])),
    node: attempt(() => start(process.execPath, ["--version"])),
    victim: attempt(() => process.kill(order.victim, "SIGKILL")),
    user: attempt(() => process.setuid?.(0)) ?? "changed",
    variables: Object.keys(process.env),
  };
}

socket.write(JSON.stringify(order === null ? {} : await attack(order)));
