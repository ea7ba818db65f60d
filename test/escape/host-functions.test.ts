/** Built-ins replaced by traps while the platform is used: no trap is handed a function of the host. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

/** Wraps every function of every built-in, so that whatever passes by is seen. */
const TRAPS = String.raw`
  const { ownKeys, getOwnPropertyDescriptor, defineProperty, apply, construct, getPrototypeOf } = Reflect;
  const { toString } = Function.prototype;
  const isNative = RegExp.prototype.test;
  const NATIVE = /^function \(\) \{ \[native code\] \}$/;
  const stolen = [];
  const known = new WeakSet([Function.prototype]);
  const has = WeakSet.prototype.has, add = WeakSet.prototype.add;
  let depth = 0;
  // The host's seven are native functions without a name.
  const look = (value, how, level = 0) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    if (typeof value === "function" && !apply(has, known, [value]) && getOwnPropertyDescriptor(value, "name")?.value === ""
      && !getOwnPropertyDescriptor(value, "prototype") && apply(isNative, NATIVE, [apply(toString, value, [])])) {
      stolen[stolen.length] = [how, value];
    }
    if (level > 2) return;
    const keys = ownKeys(value);
    for (let index = 0; index < keys.length && index < 50; index++) {
      const found = getOwnPropertyDescriptor(value, keys[index]);
      if (found && "value" in found) look(found.value, how + "." + (typeof keys[index] === "string" ? keys[index] : "symbol"), level + 1);
    }
  };
  const trap = (owner, key, label) => {
    const found = getOwnPropertyDescriptor(owner, key);
    if (!found || !found.configurable || typeof found.value !== "function" || key === "constructor") return;
    const original = found.value;
    const replaced = function (...args) {
      if (depth === 0) { depth++; try { look(this, label + " this"); look(args, label + " args"); } finally { depth--; } }
      const result = new.target ? construct(original, args, new.target === replaced ? original : new.target) : apply(original, this, args);
      if (depth === 0) { depth++; try { look(result, label + " result"); } finally { depth--; } }
      return result;
    };
    apply(add, known, [replaced]);
    defineProperty(owner, key, { ...found, value: replaced });
  };
  const trapAll = () => {
    const owners = { Function: Function.prototype, Map: Map.prototype, Set: Set.prototype, WeakMap: WeakMap.prototype, Array: Array.prototype,
      String: String.prototype, Promise: Promise.prototype, PromiseS: Promise, Object, Reflect, JSON, Error, Number, Math, RegExp: RegExp.prototype,
      ArrayS: Array, Symbol, ArrayBuffer: ArrayBuffer.prototype, Typed: getPrototypeOf(Uint8Array.prototype), Iterator: getPrototypeOf([][Symbol.iterator]()) };
    for (const label in owners) {
      const keys = ownKeys(owners[label]);
      for (let index = 0; index < keys.length; index++) trap(owners[label], keys[index], label + "." + String(keys[index]));
    }
    for (const name of ["op", "log", "timer", "clearTimer", "random", "toAscii", "done", "resolve", "reject", "name", "args", "id"])
      defineProperty(Object.prototype, name, { configurable: true, set(value) { look(value, "setter " + name); look(this, "setter this " + name); } });
  };
  const use = async ({ kv, log, writ, signal }) => {
    const ignore = async (act) => { try { await act(); } catch {} };
    await ignore(() => kv.get("a")); await ignore(() => kv.set("a", { b: [1] })); await ignore(() => kv.list("p"));
    await ignore(() => Promise.all(Array.from({ length: 20 }, () => kv.get("a"))));
    log.info("text", { a: 1 }, [1, 2], new Map([[1, 2]]), new Error("e")); console.table([{ a: 1 }]); console.error("%s %o", 1, {}); console.group("g");
    await ignore(() => new Promise((go) => setTimeout(() => go(), 1))); clearTimeout(setTimeout(() => 1, 1e6)); clearInterval(setInterval(() => 1, 1e6));
    queueMicrotask(() => 1); crypto.randomUUID(); crypto.getRandomValues(new Uint8Array(4)); new URL("http://münchen.de/ä?ö=ü").searchParams.append("a", "b");
    await ignore(() => structuredClone({ a: new Map([[1, new Set([2])]]) })); await ignore(() => atob("AAAA")); new TextEncoder().encode("ä"); new TextDecoder().decode(new Uint8Array(3));
    await ignore(() => writ.secrets_set({ a: "b" })); await ignore(() => writ.mask("x")); await ignore(() => fetch("http://localhost/"));
    signal.addEventListener("abort", () => 1); new AbortController().abort(); AbortSignal.timeout(5); performance.now(); reportError; await ignore(() => writ.fs.read("/etc/passwd"));
  };
`;

