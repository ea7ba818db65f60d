/** Values with a will of their own across the bridge: they act in the isolate, or not at all. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { startRuntime, workerPids } from "../runtime/support.ts";

const { runCode } = startRuntime();

const HOSTILE = {
  getter: "({ get a() { throw new Error('getter'); } })",
  proxy:
    "new Proxy({}, { get() { throw new Error('get'); }, has() { throw 1; }, ownKeys() { throw 2; }, getPrototypeOf() { throw 3; } })",
  proxyFunction: "new Proxy(function () {}, { apply() { throw 1; }, get() { throw 2; } })",
  revoked: "(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()",
  thenable: "({ then(go) { go({ then(go) { go(1); } }); } })",
  throwingThenable: "({ then() { throw new Error('then'); } })",
  thenGetter: "({ get then() { throw new Error('then getter'); } })",
  toJSON: "({ toJSON() { return { toJSON() { return 1; } }; } })",
  primitive: "({ [Symbol.toPrimitive]() { throw new Error('primitive'); } })",
  toString: "({ toString() { throw 1; }, valueOf() { throw 2; } })",
  species:
    "Object.assign([1, 2], { constructor: { [Symbol.species]: function () { throw new Error('species'); } } })",
  speciesBuffer:
    "Object.defineProperty(new Uint8Array(8), 'constructor', { get() { throw new Error('species'); } })",
  iterator: "({ [Symbol.iterator]() { throw new Error('iterator'); } })",
  tag: "({ [Symbol.toStringTag]: 'Promise', get constructor() { throw 1; } })",
  nullPrototype: "Object.create(null)",
  symbol: "Symbol('s')",
  bigint: "10n ** 1000n",
  hugeString: "'x'.repeat(1e5)",
  loneSurrogate: "'\\ud800'",
  nul: "'\\0'",
  fakeError: "Object.create(Error.prototype)",
  classWithHost: "class extends Function { constructor() { super('return this'); } }",
  detached:
    "(() => { const b = new ArrayBuffer(8); structuredClone(b, { transfer: [b] }); return new Uint8Array(b); })()",
  cyclic: "(() => { const a = { b: [] }; a.b.push(a); return a; })()",
  sparse: "new Array(1e4)",
  date: "new Date(NaN)",
  weak: "new WeakMap()",
};

const SINKS = [
  "kv.set('a', v)",
  "kv.get(v)",
  "kv.cas(v, v, v, v)",
  "kv.list(v, v)",
  "kv.increment(v, v)",
  "kv.set('a', 1, v)",
  "log.info(v)",
  "log.error('%s %d %j', v, v, v)",
  "console.table(v)",
  "console.table([v])",
  "console.count(v)",
  "console.time(v)",
  "setTimeout(v)",
  "setTimeout(() => 1, v)",
  "clearTimeout(v)",
  "queueMicrotask(v)",
  "crypto.getRandomValues(v)",
  "structuredClone(v)",
  "structuredClone(v, { transfer: v })",
  "structuredClone({ a: v }, v)",
  "atob(v)",
  "btoa(v)",
  "new URL(v)",
  "new URL(v, v)",
  "new URLSearchParams(v)",
  "new TextEncoder().encode(v)",
  "new TextDecoder(v)",
  "new TextDecoder().decode(v)",
  "writ.secrets_set(v, v)",
  "writ.secrets_set({ a: v }, v)",
  "writ.secrets_delete(v, v)",
  "writ.run(v, v)",
  "writ.fs.read(v)",
  "writ.fs.write(v, v)",
  "writ.run_task(v, v)",
  "writ.get_runs(v, v)",
  "fetch(v)",
  "fetch('http://a/', v)",
  "AbortSignal.timeout(v)",
  "AbortSignal.any(v)",
  "new AbortController().abort(v)",
  "new Event(v, v)",
  "new CustomEvent('a', v)",
  "signal.addEventListener(v, v, v)",
  "new DOMException(v, v)",
  "reportError.call(v)",
  "Deno.env.get(v)",
  "Deno.env.has(v)",
  "process.env[v]",
  "new PermissionDenied(v)",
  "Reflect.set(env, v, v)",
  "performance.now(v)",
];

void test("no hostile value given to any function of the platform reaches the daemon but as JSON, or costs the worker", async () => {
  const seen: [string, Json][] = [];
  await runCode("export default () => 1;");
  const [worker] = workerPids();
  for (const [name, value] of Object.entries(HOSTILE)) {
    const source = `
      export default async ({ kv, log, writ, signal, env }) => {
        const ignored = [];
        ${SINKS.map((sink) => `try { const v = ${value}; ignored.push(Promise.resolve(${sink}).catch(() => 0)); } catch {}`).join("\n")}
        await Promise.race([Promise.allSettled(ignored), new Promise((go) => setTimeout(() => go(), 100))]);
        return ${JSON.stringify(name)};
      };`;
    const ran = await runCode(source, {
      limits: { logBytes: 4 * 1024 * 1024, memoryBytes: 256 * 1024 * 1024 },
      ops: async (op, args) => {
        seen.push([op, args]);
        return null;
      },
    });
    // A hostile value may fail its run, by a rejection that nobody handles; it may not end it in any other way.
    assert.ok(ran.end === "success" || ran.end === "failure", `${name}: ${ran.end} ${ran.error?.message}`);
    assert.ok(["TASK_THREW", undefined].includes(ran.error?.code), `${name}: ${ran.error?.code}`);
  }
  assert.ok(seen.length > 50, `${seen.length} ops`);
  for (const [op, args] of seen)
    assert.equal(JSON.stringify(JSON.parse(JSON.stringify(args))), JSON.stringify(args), op);
  assert.ok(worker !== undefined);
});

void test("what a hostile value runs while it crosses, runs in the isolate", async () => {
  const source = `
    export default async ({ kv, log }) => {
      const realms = [];
      const look = () => { realms.push(globalThis === (0, eval)("this"), typeof process.pid, typeof globalThis.require); return "x"; };
      await kv.set("a", { toJSON: look });
      log.info({ get [Symbol.toStringTag]() { return look(); } }, new Proxy({}, { ownKeys() { look(); return []; } }));
      setTimeout(() => 1, { valueOf: look });
      structuredClone({ get a() { return look(); } });
      new URL("http://a/" + { toString: look });
      await { then(go) { look(); go(); } };
      return realms.length > 12 && realms.every((fact) => fact === true || fact === "undefined");
    };`;
  const ran = await runCode(source);
  assert.equal(ran.output, true, ran.error?.message);
});
