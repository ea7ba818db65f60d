/**
 * Takes the place of main.ts to try a fence out: does what a worker has to do, tries what it must not be able to, and
 * tells. Without Node's permission model, which is no fence.
 */
import { createServer, Socket } from "node:net";
import type ivm from "isolated-vm";
import { SOCKET_FD } from "../protocol.ts";

const addon = process.argv[2] ?? "";

/** With all the threads that this takes. */
function makesIsolates(): boolean {
  const holder: { exports: { ivm?: typeof ivm } } = { exports: {} };
  process.dlopen(holder, addon);
  if (holder.exports.ivm === undefined) return false;
  return new holder.exports.ivm.Isolate({ memoryLimit: 32 }).createContextSync().evalSync("6 * 7") === 42;
}

/** One of the kind that needs no network and no file. */
async function makesSockets(): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(`\0writ-probe-${process.hrtime.bigint()}`, () => resolve(true));
  });
}

const told = { isolates: makesIsolates(), sockets: await makesSockets() };
// As a worker holds its socket, so that the filter is tried with the calls this takes.
const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
socket.on("close", () => process.kill(process.pid, "SIGKILL"));
socket.resume().write(JSON.stringify(told));
