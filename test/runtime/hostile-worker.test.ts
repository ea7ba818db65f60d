/** A worker in an attacker's hands: whatever it says, it ends itself at most, and no op acts for it. */
import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AppError } from "../../base/error.ts";
import type { RunRequest } from "../../runtime/host/executor.ts";
import { maxDataBytes, parseFromWorker } from "../../runtime/host/from-worker.ts";
import { Lease } from "../../runtime/host/lease.ts";
import { MessageReader, ProtocolError, type FromWorker, type ToWorker } from "../../runtime/protocol.ts";
import { replaceWorker } from "./replaced-worker.ts";
import { LIMITS, workerPids } from "./support.ts";

interface Observed {
  readonly request: RunRequest;
  /** Op handlers that have run. */
  readonly acted: string[];
  readonly logged: string[];
}

let runs = 0;

function observed(code = "", changes: Partial<RunRequest> = {}): Observed {
  const acted: string[] = [];
  const logged: string[] = [];
  const runId = `run_${++runs}`;
  const request: RunRequest = {
    runId,
    domain: "evil",
    bundle: { code: `// ${code}`, hash: "", map: "{}", inputs: [] },
    context: {
      params: {},
      input: null,
      task: { id: "evil", env: [] },
      run: { id: runId, attempt: 1, trigger: {} },
    },
    variables: [],
    limits: { ...LIMITS, timeoutMs: 5_000, ops: 4, opsInFlight: 4, outputBytes: 100 },
    ops: async (name) => {
      acted.push(name);
      return null;
    },
    log: ({ text }) => logged.push(text),
    signal: new AbortController().signal,
    ...changes,
  };
  return { request, acted, logged };
}

// --- The lease alone, with forged messages ---

interface Driven extends Observed {
  readonly lease: Lease;
  readonly sent: ToWorker[];
  /** Takes a message the way it comes off a socket. */
  readonly say: (message: object, data?: string) => void;
}

function drive(changes: Partial<RunRequest> = {}): Driven {
  const seen = observed("", changes);
  const sent: ToWorker[] = [];
  const lease = new Lease(seen.request, (control, _data, done) => {
    sent.push(control);
    done();
  });
  const reader = new MessageReader(
    (control, data) => {
      const message = parseFromWorker(control);
      if (message.type !== "ready") lease.receive(message, data);
    },
    (control) => maxDataBytes(control, seen.request.limits.outputBytes),
  );
  const say = (message: object, data = ""): void => {
    const bytes = Buffer.from(data);
    reader.push(frame(1, JSON.stringify("size" in message ? message : { ...message, size: bytes.length })));
    for (let at = 0; at < bytes.length; at += 500_000) reader.push(frame(2, data.slice(at, at + 500_000)));
  };
  return { ...seen, lease, sent, say };
}

function frame(kind: number, payload: string): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32LE(Buffer.byteLength(payload), 0);
  header[4] = kind;
  return Buffer.concat([header, Buffer.from(payload)]);
}

const FORGED: Readonly<Record<string, unknown>> = {
  "no object": [1],
  null: null,
  "no type": { run: "run_1" },
  "an unknown type": { type: "boot", memoryMb: 1, size: 0 },
  "a type that is inherited by name": { type: "constructor", run: "run_1", size: 0 },
  "the daemon's own message": { type: "answer", run: "run_1", op: 1, ok: true, size: 0 },
  "an extra key": { type: "exhausted", run: "run_1", size: 0 },
  "a missing key": { type: "op", run: "run_1", op: 1, size: 0 },
  "a run id that is too long": { type: "exhausted", run: "r".repeat(65) },
  "a run id that is no text": { type: "exhausted", run: 1 },
  "an op id of 0": { type: "op", run: "run_1", op: 0, name: "kv.get", size: 0 },
  "an op id that is fractional": { type: "op", run: "run_1", op: 1.5, name: "kv.get", size: 0 },
  "an op id of text": { type: "op", run: "run_1", op: "1", name: "kv.get", size: 0 },
  "an op name that is too long": { type: "op", run: "run_1", op: 1, name: "k".repeat(65), size: 0 },
  "an unknown level": { type: "log", run: "run_1", level: "fatal", size: 0 },
  "ok that is no boolean": { type: "done", run: "run_1", ok: 1, size: 0 },
  "an own __proto__": JSON.parse('{"type":"exhausted","run":"run_1","__proto__":{"ok":true}}'),
  "everything in __proto__": JSON.parse('{"__proto__":{"type":"ready"}}'),
};

