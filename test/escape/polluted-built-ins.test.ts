/** Built-ins replaced before and during ops: a task harms its own run, forges no op, and the next run knows nothing. */
import assert from "node:assert/strict";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

/** Names a guest can reach through its context. */
const KNOWN = new Set(
  "kv.get kv.set kv.delete kv.list kv.cas kv.increment secrets.set secrets.delete fetch run fs.read fs.write tasks.run".split(
    " ",
  ),
);

const POLLUTIONS = {
  "Object.prototype.then": "Object.prototype.then = function (go) { go('polluted'); };",
  "a spinning Object.prototype.then getter":
    "Object.defineProperty(Object.prototype, 'then', { get() { return undefined; }, configurable: true });",
  "Array.prototype.push": "Array.prototype.push = function () { throw new Error('push'); };",
  "Array iteration": "Array.prototype[Symbol.iterator] = function* () { yield 'polluted'; };",
  "the array iterator's next": "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true });",
  "Promise.prototype.then": "Promise.prototype.then = function () { return 'polluted'; };",
  "Promise itself":
    "globalThis.Promise = class { constructor(run) { run(() => 1, () => 1); } static resolve() { return 1; } };",
  "the species of promises":
    "Object.defineProperty(Promise, Symbol.species, { value: class { constructor(run) { run(() => 1, () => 1); } } });",
  "JSON.stringify": "JSON.stringify = () => '{\"forged\":true}';",
  "JSON.parse": "JSON.parse = () => ({ forged: true });",
  "Object.prototype.toJSON": "Object.prototype.toJSON = function () { return { forged: true }; };",
  "String.prototype.toJSON": "String.prototype.toJSON = () => 'forged';",
  "Reflect.apply": "Reflect.apply = () => 'polluted';",
  "Function.prototype.call and apply":
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => 'polluted';",
  "Map.prototype":
    "for (const key of ['get', 'set', 'delete', 'has']) Map.prototype[key] = () => { throw new Error('map'); };",
  "Map.prototype.size": "Object.defineProperty(Map.prototype, 'size', { get: () => 0 });",
  "Object.defineProperty":
    "Object.defineProperty = Object.create = Object.entries = Object.keys = () => { throw new Error('object'); };",
  Error: "globalThis.Error = globalThis.TypeError = globalThis.RangeError = function () { return {}; };",
  "Error.captureStackTrace": "Error.captureStackTrace = () => { throw new Error('capture'); };",
  "Error.prepareStackTrace": "Error.prepareStackTrace = () => { throw new Error('prepare'); };",
  "Symbol.hasInstance":
    "Object.defineProperty(Error, Symbol.hasInstance, { value: () => true }); Object.defineProperty(Function, Symbol.hasInstance, { value: () => false });",
  "setters for every name of an op":
    "for (const key of ['id', 'name', 'args', 'next', 'resolve', 'reject', 'origin', 'type', 'run', 'op', 'size', '1', '2']) Object.defineProperty(Object.prototype, key, { set() { throw new Error('setter'); }, get() { return 'polluted'; }, configurable: true });",
  "array holes":
    "Object.defineProperty(Array.prototype, '0', { set() { throw new Error('hole'); }, get() { return 'polluted'; }, configurable: true });",
  "every built-in of text":
    "for (const key of Reflect.ownKeys(String.prototype)) if (typeof String.prototype[key] === 'function' && key !== 'constructor') String.prototype[key] = () => 'polluted';",
  "a frozen world":
    "for (const key of Reflect.ownKeys(globalThis)) { try { Object.freeze(globalThis[key]); Object.freeze(globalThis[key].prototype); } catch {} }",
  "deleted globals":
    "for (const key of Reflect.ownKeys(globalThis)) { try { delete globalThis[key]; } catch {} }",
};

const TASK = `
  export default async ({ kv, log, writ }) => {
    const ignore = async (act) => { try { await act(); } catch {} };
    await ignore(() => kv.get("a"));
    await ignore(() => kv.set("a", { b: [1] }));
    await ignore(() => Promise.all([kv.get("b"), kv.get("c")]));
    await ignore(() => writ.secrets_set("k", "value-of-a-secret"));
    await ignore(() => writ.fs.read("/etc/passwd"));
    await ignore(() => log.info("text", { a: 1 }));
    await ignore(() => new Promise((go) => setTimeout(go, 1)));
    return "mine";
  };`;

for (const [name, code] of Object.entries(POLLUTIONS)) {
  void test(`a task that replaces ${name} sends no op it could not send, ends only its own run, and cleanly`, async () => {
    const seen: [string, Json][] = [];
    const ran = await runCode(`${code}\n${TASK}`, {
      limits: { timeoutMs: 1_500 },
      ops: async (op, args) => {
        seen.push([op, args]);
        return JSON.parse('{"value":{"then":1,"length":-1,"__proto__":{"a":1}},"version":1}');
      },
    });
    assert.deepEqual(
      seen.map(([op]) => op).filter((op) => !KNOWN.has(op)),
      [],
    );
    assert.ok(seen.length <= 8, `${seen.length} ops`);
    // Whatever it did to itself, it looked neither like a broken nor like a taken worker.
    assert.ok(!["WORKER_PROTOCOL", "WORKER_DIED"].includes(ran.error?.code ?? ""), JSON.stringify(ran.error));
    const next = await runCode(TASK);
    assert.deepEqual([next.end, next.output, next.logs.length], ["success", "mine", 1]);
  });
}

void test("a task that gets hold of an op's resolvers can only tell itself lies", async () => {
  const seen: string[] = [];
  const source = `
    const taken = [];
    const Native = Promise;
    globalThis.Promise = new Proxy(Native, { construct(target, [run]) { return new target((resolve, reject) => { taken.push(resolve, reject); run(resolve, reject); }); } });
    Map.prototype.set = function (key, value) { taken.push(value); return this; };
    export default async ({ kv }) => {
      const answers = [];
      for (let i = 0; i < 5; i++) {
        const op = kv.get("key" + i);
        for (const take of taken) { try { take("forged"); take.resolve?.("forged"); } catch {} }
        answers.push(await op);
      }
      return answers;
    };`;
  const ran = await runCode(source, {
    ops: async (name, args) => {
      seen.push(`${name} ${JSON.stringify(args)}`);
      return { value: "real", version: 1 };
    },
  });
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(
    seen,
    Array.from({ length: 5 }, (_, index) => `kv.get {"key":"key${index}"}`),
  );
});
