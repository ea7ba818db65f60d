/**
 * A worker whose process is taken: fenced like an honest one, but each run's code runs beside the isolate, with all
 * of Node. To be put in the place of runtime/worker/main.ts.
 */
import { Socket } from "node:net";
import { createRequire, isBuiltin } from "node:module";

const addon = process.argv[2] ?? "";
// The real file, next to which this program is put.
const { loadAddonAndDropPermissions } = await import(new URL("./addon.ts", import.meta.url).href);
// What an attacker would keep from before the fence closed.
const require = createRequire(import.meta.url);
const builtins = new Map<string, unknown>();
for (const name of ["fs", "child_process", "worker_threads", "net", "inspector", "wasi", "vm", "module"])
  if (isBuiltin(name)) builtins.set(name, require(name));
loadAddonAndDropPermissions(addon);

const socket = new Socket({ fd: 3, readable: true, writable: true });

function send(control: object, data = ""): void {
  for (const [kind, text] of [
    [1, JSON.stringify({ ...control, ...(data === "" ? {} : { size: Buffer.byteLength(data) }) })],
    [2, data],
  ] as const) {
    if (text === "") continue;
    const header = Buffer.alloc(5);
    header.writeUInt32LE(Buffer.byteLength(text), 0);
    header[4] = kind;
    socket.write(Buffer.concat([header, Buffer.from(text)]));
  }
}

async function probe(code: string): Promise<string> {
  const load = (name: string): unknown => builtins.get(name);
  // oxlint-disable-next-line typescript/no-implied-eval -- the point of it
  const run: unknown = new Function("load", "addon", `return (async () => { ${code} })()`);
  if (typeof run !== "function") return "";
  try {
    return JSON.stringify((await run(load, addon)) ?? null);
  } catch (error) {
    return JSON.stringify(error instanceof Error && "code" in error ? error.code : String(error));
  }
}

let received = Buffer.alloc(0);
let control: { type?: string; run?: string; size?: number; parts?: readonly number[] } | undefined;
let data = "";

socket.on("close", () => process.kill(process.pid, "SIGKILL"));
socket.on("data", (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 5 && received.length >= 5 + received.readUInt32LE(0)) {
    const end = 5 + received.readUInt32LE(0);
    const payload = received.toString("utf8", 5, end);
    if (received[4] === 1) control = JSON.parse(payload);
    else data += payload;
    received = received.subarray(end);
    if (Buffer.byteLength(data) < (control?.size ?? 0)) continue;
    if (control?.type === "boot") send({ type: "ready" });
    if (control?.type === "run") {
      const { run = "", parts } = control;
      void probe(data.slice(0, parts?.[0])).then((json) => {
        send({ type: "done", run, ok: true }, json);
        send({ type: "ready" });
      });
    }
    data = "";
  }
});
