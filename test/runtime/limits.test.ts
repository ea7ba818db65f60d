/**
 * Every way a task can try to outlive, outgrow or confuse its limits. Each attack ends in time and for its reason, and
 * the next run on the same pool succeeds.
 */
import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { MB, startRuntime, type Overrides, type Ran } from "./support.ts";

const { runCode } = startRuntime();

/** Far more than a kill needs, far less than a run that nobody ends. */
const MARGIN_MS = 10_000;

interface Expected {
  readonly end: Ran["end"];
  /** Undefined = success; several = whichever limit is met first on a busy machine. */
  readonly codes?: readonly string[];
  readonly overrides?: Overrides;
  readonly check?: (ran: Ran) => void;
}

const TIME = ["LIMIT_TIMEOUT", "LIMIT_CPU"];
const short: Overrides = { limits: { timeoutMs: 300, cpuMs: 5_000 } };
const lessCpu: Overrides = { limits: { timeoutMs: 8_000, cpuMs: 200 } };
const memory: Overrides = { limits: { timeoutMs: 8_000, cpuMs: 8_000, memoryBytes: 64 * MB } };

function attack(title: string, source: string, expected: Expected): void {
  void test(`runCode() ends ${expected.end} with ${title}`, async () => {
    const ran = await runCode(source, expected.overrides);
    const told = JSON.stringify({ ...ran, logs: ran.logs.length, output: undefined }).slice(0, 1_000);
    assert.equal(ran.end, expected.end, told);
    if (expected.codes === undefined) assert.equal(ran.error, undefined, told);
    else assert.ok(expected.codes.includes(ran.error?.code ?? ""), told);
    // Without a limit of its own a run is held by the default one, and a busy machine may need it.
    const limit = expected.overrides?.limits?.timeoutMs;
    assert.ok(limit === undefined || ran.timingsMs.run < limit + MARGIN_MS, told);
    expected.check?.(ran);
    const next = await runCode("export default () => 7;");
    assert.deepEqual([next.end, next.output], ["success", 7]);
  });
}

const task = (body: string): string => `export default async ({ kv, log, signal }) => { ${body} };`;

// --- Time ---

attack("an endless loop", task("for (;;);"), { end: "timeout", codes: TIME, overrides: lessCpu });
attack("an endless loop at the top level", "for (;;);", { end: "timeout", codes: TIME, overrides: short });
attack("an endless loop after an answer", task("await kv.get('a'); for (;;);"), {
  end: "timeout",
  codes: TIME,
  overrides: lessCpu,
});
attack("a thrown Proxy, which is not read", task("throw new Proxy({}, { get() { for (;;); } });"), {
  end: "failure",
  codes: ["TASK_THREW"],
});
attack(
  "a thrown Proxy of an error that spins when it is read",
  task("throw new Proxy(new Error('p'), { get() { for (;;); } });"),
  {
    end: "timeout",
    codes: TIME,
    overrides: short,
  },
);
attack("a Proxy thrown at the top level", "throw new Proxy({}, { get() { for (;;); } });", {
  end: "timeout",
  codes: TIME,
  overrides: short,
});
attack(
  "a Proxy thrown by a timer",
  task(
    "setTimeout(() => { throw new Proxy({}, { get() { for (;;); } }); }, 1); await new Promise(() => {});",
  ),
  {
    end: "timeout",
    codes: TIME,
    overrides: short,
  },
);
attack("microtasks without end after an answer", task("await kv.get('a'); for (;;) await null;"), {
  end: "timeout",
  codes: TIME,
  overrides: short,
});
attack("ops without end", task("for (;;) await kv.get('a');"), {
  end: "timeout",
  codes: TIME,
  overrides: { limits: { timeoutMs: 300, ops: 10_000_000 } },
});
attack(
  "a loop that catches whatever ends it",
  task("for (;;) { try { for (;;) await kv.get('a'); } catch {} }"),
  {
    end: "timeout",
    codes: TIME,
    overrides: { limits: { timeoutMs: 300, ops: 10 } },
  },
);
attack("a square of a BigInt that no signal interrupts", task("let b = 2n ** 100_000n; for (;;) b *= b;"), {
  end: "timeout",
  codes: [...TIME, "LIMIT_MEMORY"],
  overrides: short,
});
attack(
  "a search that no signal interrupts",
  task("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);"),
  {
    end: "timeout",
    codes: TIME,
    overrides: lessCpu,
  },
);
attack("a regular expression that backtracks without end", task("/^(a+)+$/.test('a'.repeat(50) + 'b');"), {
  end: "timeout",
  codes: TIME,
  overrides: short,
});
attack(
  "a top-level await that never ends",
  "await new Promise((go) => setTimeout(go, 1e9)); export default () => 1;",
  {
    end: "timeout",
    codes: ["LIMIT_TIMEOUT"],
    overrides: short,
  },
);
attack("an interval without end", task("setInterval(() => {}, 1); await new Promise(() => {});"), {
  end: "timeout",
  codes: ["LIMIT_TIMEOUT"],
  overrides: short,
});

