/** No way of loading code gives a task a module that is not in its bundle. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

void test("import(), require() and everything like them give nothing, in the module and in made-up code", async () => {
  const source = `
    export default async () => {
      const names = ["node:fs", "fs", "child_process", "worker_threads", "isolated-vm", "writ", "writ:bootstrap", "writ:entry", "task", "./task.ts", "file:///task.js",
        "file:///etc/passwd", "/etc/passwd", "data:text/javascript,export default 1", "http://localhost/", "", "..", "../sandbox.ts"];
      const ways = {
        importWith: (name) => new Function("name", "return import(name, { with: { type: 'json' } })")(name),
        evalImport: (name) => (0, eval)("import(" + JSON.stringify(name) + ")"),
        functionImport: (name) => new Function("name", "return import(name)")(name),
        asyncFunctionImport: (name) => (async () => {}).constructor("name", "return await import(name)")(name),
        generatorImport: (name) => (function* () {}).constructor("name", "yield import(name)")(name).next().value,
        timerImport: (name) => new Promise((go, no) => setTimeout(() => new Function("name", "return import(name)")(name).then(go, no), 0)),
        require: (name) => globalThis.require(name),
        binding: (name) => process.binding(name),
        builtin: (name) => process.getBuiltinModule(name),
        denoImport: (name) => Deno.dlopen(name),
        moduleRequire: (name) => import.meta.require(name),
        resolve: (name) => import.meta.resolve(name),
        worker: (name) => new Worker(name),
        importScripts: (name) => importScripts(name),
      };
      const worked = [];
      for (const name of names)
        for (const [label, way] of Object.entries(ways)) { try { await way(name); worked.push(label + " " + name); } catch {} }
      return [worked, Reflect.ownKeys(import.meta), (0, eval)("typeof require + typeof module + typeof exports + typeof __filename")];
    };`;
  const ran = await runCode(source);
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(ran.output, [[], [], "undefinedundefinedundefinedundefined"]);
});

void test("a bundle that asks the engine for a module at its top level does not run", async () => {
  const ran = await runCode(
    `const fs = await (0, eval)("import('node:fs')"); export default () => fs.readFileSync("/etc/passwd", "utf8");`,
  );
  assert.deepEqual([ran.end, ran.error?.code], ["failure", "TASK_THREW"]);
});
