/** From every value a task is given, up its constructors: none leads to a function of the host. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { AppError } from "../../base/error.ts";
import { startRuntime, temporaryFolder } from "../runtime/support.ts";
import { HOST_IN } from "./guest.ts";

const { runCode } = startRuntime();

void test("no value of the context, of an op, of an error or of the platform leads to the host", async () => {
  const source = `
    ${HOST_IN}
    export default async (context) => {
      const caught = async (act) => { try { return await act(); } catch (error) { return error; } };
      const values = [
        context, ...Object.values(context), ...Object.values(context.kv), ...Object.values(context.writ), ...Object.values(context.log),
        await context.kv.get("a"), await caught(() => context.kv.set("a", 1)), context.kv.get("a"), context.kv.get,
        await caught(() => context.writ.mask("x")), await caught(() => fetch("http://localhost/")), await caught(() => { throw null; }),
        crypto.getRandomValues(new Uint8Array(8)), crypto.getRandomValues(new Uint8Array(8)).buffer, crypto.randomUUID,
        await caught(() => new URL("http://x:y:z/")), new URL("http://münchen.de/"), new TextDecoder().decode(new Uint8Array(2)),
        structuredClone({ a: [new Map([[1, 2]])] }), await caught(() => structuredClone(() => 1)), setTimeout(() => 1, 1),
        await caught(() => atob("*")), await caught(() => (0, eval)("import('./x')")), new AbortController().signal, context.signal.reason,
        globalThis.__writ, globalThis.console, globalThis.process, globalThis.Deno, process.env, Deno.env, new Error("x"),
        (function () { return arguments; })(), new Proxy({}, {}), async () => 1, function* () {}, async function* () {}, class {},
        Intl.DateTimeFormat(), new Intl.Segmenter(), Symbol.prototype, new WeakRef({}), import.meta,
      ];
      return holds(values);
    };`;
  const ran = await runCode(source, {
    params: { a: { b: [1] } },
    input: { c: [{ d: "e" }] },
    ops: async (name) => {
      if (name === "kv.get") return { value: { a: [1, { b: 2 }] }, version: 1 };
      throw new AppError("PERMISSION_DENIED", "no", { hints: ["add it"] });
    },
  });
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(ran.output, []);
});

void test("the classic one-liners write no file and give no process", async () => {
  using folder = temporaryFolder();
  const mark = join(folder.path, "mark");
  const write = `mainModule.require("fs").writeFileSync(${JSON.stringify(mark)}, "x")`;
  const attacks = [
    `this.constructor.constructor("return process")().${write}`,
    `globalThis.constructor.constructor("return process")().${write}`,
    `[].constructor.constructor("return process")().${write}`,
    `(async () => {}).constructor("return process")().then((p) => p.${write})`,
    `(function* () {}).constructor("return process")().next().value.${write}`,
    `context.kv.get.constructor("return process")().${write}`,
    `context.log.info.constructor.constructor("return process")().${write}`,
    `console.log.constructor("return this")().process.${write}`,
    `setTimeout.constructor("return process")().${write}`,
    `crypto.randomUUID.constructor("return process")().${write}`,
    `Reflect.getPrototypeOf(context.kv.get).constructor("return process")().${write}`,
    `Object.getPrototypeOf(async function () {}).constructor("return process")().then((p) => p.${write})`,
    `new Function("return (this.constructor.constructor('return this.process.mainModule')())")().require("fs")`,
    `process.binding("fs")`,
    `process.mainModule.require("fs")`,
    `process.getBuiltinModule("fs")`,
    `process.constructor.constructor("return require('fs')")()`,
    `(0, eval)("require('fs')")`,
    `(Error.prepareStackTrace = (_, sites) => sites.map((site) => site.getThis()).find((x) => x && x.process).process.${write}, new Error().stack.length)`,
    `context.signal.constructor.constructor("return process")().${write}`,
    `kvPromise.constructor.constructor("return process")().${write}`,
  ];
  const source = `
    export default async (context) => {
      const kvPromise = context.kv.get("a");
      const worked = [];
      const attacks = ${JSON.stringify(attacks)};
      for (const code of attacks) {
        try { await new Function("context", "kvPromise", "return (" + code + ");")(context, kvPromise); worked.push(code); } catch {}
        try { await (0, eval)("(async (context, kvPromise) => (" + code + "))")(context, kvPromise); worked.push(code); } catch {}
      }
      return worked;
    };`;
  const ran = await runCode(source);
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(ran.output, []);
  assert.equal(existsSync(mark), false);
});