for (const [name, control] of Object.entries(FORGED)) {
  void test(`parseFromWorker() throws at ${name}`, () => {
    assert.throws(() => parseFromWorker(control), ProtocolError);
  });
}

void test("maxDataBytes() lets no kind of message announce more than its limit", () => {
  const of = (message: FromWorker): number => maxDataBytes(message, 100);
  assert.equal(of({ type: "ready" }), 0);
  assert.equal(of({ type: "exhausted", run: "r" }), 0);
  assert.ok(of({ type: "log", run: "r", level: "info", size: 0 }) <= 64 * 1024);
  assert.ok(of({ type: "op", run: "r", op: 1, name: "n", size: 0 }) <= 3 * 1024 * 1024);
  assert.ok(of({ type: "done", run: "r", ok: true, size: 0 }) <= 300);
  assert.ok(of({ type: "done", run: "r", ok: false, size: 0 }) <= 256 * 1024);
});

void test("Lease throws at another run's id in every kind of message, and nothing acts", () => {
  const { say, acted, logged } = drive();
  for (const message of [
    { type: "op", run: "run_other", op: 1, name: "kv.get" },
    { type: "log", run: "run_other", level: "info" },
    { type: "done", run: "run_other", ok: true },
    { type: "exhausted", run: "run_other", size: undefined },
  ])
    assert.throws(() => say(message, "null"), ProtocolError, message.type);
  assert.deepEqual([acted, logged], [[], []]);
});

void test("Lease throws at ops that are used twice, skipped, too many or too many at once", async () => {
  const again = drive();
  const op = (driven: Driven, id: number): void =>
    driven.say({ type: "op", run: driven.request.runId, op: id, name: "kv.get" }, "null");
  op(again, 1);
  assert.throws(() => op(again, 1), ProtocolError);
  assert.deepEqual(again.acted, ["kv.get"]);

  const skipped = drive();
  assert.throws(() => op(skipped, 2), ProtocolError);
  assert.deepEqual(skipped.acted, []);

  const many = drive();
  for (let id = 1; id <= 4; id++) {
    op(many, id);
    await turn();
  }
  assert.throws(() => op(many, 5), /more ops than the limit/);
  assert.equal(many.acted.length, 4);

  const flood = drive({ limits: { ...LIMITS, opsInFlight: 2 }, ops: () => new Promise(() => undefined) });
  op(flood, 1);
  op(flood, 2);
  assert.throws(() => op(flood, 3), /too many ops in flight/);
});

void test("Lease throws at every message after the end, and the first end stays", async () => {
  const driven = drive();
  const { say, lease, acted, logged, request } = driven;
  say({ type: "done", run: request.runId, ok: true }, '"first"');
  for (const message of [
    { type: "done", run: request.runId, ok: true },
    { type: "op", run: request.runId, op: 1, name: "kv.get" },
    { type: "log", run: request.runId, level: "info" },
  ])
    assert.throws(() => say(message, '"second"'), /after the end/, message.type);
  assert.deepEqual(await lease.ended, { end: "success", output: "first" });
  assert.deepEqual([acted, logged], [[], []]);
});

void test("Lease refuses arguments that are too large, too deep or not JSON, and nothing acts", async () => {
  const { say, acted, sent, request } = drive();
  const bad = ["[", "[".repeat(300) + "]".repeat(300), `"${"x".repeat(1_100_000)}"`, ""];
  for (const [index, args] of bad.entries()) {
    say({ type: "op", run: request.runId, op: index + 1, name: "kv.get" }, args);
  }
  await turn();
  assert.deepEqual(acted, []);
  assert.deepEqual(
    sent.map((message) => message.type === "answer" && message.ok),
    bad.map(() => false),
  );
});

