/** Everything that can be walked to from a task's hands: no class of the sandbox's engine, no function of the host. */
import assert from "node:assert/strict";
import test from "node:test";
import ivm from "isolated-vm";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

/**
 * Visits all that is reachable without calling anything but getters on prototypes: own properties, accessors,
 * prototypes. Tells the names of native functions, of constructors, and how many nodes there are.
 */
const WALK = String.raw`
  const walk = (roots) => {
    const { ownKeys, getOwnPropertyDescriptor, getPrototypeOf, apply } = Reflect;
    const { toString } = Function.prototype;
    const seen = new Set();
    const queue = [...roots];
    const natives = new Set(), classes = new Set(), foreign = [];
    while (queue.length > 0) {
      const node = queue.pop();
      if ((typeof node !== "object" && typeof node !== "function") || node === null || seen.has(node)) continue;
      seen.add(node);
      queue.push(getPrototypeOf(node));
      if (typeof node === "function") {
        if (!(node instanceof Function) && node !== Function.prototype) foreign.push(String(node.name));
        const source = apply(toString, node, []);
        if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) natives.add(String(getOwnPropertyDescriptor(node, "name")?.value ?? ""));
        else if (/^class/.test(source)) classes.add(String(node.name));
      }
      for (const key of ownKeys(node)) {
        const found = getOwnPropertyDescriptor(node, key);
        if (found === undefined) continue;
        queue.push(found.value, found.get, found.set);
        if (found.get) { try { queue.push(apply(found.get, node, [])); } catch {} }
      }
    }
    return { count: seen.size, natives: [...natives].sort(), classes: [...classes].sort(), foreign };
  };
`;

interface Walked {
  readonly count: number;
  readonly natives: readonly string[];
  readonly classes: readonly string[];
  readonly foreign: readonly string[];
}

function walked(value: unknown): Walked {
  const of = (key: string): unknown =>
    typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  const names = (key: string): string[] => {
    const list = of(key);
    assert.ok(Array.isArray(list));
    return list.map(String);
  };
  return {
    count: Number(of("count")),
    natives: names("natives"),
    classes: names("classes"),
    foreign: names("foreign"),
  };
}

/** The names of native functions in an isolate that nobody has put anything into. */
function bareNatives(): ReadonlySet<string> {
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const json: unknown = isolate
    .createContextSync()
    .evalSync(
      `${WALK} JSON.stringify(walk([globalThis, async () => 1, async function* () {}, function* () {}, [][Symbol.iterator](), new Map().values(), new Set().values(), "".matchAll(/a/g), ""[Symbol.iterator](), (function () { return arguments; })()]))`,
    );
  isolate.dispose();
  return new Set(walked(JSON.parse(String(json))).natives);
}

const ENGINE = new Set([
  "Isolate",
  "Context",
  "Reference",
  "ExternalCopy",
  "Callback",
  "Script",
  "Module",
  "InspectorSession",
  "NativeModule",
]);

void test("a walk from globalThis, the context and all that ops answer finds nothing of the engine and the host", async () => {
  const source = `
    ${WALK}
    export default async (context) => {
      const caught = async (act) => { try { return await act(); } catch (error) { return error; } };
      return walk([
        globalThis, context, await context.kv.entry("a"), await caught(() => context.kv.set("a", 1)), context.kv.get("a"),
        await caught(() => context.writ.mask("x")), await caught(() => fetch("http://localhost/")), new URL("http://münchen.de/?a=b"),
        new URL("http://a/?a=b").searchParams, crypto.getRandomValues(new Uint8Array(4)), structuredClone({ a: new Map() }), import.meta,
        new AbortController(), new TextDecoder(), new TextEncoder(), await caught(() => structuredClone(() => 1)), setTimeout(() => 1, 1),
        await caught(() => (0, eval)("import('./x')")), async function* () {}, function* () {}, (function () { return arguments; })(), [][Symbol.iterator](),
      ]);
    };`;
  const ran = await runCode(source, {
    input: { a: [1] },
    ops: async (name) => {
      if (name === "kv.get") return { value: { a: [1] }, version: 1 };
      throw new Error("refused");
    },
  });
  assert.equal(ran.end, "success", ran.error?.message);
  const { count, natives, classes, foreign } = walked(ran.output);
  assert.ok(count > 800, `${count} nodes`);
  assert.deepEqual(foreign, [], "functions of another realm");
  const bare = bareNatives();
  assert.deepEqual(
    natives.filter((name) => !bare.has(name)),
    [],
    "native functions that an empty isolate does not have",
  );
  assert.deepEqual(
    [...natives, ...classes].filter((name) => ENGINE.has(name)),
    [],
  );
});

void test("the native functions without a name are the engine's own two, not the host's seven", async () => {
  // Host functions arrive without a name: this finds one that the walk above would take for a built-in.
  const source = `
    export default () => {
      const { ownKeys, getOwnPropertyDescriptor, getPrototypeOf, apply } = Reflect;
      const thrower = getOwnPropertyDescriptor(function () { "use strict"; return arguments; }(), "callee").get;
      const known = new Set([Function.prototype, thrower]);
      const seen = new Set();
      const queue = [globalThis, process, Deno, console];
      const found = [];
      while (queue.length > 0) {
        const node = queue.pop();
        if ((typeof node !== "object" && typeof node !== "function") || node === null || seen.has(node)) continue;
        seen.add(node);
        queue.push(getPrototypeOf(node));
        if (typeof node === "function" && !known.has(node) && /\\[native code\\]/.test(apply(Function.prototype.toString, node, [])) && !node.name)
          found.push(String(ownKeys(node)));
        for (const key of ownKeys(node)) { const d = getOwnPropertyDescriptor(node, key); queue.push(d.value, d.get, d.set); }
      }
      return found;
    };`;
  const ran = await runCode(source);
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(ran.output, []);
});