// --- Memory ---

const outOfMemory: Pick<Expected, "end" | "codes"> = {
  end: "crashed",
  codes: ["LIMIT_MEMORY", "WORKER_DIED"],
};

attack("an array of a hundred million", task("new Array(1e8).fill(0); for (;;);"), {
  ...outOfMemory,
  overrides: memory,
});
attack("a string spread into an array", task("[...'.'.repeat(5e8)]; for (;;);"), {
  ...outOfMemory,
  overrides: memory,
});
attack("a Map that grows", task("const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });"), {
  ...outOfMemory,
  overrides: memory,
});
attack("a Set that grows", task("const s = new Set(); for (let i = 0; ; i++) s.add('s' + i);"), {
  ...outOfMemory,
  overrides: memory,
});
attack(
  "doubled strings, flattened",
  task(
    "let s = 'ab'; const kept = []; for (;;) { s += s; if (s.length > 1e7) { kept.push(s.split('').reverse()); } }",
  ),
  { ...outOfMemory, overrides: memory },
);
attack(
  "a resizable ArrayBuffer of 2 GB, which is made fixed",
  task("return new ArrayBuffer(8, { maxByteLength: 2 ** 31 }).resizable;"),
  {
    end: "success",
    check: (ran) => assert.equal(ran.output, false),
  },
);
attack(
  "a gigabyte of ArrayBuffers",
  task(
    "const kept = []; for (let i = 0; i < 100; i++) kept.push(new Uint8Array(1e7).fill(1)); return kept.length;",
  ),
  {
    end: "failure",
    codes: ["TASK_THREW"],
    overrides: memory,
    check: (ran) => assert.match(ran.error?.message ?? "", /RangeError.*allocation/i),
  },
);
attack("doubled strings that stay ropes", task("let s = 'ab'; for (;;) s += s;"), {
  end: "failure",
  codes: ["TASK_THREW"],
  check: (ran) => assert.match(ran.error?.message ?? "", /Invalid string length/),
});
attack("recursion without end", task("const f = () => f() + 1; return f();"), {
  end: "failure",
  codes: ["TASK_THREW"],
});

// --- Log ---