void test("Lease throws at the second line beyond the log's limit, and marks the cut once", () => {
  const { say, logged, request } = drive({ limits: { ...LIMITS, logBytes: 10 } });
  const log = (text: string): void => say({ type: "log", run: request.runId, level: "info" }, text);
  log("12345");
  log("123456");
  assert.throws(() => log("x"), ProtocolError);
  assert.equal(logged.length, 2);
  assert.match(logged[1] ?? "", /^\[log cut here/);
});

void test("Lease takes an error code from the guest only if it can be the guest's", async () => {
  const failed = async (code: string): Promise<string | undefined> => {
    const { say, lease, request } = drive();
    const told = { code, name: "", message: "m", stack: "", hints: [] };
    say({ type: "done", run: request.runId, ok: false }, JSON.stringify(told));
    const ending = await lease.ended;
    return ending.end === "failure" ? ending.error.code : ending.end;
  };
  assert.equal(await failed("TASK_STALLED"), "TASK_STALLED");
  for (const forged of [
    "LIMIT_CPU",
    "RUN_CANCELLED",
    "SECRETS_DECRYPT_FAILED",
    "PERMISSION_DENIED",
    "x",
    "__proto__",
  ])
    assert.equal(await failed(forged), "TASK_THREW", forged);
});

void test("Lease ends as TASK_THREW when a failure is not what a guest would write", async () => {
  for (const json of ["", "null", "[]", '{"code":1}', '{"code":"TASK_THREW"}', "{".repeat(1000), '"text"']) {
    const { say, lease, request } = drive();
    say({ type: "done", run: request.runId, ok: false }, json);
    const ending = await lease.ended;
    assert.ok(ending.end === "failure" && ending.error.code === "TASK_THREW", json);
  }
});

void test("Lease ends as failure when an output is too large, too deep or not JSON", async () => {
  const cases = { "{": "OUTPUT_INVALID", [`"${"é".repeat(60)}"`]: "OUTPUT_TOO_LARGE" };
  for (const [json, code] of Object.entries(cases)) {
    const { say, lease, request } = drive();
    say({ type: "done", run: request.runId, ok: true }, json);
    const ending = await lease.ended;
    assert.ok(ending.end === "failure" && ending.error.code === code, json);
  }
  const { say, lease, request } = drive({ limits: LIMITS });
  say({ type: "done", run: request.runId, ok: true }, "[".repeat(300) + "]".repeat(300));
  const ending = await lease.ended;
  assert.ok(ending.end === "failure" && ending.error.code === "OUTPUT_INVALID");
});

void test("Lease answers with its own words when an op fails in a way that nobody foresaw", async () => {
  const answers: string[] = [];
  const { request } = observed("", {
    ops: async (name) => {
      if (name === "known") throw new AppError("KV_LIMIT", "too large");
      if (name === "odd") return JSON.parse("1", () => undefined);
      throw new Error("/home/canary-7f3a/secret path");
    },
  });
  const lease = new Lease(request, (_control, data) => answers.push(data.toString()));
  for (const [index, name] of ["known", "unknown", "odd"].entries()) {
    lease.receive({ type: "op", run: request.runId, op: index + 1, name, size: 4 }, Buffer.from("null"));
  }
  await turn();
  assert.match(answers[0] ?? "", /KV_LIMIT/);
  assert.match(answers[1] ?? "", /INTERNAL/);
  assert.match(answers[2] ?? "", /INTERNAL/);
  assert.doesNotMatch(answers.join(), /canary/);
});

void test("Lease lets further ops wait while the worker leaves megabytes of answers unread", async () => {
  const unread: (() => void)[] = [];
  const acted: number[] = [];
  const { request } = observed("", {
    limits: { ...LIMITS, ops: 1_000 },
    ops: async () => {
      acted.push(1);
      return "x".repeat(1_000_000);
    },
  });
  const lease = new Lease(request, (_control, _data, done) => unread.push(done));
  for (let id = 1; id <= 15; id++) {
    lease.receive({ type: "op", run: request.runId, op: id, name: "kv.get", size: 4 }, Buffer.from("null"));
    await turn();
  }
  const before = acted.length;
  assert.ok(before < 11, `${before} megabytes wait in the daemon`);
  while (unread.length > 0) {
    unread.shift()?.();
    await turn();
  }
  assert.equal(acted.length, 15);
});

// --- A real process in the place of the worker ---

const start = replaceWorker("evil-worker");

/** Attack → how many op handlers may have run before it showed. */
const CRASHING = {
  "another run": 0,
  "an op used twice": 1,
  "an op out of order": 0,
  "an op far ahead": 0,
  "more ops than the limit": 4,
  "a flood in flight": 4,
  "an unknown type": 0,
  "an extra key": 0,
  "a __proto__ key": 0,
  "only a __proto__": 0,
  "arguments of 4 MB": 0,
  "an output beyond its limit": 0,
  "a line of log beyond its limit": 0,
  "a ready while running": 0,
  "an op of an earlier run": 0,
  "a flood of log": 0,
  noise: 0,
  "an endless control frame": 0,
};

for (const [name, ops] of Object.entries(CRASHING)) {
  void test(`WorkerProcess ends the run crashed and is gone, when the worker sends ${name}`, async () => {
    const worker = await start();
    const { request, acted } = observed(name);
    const outcome = await worker.run(request);
    assert.equal(outcome.end, "crashed", JSON.stringify(outcome));
    assert.equal(outcome.error?.code, "WORKER_PROTOCOL");
    assert.ok(acted.length <= ops, `${acted.length} ops acted`);
    assert.ok(worker.gone);
    assert.deepEqual(workerPids(), []);
    assert.ok(outcome.timingsMs.run < 4_000);
  });
}

void test("WorkerProcess passes on no more log than the limit, when the worker floods it", async () => {
  const worker = await start();
  const { request, logged } = observed("a flood of log", { limits: { ...LIMITS, logBytes: 100 } });
  await worker.run(request);
  assert.equal(logged.length, 101);
  assert.match(logged[100] ?? "", /^\[log cut here/);
});

for (const name of ["an op after done", "a log after done", "done twice", "a flood of ready"]) {
  void test(`WorkerProcess keeps the first end and dies, when the worker sends ${name}`, async () => {
    const worker = await start();
    const { request, acted, logged } = observed(name);
    const outcome = await worker.run(request);
    assert.deepEqual([outcome.end, outcome.output], ["success", "fine"]);
    await worker.exited;
    assert.ok(worker.gone);
    assert.deepEqual([acted, logged], [[], []]);
  });
}

void test("WorkerProcess ends the run as crashed when the worker closes its socket and lives on", async () => {
  const worker = await start();
  const outcome = await worker.run(observed("a closed socket").request);
  assert.deepEqual([outcome.end, outcome.error?.code], ["crashed", "WORKER_DIED"]);
  assert.deepEqual(workerPids(), []);
});

void test("WorkerProcess ends the run at its time when the worker never answers", async () => {
  const worker = await start();
  const outcome = await worker.run(observed("nothing", { limits: { ...LIMITS, timeoutMs: 200 } }).request);
  assert.deepEqual([outcome.end, outcome.error?.code], ["timeout", "LIMIT_TIMEOUT"]);
  assert.ok(outcome.timingsMs.run < 2_000);
});

void test("WorkerProcess.ready() rejects and the process is killed, when no isolate follows a run", async () => {
  const worker = await start();
  const outcome = await worker.run(observed("fine").request);
  assert.equal(outcome.end, "success");
  await assert.rejects(worker.ready(), { code: "WORKER_START" });
  assert.ok(worker.gone);
});

void test("WorkerProcess is killed when the worker is busy between two runs", async () => {
  const worker = await start();
  const outcome = await worker.run(observed("a busy idler").request);
  assert.equal(outcome.end, "success");
  await worker.exited;
});

void test("WorkerProcess holds few answers when the worker asks and never reads", async () => {
  let acted = 0;
  const worker = await start();
  const { request } = observed("answers left unread", {
    limits: { ...LIMITS, timeoutMs: 1_500, ops: 100_000 },
    ops: async () => {
      acted++;
      return "x".repeat(1_000_000);
    },
  });
  const outcome = await worker.run(request);
  assert.notEqual(outcome.end, "success");
  assert.ok(acted > 4 && acted < 25, `${acted} answers of a megabyte`);
});
