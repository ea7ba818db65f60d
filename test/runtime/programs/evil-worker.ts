/**
 * A worker in an attacker's hands, to be put in the place of runtime/worker/main.ts. It boots like an honest one;
 * then the code of each run names the attack.
 */
import { Socket } from "node:net";

const socket = new Socket({ fd: 3, readable: true, writable: true });

function frame(kind: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32LE(payload.length, 0);
  header[4] = kind;
  return Buffer.concat([header, payload]);
}

function message(control: object, data = ""): Buffer {
  const head = frame(1, Buffer.from(JSON.stringify({ ...control, size: Buffer.byteLength(data) })));
  return data === "" ? head : Buffer.concat([head, frame(2, Buffer.from(data))]);
}

const READY = frame(1, Buffer.from('{"type":"ready"}'));
const op = (run: string, id: number, name = "evil"): Buffer =>
  message({ type: "op", run, op: id, name }, "null");
const log = (run: string, text: string): Buffer => message({ type: "log", run, level: "info" }, text);
const done = (run: string, json = '"fine"'): Buffer => message({ type: "done", run, ok: true }, json);
const raw = (json: string): Buffer => frame(1, Buffer.from(json));
const many = (count: number, make: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));

/** What is sent in one piece when a run has come. */
const ATTACKS: Readonly<Record<string, (run: string) => Buffer>> = {
  nothing: () => Buffer.alloc(0),
  fine: (run) => done(run),
  "another run": (run) => op(`${run}x`, 1),
  "an op used twice": (run) => Buffer.concat([op(run, 1), op(run, 1)]),
  "an op out of order": (run) => op(run, 2),
  "an op far ahead": (run) => op(run, 2 ** 53 - 1),
  "more ops than the limit": (run) => many(5, (index) => op(run, index + 1)),
  "a flood in flight": (run) => many(1_000, (index) => op(run, index + 1)),
  "an unknown type": (run) => message({ type: "eval", run }),
  "an extra key": (run) => message({ type: "op", run, op: 1, name: "evil", domain: "other" }, "null"),
  "a __proto__ key": (run) =>
    raw(`{"type":"op","run":"${run}","op":1,"name":"evil","size":0,"__proto__":{"a":1}}`),
  "only a __proto__": (run) =>
    raw(`{"__proto__":{"type":"op","run":"${run}","op":1,"name":"evil","size":0}}`),
  "arguments of 4 MB": (run) => raw(`{"type":"op","run":"${run}","op":1,"name":"evil","size":4194304}`),
  "an output beyond its limit": (run) => raw(`{"type":"done","run":"${run}","ok":true,"size":1000000000}`),
  "a line of log beyond its limit": (run) => raw(`{"type":"log","run":"${run}","level":"info","size":65537}`),
  "a ready while running": (run) => Buffer.concat([READY, op(run, 1)]),
  "an op after done": (run) => Buffer.concat([done(run), op(run, 1)]),
  "a log after done": (run) => Buffer.concat([done(run), log(run, "late")]),
  "done twice": (run) => Buffer.concat([done(run), done(run, '"another"')]),
  "an op of an earlier run": (run) =>
    op(
      run.replace(/\d+$/, (id) => String(Number(id) - 1)),
      1,
    ),
  "a flood of log": (run) => many(100_000, () => log(run, "")),
  "a flood of ready": (run) => Buffer.concat([done(run), many(1_000, () => READY)]),
  "a busy idler": (run) => {
    const spin = (): void => {
      for (const end = Date.now() + 50; Date.now() < end;);
      setImmediate(spin);
    };
    setImmediate(spin);
    return Buffer.concat([done(run), READY]);
  },
  noise: () => Buffer.alloc(1_000, 0xee),
  "an endless control frame": () => Buffer.from([0xff, 0xff, 0xff, 0x7f, 1, 0x7b]),
  "a closed socket": () => {
    setImmediate(() => socket.destroy());
    return Buffer.alloc(0);
  },
  "answers left unread": (run) => {
    socket.pause();
    let id = 0;
    // Not at once: that many in flight would be a breach.
    setInterval(() => socket.write(op(run, ++id)), 1);
    return Buffer.alloc(0);
  },
};

let received = Buffer.alloc(0);
let control: { type?: string; run?: string; size?: number; parts?: readonly number[] } | undefined;
let data = "";

socket.on("data", (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 5 && received.length >= 5 + received.readUInt32LE(0)) {
    const end = 5 + received.readUInt32LE(0);
    const payload = received.toString("utf8", 5, end);
    if (received[4] === 1) control = JSON.parse(payload);
    else data += payload;
    received = received.subarray(end);
    if (Buffer.byteLength(data) < (control?.size ?? 0)) continue;
    if (control?.type === "boot") socket.write(READY);
    if (control?.type === "run") {
      const attack = data.slice(3, control.parts?.[0]);
      socket.write(ATTACKS[attack]?.(control.run ?? "") ?? log(control.run ?? "", `no attack ${attack}`));
    }
    data = "";
  }
});