attack(
  "a flood of log, cut with a mark",
  task("for (let i = 0; i < 30_000; i++) log.info('line', i); return 1;"),
  {
    end: "success",
    check: (ran) => {
      assert.equal(ran.output, 1);
      assert.match(ran.logs.at(-1)?.text ?? "", /^\[log cut here: the run has passed its limits\.log/);
      const bytes = ran.logs.slice(0, -1).reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0);
      assert.ok(bytes <= 64 * 1024, `${bytes} bytes`);
    },
  },
);
attack(
  "a flood of empty lines, cut with a mark",
  task("for (let i = 0; i < 50_000; i++) console.log(); return 1;"),
  {
    end: "success",
    overrides: { limits: { logBytes: MB } },
    check: (ran) => {
      assert.equal(ran.logs.length, 20_001);
      assert.match(ran.logs.at(-1)?.text ?? "", /^\[log cut here: the run has passed its 20000 lines/);
    },
  },
);
attack("one line of 50 MB", task("console.log('x'.repeat(5e7)); return 1;"), {
  end: "success",
  overrides: { limits: { logBytes: MB } },
  check: (ran) => {
    assert.equal(ran.logs.length, 1);
    assert.ok((ran.logs[0]?.text.length ?? 0) <= 64 * 1024);
  },
});
attack(
  "a long line although what cuts it was replaced",
  task(
    "String.prototype.slice = String.prototype.substring = function () { return 'y'.repeat(1e6); }; console.log('x'.repeat(1e6)); return 1;",
  ),
  {
    end: "success",
    overrides: { limits: { logBytes: MB } },
    check: (ran) => assert.ok(ran.logs.every(({ text }) => text.length <= 64 * 1024)),
  },
);
attack(
  "lines after the end, which are not taken",
  task("(async () => { for (let i = 0; i < 50; i++) { await null; log.info('late'); } })(); return 1;"),
  {
    end: "success",
    check: (ran) => assert.ok(ran.logs.length < 50),
  },
);
attack(
  "blank lines around a position, which the daemon maps at once",
  task("log.info('file:///task.js:1:1' + '\\n'.repeat(50_000)); return 1;"),
  {
    end: "success",
    overrides: { limits: { logBytes: MB } },
    check: (ran) => assert.ok(ran.timingsMs.run < 1_000, `${ran.timingsMs.run} ms`),
  },
);

// --- Timers ---

attack(
  "a hundred thousand timers",
  task("for (let i = 0; i < 100_000; i++) setTimeout(() => {}, 1e6); return 1;"),
  {
    end: "failure",
    codes: ["TASK_THREW"],
    check: (ran) => assert.match(ran.error?.message ?? "", /more than 10000 timers/),
  },
);
attack("timers that are left behind", task("setInterval(() => log.info('tick'), 1); return 1;"), {
  end: "success",
  check: (ran) => assert.deepEqual(ran.logs, []),
});

// --- Output ---

attack("an output of 100 MB", task("return 'x'.repeat(1e8);"), {
  end: "failure",
  codes: ["OUTPUT_TOO_LARGE", "LIMIT_MEMORY"],
  overrides: { limits: { memoryBytes: 256 * MB } },
});
attack("an output that is small in characters and large in bytes", task("return 'é'.repeat(40_000);"), {
  end: "failure",
  codes: ["OUTPUT_TOO_LARGE"],
});
attack("an output nested 300 deep", task("let a = 1; for (let i = 0; i < 300; i++) a = [a]; return a;"), {
  end: "failure",
  codes: ["OUTPUT_INVALID"],
});
attack(
  "an output nested a hundred thousand deep",
  task("let a = 1; for (let i = 0; i < 1e5; i++) a = [a]; return a;"),
  {
    end: "failure",
    codes: ["OUTPUT_INVALID"],
  },
);
for (const [title, value] of Object.entries({
  "a function as output": "() => 1",
  "a symbol as output": "Symbol('s')",
  "a BigInt as output": "10n",
  "a cycle as output": "(() => { const a = {}; a.a = a; return a; })()",
  "a getter that throws as output": "({ get a() { throw new Error('no'); } })",
  "a Proxy that throws as output": "new Proxy({}, { ownKeys() { throw 1; } })",
  "a toJSON that throws as output": "({ toJSON() { throw new Error('no'); } })",
  "a toJSON that gives a function as output": "({ toJSON: () => () => 1 })",
}))
  attack(title, task(`return ${value};`), { end: "failure", codes: ["OUTPUT_INVALID"] });
attack("a getter that spins as output", task("return { get a() { for (;;); } };"), {
  end: "timeout",
  codes: TIME,
  overrides: short,
});
attack("a toJSON of its own", task("return { toJSON: () => ({ a: 1 }) };"), {
  end: "success",
  check: (ran) => assert.deepEqual(ran.output, { a: 1 }),
});
attack("a thenable that never answers", task("return { then() {} };"), {
  end: "failure",
  codes: ["TASK_STALLED"],
});
attack("nothing", task(""), { end: "success", check: (ran) => assert.equal(ran.output, undefined) });

// --- Failures ---

attack("an error message of 50 MB", task("throw new Error('x'.repeat(5e7));"), {
  end: "failure",
  codes: ["TASK_THREW"],
  overrides: { limits: { memoryBytes: 256 * MB } },
  check: (ran) => assert.ok((ran.error?.message.length ?? 0) < 5_000),
});
attack(
  "a chain of a thousand causes",
  task(
    "let e = new Error('0'); for (let i = 1; i < 1000; i++) e = new Error('n' + i, { cause: e }); throw e;",
  ),
  {
    end: "failure",
    codes: ["TASK_THREW"],
    check: (ran) => assert.ok((ran.error?.stack?.match(/Caused by/g)?.length ?? 0) <= 5),
  },
);
attack("a circle of causes", task("const e = new Error('round'); e.cause = e; throw e;"), {
  end: "failure",
  codes: ["TASK_THREW"],
});
for (const [title, thrown] of Object.entries({
  "null thrown": "null",
  "undefined thrown": "undefined",
  "a symbol thrown": "Symbol('s')",
  "a function thrown": "() => 1",
  "a getter that throws, thrown": "Object.defineProperty(new Error(), 'message', { get() { throw 1; } })",
  "a stack that throws, thrown": "Object.defineProperty(new Error(), 'stack', { get() { throw 1; } })",
  "a Proxy of an error, thrown": "new Proxy(new Error('p'), { get() { throw 1; } })",
  "an error with a name that is no text, thrown": "Object.assign(new Error('m'), { name: { a: 1 } })",
  "an error of writ with a forged code, thrown":
    "new PermissionDenied({ code: 'x'.repeat(1e6), message: 'm', hints: ['h'.repeat(1e6)] })",
  "an error of writ with hostile hints, thrown":
    "new PermissionDenied({ code: 'TASK_THREW', message: 'm', hints: { slice: () => ({ map: () => 10n }) } })",
  "an AggregateError of itself, thrown":
    "(() => { const e = new AggregateError([]); e.errors = [e, e, e]; return e; })()",
}))
  attack(title, task(`throw ${thrown};`), { end: "failure", codes: ["TASK_THREW"] });
attack(
  "a polluted toJSON in the way of its failure",
  task("Object.prototype.toJSON = () => 'x'.repeat(1e6); throw new Error('m');"),
  {
    end: "failure",
    codes: ["TASK_THREW"],
  },
);
attack(
  "a code that is the daemon's",
  task("throw new PermissionDenied({ code: 'LIMIT_MEMORY', message: 'm', hints: [] });"),
  {
    end: "failure",
    codes: ["TASK_THREW"],
  },
);
attack(
  "a rejection that nobody handles",
  task("Promise.reject(new Error('lost')); await new Promise((go) => setTimeout(go, 20)); return 1;"),
  {
    end: "failure",
    codes: ["TASK_THREW"],
    check: (ran) => assert.match(ran.error?.message ?? "", /lost/),
  },
);
attack(
  "a timer that throws",
  task(
    "setTimeout(() => { throw new Error('late'); }, 1); await new Promise((go) => setTimeout(go, 20)); return 1;",
  ),
  {
    end: "failure",
    codes: ["TASK_THREW"],
    check: (ran) => assert.match(ran.error?.message ?? "", /late/),
  },
);

// --- Ops ---

const MB_OF_TEXT = "'x'.repeat(1e8)";

attack("an op argument of 100 MB", task(`await kv.set('a', ${MB_OF_TEXT});`), {
  end: "failure",
  codes: ["OP_INVALID"],
  overrides: { limits: { memoryBytes: 256 * MB } },
});
attack(
  "an op argument of a megabyte that is three in bytes",
  task("await kv.set('a', 'é'.repeat(800_000));"),
  {
    end: "failure",
    codes: ["OP_INVALID"],
  },
);
attack("an op argument that is not JSON", task("await kv.set('a', 1n);"), {
  end: "failure",
  codes: ["TASK_THREW"],
});
attack("more ops than the limit", task("for (;;) await kv.get('a');"), {
  end: "failure",
  codes: ["LIMIT_OPS"],
  overrides: { limits: { ops: 20 } },
});
attack(
  "a thousand ops at once, answered a few at a time",
  task("return (await Promise.all(Array.from({ length: 999 }, () => kv.get('a')))).length;"),
  {
    end: "success",
    check: (ran) => assert.deepEqual([ran.output, { ...ran.usage.ops }], [999, { "kv.get": 999 }]),
  },
);
attack(
  "ops in order, although the built-ins that queue them were replaced",
  task(
    "Array.prototype.shift = Array.prototype.pop; Array.prototype.push = function () {}; Map.prototype.set = Map.prototype.get = () => { throw 1; }; const seen = []; for (let i = 0; i < 50; i++) seen[i] = kv.get('a'); for (let i = 0; i < 50; i++) await seen[i]; return 1;",
  ),
  { end: "success" },
);

// --- Waiting for nothing ---

attack("a promise that nothing resolves", task("await new Promise(() => {});"), {
  end: "failure",
  codes: ["TASK_STALLED"],
  check: (ran) => assert.ok(ran.timingsMs.run < 2_000),
});
attack(
  "a promise that nothing resolves, after ops and timers",
  task("await kv.get('a'); await new Promise((go) => setTimeout(go, 5)); await new Promise(() => {});"),
  {
    end: "failure",
    codes: ["TASK_STALLED"],
  },
);
attack("a top-level await of nothing", "await new Promise(() => {}); export default () => 1;", {
  end: "failure",
  codes: ["TASK_STALLED"],
});
attack("an op that is answered late, without being taken for stalled", task("return await kv.get('a');"), {
  end: "success",
  overrides: { ops: () => new Promise<Json>((go) => setTimeout(() => go({ value: 5 }), 150)) },
  check: (ran) => assert.equal(ran.output, 5),
});
attack(
  "a timer that ends late, without being taken for stalled",
  task("await new Promise((go) => setTimeout(go, 150)); return 5;"),
  {
    end: "success",
    check: (ran) => assert.equal(ran.output, 5),
  },
);
attack(
  "a timer that is cleared by another",
  task(
    "const t = setTimeout(() => {}, 1e6); setTimeout(() => clearTimeout(t), 5); await new Promise(() => {});",
  ),
  {
    end: "failure",
    codes: ["TASK_STALLED"],
  },
);

// --- The module ---

attack("a top-level await that ends", "const a = await Promise.resolve(3); export default () => a;", {
  end: "success",
  check: (ran) => assert.equal(ran.output, 3),
});
attack("a top-level await that throws", "await Promise.reject(new Error('early')); export default () => 1;", {
  end: "failure",
  codes: ["TASK_THREW"],
  check: (ran) => assert.match(ran.error?.message ?? "", /early/),
});
attack("no default export", "export const a = 1;", { end: "failure", codes: ["TASK_NOT_A_FUNCTION"] });
attack("a number as default export", "export default 1;", { end: "failure", codes: ["TASK_NOT_A_FUNCTION"] });
attack("a class as default export", "export default class A {}", {
  end: "failure",
  codes: ["TASK_THREW", "TASK_NOT_A_FUNCTION"],
});
attack("code that only the engine refuses", "export default () => /(?<a>)(?<a>)/;", {
  end: "failure",
  codes: ["TASK_THREW"],
  check: (ran) => assert.match(ran.error?.message ?? "", /SyntaxError/),
});

// --- Cancellation ---

async function cancelled(source: string, overrides: Overrides = {}): Promise<Ran> {
  const controller = new AbortController();
  const ran = await runCode(source, {
    ...overrides,
    signal: controller.signal,
    ops: async (name) => {
      if (name === "kv.get") controller.abort();
      return null;
    },
  });
  const next = await runCode("export default () => 7;");
  assert.deepEqual([next.end, next.output], ["success", 7]);
  return ran;
}

void test("runCode() ends cancelled, and the task sees its signal in the grace, when it is cancelled", async () => {
  const source = task(
    "signal.addEventListener('abort', () => log.info('seen', signal.reason.name)); kv.get('a'); await new Promise((go) => signal.addEventListener('abort', () => setTimeout(go, 5)));",
  );
  const ran = await cancelled(source);
  assert.deepEqual([ran.end, ran.error?.code], ["cancelled", "RUN_CANCELLED"]);
  assert.deepEqual(
    ran.logs.map(({ text }) => text),
    ["seen AbortError"],
  );
  assert.ok(ran.timingsMs.run < 3_000);
});

void test("runCode() ends cancelled although the task succeeds in the grace", async () => {
  const ran = await cancelled(
    task("await kv.get('a'); await new Promise((go) => setTimeout(go, 20)); return 1;"),
  );
  assert.deepEqual([ran.end, ran.output], ["cancelled", undefined]);
});

void test("runCode() ends cancelled at the end of the grace, when the task spins", async () => {
  const ran = await cancelled(task("await kv.get('a'); for (;;);"), {
    limits: { timeoutMs: 20_000, cpuMs: 20_000 },
  });
  assert.deepEqual([ran.end, ran.error?.code], ["cancelled", "RUN_CANCELLED"]);
  assert.ok(ran.timingsMs.run < 5_000 + MARGIN_MS);
});

void test("runCode() runs nothing when it was cancelled before", async () => {
  const controller = new AbortController();
  controller.abort();
  let acted = 0;
  const ran = await runCode(task("await kv.get('a'); return 1;"), {
    signal: controller.signal,
    ops: async () => ++acted,
  });
  assert.deepEqual([ran.end, ran.error?.code, acted], ["cancelled", "RUN_CANCELLED", 0]);
});

void test("runCode() lets the task see its signal before it is out of time", async () => {
  const ran = await runCode(
    task(
      "const stop = new Promise((go) => signal.addEventListener('abort', go)); setInterval(() => {}, 1000); await stop; log.info('seen'); return 1;",
    ),
    short,
  );
  assert.deepEqual([ran.end, ran.error?.code], ["timeout", "LIMIT_TIMEOUT"]);
  assert.deepEqual(
    ran.logs.map(({ text }) => text),
    ["seen"],
  );
});

// --- What a run leaves behind ---

void test("runCode() holds a run to the same memory whatever earlier runs have left in the process", async () => {
  const leave = task(
    "const a = []; for (let i = 0; i < 50; i++) a.push(new Uint8Array(1e6).fill(1)); const o = []; for (let i = 0; i < 3e5; i++) o.push({ i }); return o.length;",
  );
  const peaks: number[] = [];
  for (let index = 0; index < 6; index++) {
    const ran = await runCode(leave, { limits: { memoryBytes: 128 * MB } });
    assert.equal(ran.end, "success");
    peaks.push(ran.usage.peakMemoryBytes / MB);
  }
  assert.ok(Math.max(...peaks) < 400, String(peaks));
});
