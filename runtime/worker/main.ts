/**
 * The worker process: hosts one isolate at a time, carries messages, decides nothing.
 *
 * Started with an empty environment, one socket and Node's permission model; it dies with its socket.
 */
import { Socket } from "node:net";
import { MessageReader, SOCKET_FD, writeMessage, type ToWorker } from "../protocol.ts";
import { loadAddonAndDropPermissions, type IsolatedVm } from "./addon.ts";
import { Run } from "./run.ts";
import { Sandbox } from "./sandbox.ts";

class Worker {
  readonly #addon: IsolatedVm;
  readonly #socket: Socket;
  #bootstrap = "";
  #spare: Sandbox | undefined;
  #run: Run | undefined;

  constructor(addon: IsolatedVm, socket: Socket) {
    this.#addon = addon;
    this.#socket = socket;
  }

  receive(message: ToWorker, data: Buffer): void {
    switch (message.type) {
      case "boot":
        this.#bootstrap = data.toString("utf8");
        this.#prepare(message.memoryMb);
        return;
      case "run":
        void this.#start(message, data);
        return;
      case "answer":
        if (this.#run?.id === message.run) this.#run.answer(message.op, message.ok, data.toString("utf8"));
        return;
      case "abort":
        if (this.#run?.id === message.run) this.#run.abort(message.reason);
        return;
    }
  }

  async #start(message: Extract<ToWorker, { type: "run" }>, data: Buffer): Promise<void> {
    using sandbox = this.#take(message.memoryMb);
    const run = new Run(this.#socket, sandbox, message);
    this.#run = run;
    const [code, beginning] = message.parts;
    const values = new ArrayBuffer(data.length - code - beginning);
    data.copy(new Uint8Array(values), 0, code + beginning);
    const text = (start: number, end: number): string => data.toString("utf8", start, end);
    run.start(text(0, code), text(code, code + beginning), values);
    data.fill(0);
    new Uint8Array(values).fill(0);
    await run.finished;
    this.#run = undefined;
    // The result is on its way: only now is there time for the next isolate.
    setImmediate(() => this.#prepare(message.memoryMb));
  }

  #take(memoryMb: number): Sandbox {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare?.memoryMb === memoryMb) return spare;
    spare?.[Symbol.dispose]();
    return new Sandbox(this.#addon, this.#bootstrap, memoryMb);
  }

  #prepare(memoryMb: number): void {
    this.#spare = new Sandbox(this.#addon, this.#bootstrap, memoryMb);
    writeMessage(this.#socket, { type: "ready" });
  }
}

/** Nothing is cleaned up: isolated-vm's teardown can crash, and there is nothing here worth saving. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}

const addonPath = process.argv[2] ?? "";
const socket = new Socket({ fd: SOCKET_FD, readable: true, writable: true });
// A terminal and a service manager signal the whole group: it is for the daemon to end its runs.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
socket.on("close", die);
socket.on("error", die);
const worker = new Worker(loadAddonAndDropPermissions(addonPath), socket);
const reader = new MessageReader(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker trusts its daemon
  (message, data) => worker.receive(message as ToWorker, data),
  () => Number.MAX_SAFE_INTEGER,
);
socket.on("data", (chunk) => reader.push(chunk));