void test("no trap in a built-in sees a function of the host, whatever of the platform is used", async () => {
  const source = `${TRAPS}
    export default async (context) => {
      trapAll();
      await use(context);
      // The control: a native function without a name that does pass a built-in.
      new Promise((go) => new Map().set("control", go));
      let list = "";
      for (let index = 0; index < stolen.length; index++) list += stolen[index][0] + "; ";
      return list;
    };`;
  const ran = await runCode(source, { limits: { cpuMs: 10_000, timeoutMs: 20_000, logBytes: 1024 * 1024 } });
  assert.equal(ran.end, "success", `${ran.error?.message}\n${ran.error?.stack}`);
  // Promise's own resolving functions have no name either; with one of them a task can only end its own waiting.
  assert.ok(typeof ran.output === "string");
  const others = ran.output.split("; ").filter((how) => how !== "" && !how.startsWith("Promise"));
  assert.deepEqual(others, ["Map.set args.1"]);
});

void test("what traps do get hold of lets a task write no log, answer no op and end no run in another's name", async () => {
  const names: string[] = [];
  const source = `${TRAPS}
    export default async (context) => {
      trapAll();
      await use(context);
      for (let index = 0; index < stolen.length; index++)
        for (const args of [[], [1, "forged", "null"], ["info", "forged"], [true, '"forged"'], [1, true, '"forged"'], ["a.b"], [1e6]])
          try { stolen[index][1](...args); } catch {}
      return "own";
    };`;
  const ran = await runCode(source, {
    limits: { cpuMs: 10_000, timeoutMs: 20_000, logBytes: 1024 * 1024 },
    ops: async (name) => {
      names.push(name);
      return null;
    },
  });
  assert.doesNotMatch(JSON.stringify([ran.logs, names, ran.output ?? ""]), /forged/);
  const next = await runCode("export default () => 1;");
  assert.equal(next.output, 1);
});

void test("strict functions show no task who called them, with what, and from where", async () => {
  const source = `
    export default async ({ kv, log }) => {
      const seen = [];
      globalThis.note = (text) => { seen[seen.length] = text; };
      const look = new Function(\`
        try { const caller = arguments.callee.caller; if (caller) { note("caller " + caller.name); try { if (caller.arguments) note("arguments of " + caller.name); } catch {} } } catch {}
        const before = Error.prepareStackTrace;
        Error.prepareStackTrace = (_, sites) => sites;
        for (const site of new Error().stack) {
          const file = String(site.getFileName());
          if (!file.startsWith("writ:")) continue;
          if (site.getFunction() !== undefined) note("function " + site.getFunctionName());
          if (site.getThis() !== undefined) note("this of " + site.getFunctionName());
        }
        Error.prepareStackTrace = before;
        return "x";
      \`);
      const around = (owner, key) => { const real = owner[key]; owner[key] = function (...args) { look(); return Reflect.apply(real, this, args); }; };
      const sloppy = (owner, key) => { owner[key] = look; };
      console.log(new Proxy({}, { ownKeys: look, getPrototypeOf: look }));
      await kv.set("a", { toJSON: look }).catch(() => 0);
      setTimeout(() => 1, { [Symbol.toPrimitive]: look });
      try { new URL({ toString: look }); } catch {}
      try { structuredClone({ get a() { return look(); } }); } catch {}
      log.info({ get a() { return look(); } }, Object.defineProperty(new Error(), "stack", { get: look }));
      for (const [owner, key] of [[String.prototype, "slice"], [String.prototype, "replaceAll"], [Map.prototype, "set"], [Map.prototype, "delete"], [Array.prototype, "push"], [Array.prototype, "map"], [Math, "trunc"], [Math, "min"]]) {
        const real = owner[key];
        around(owner, key);
        console.log("x".repeat(100), [1]); await kv.get("a"); clearTimeout(setTimeout(() => 1, 5));
        sloppy(owner, key);
        try { console.log("x".repeat(100), [1]); clearTimeout(setTimeout(() => 1, 5)); } catch {}
        owner[key] = real;
      }
      return [...new Set(seen)];
    };`;
  const ran = await runCode(source);
  assert.equal(ran.end, "success", `${ran.error?.message}\n${ran.error?.stack}`);
  const output = JSON.stringify(ran.output);
  const own = JSON.parse(output).filter(
    (text: string) => !/^caller (task_default|around|value|get a|owner\.<computed>|)$/.test(text),
  );
  assert.deepEqual(own, []);
});
