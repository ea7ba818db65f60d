/** No error, stack or call site that a task can see names a file, a folder or a module of the machine. */
import assert from "node:assert/strict";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { startRuntime, type Ran } from "../runtime/support.ts";

const { runCode } = startRuntime();

const ROOT = join(import.meta.dirname, "../..");
const HOST = [
  ROOT,
  process.cwd(),
  process.execPath,
  tmpdir(),
  homedir(),
  "/runtime/worker",
  "node_modules",
  "node:",
];

function assertNoPath(text: string): void {
  for (const part of HOST.filter((part) => part.length > 1))
    assert.equal(text.includes(part), false, `${part} in ${text.slice(0, 2_000)}`);
  const urls = text.match(/file:\/\/[^\s):"\\]*/g) ?? [];
  for (const url of urls) assert.equal(url, "file:///task.js");
}

/** Ways to make the platform, the engine or the bridge throw. */
const FAILING = {
  op: "await context.kv.get('refused')",
  opArgument: "await context.kv.set('a', 1n)",
  notYet: "context.writ.mask('x')",
  denied: "await fetch('http://localhost/')",
  url: "new URL('http://x:y:z/')",
  idna: "new URL('http://\\ud800/')",
  clone: "structuredClone(() => 1)",
  atob: "atob('*')",
  random: "crypto.getRandomValues(new Uint8Array(1e6))",
  randomLie:
    "crypto.getRandomValues(Object.defineProperty(new Uint8Array(4), 'byteLength', { value: () => 1 }))",
  randomSymbol:
    "crypto.getRandomValues(Object.defineProperty(new Uint8Array(4), 'byteLength', { value: Symbol() }))",
  randomHuge: "crypto.getRandomValues(Object.defineProperty(new Uint8Array(4), 'byteLength', { value: -1 }))",
  timer: "setTimeout(1)",
  timerSymbol: "setTimeout(() => 1, Symbol())",
  timerLie: "Math.trunc = () => () => 1; try { setTimeout(() => 1, 5) } finally { delete Math.trunc }",
  timerGetter: "Math.trunc = () => ({ get a() { throw new Error('mine'); } }); setTimeout(() => 1, 5)",
  import: "await (0, eval)('import(\"node:fs\")')",
  importFile: "await (0, eval)('import(\"file:///etc/passwd\")')",
  recursion: "(function f() { f(); })()",
  syntax: "new Function('(')",
  regexp: "new RegExp('(')",
  abort: "AbortSignal.abort().throwIfAborted()",
  decode: "new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))",
  label: "new TextDecoder('none')",
  json: "JSON.parse('{')",
  frozen: "'use strict'; context.env.A = 1",
  caller: "context.kv.get.caller",
  illegal: "new AbortSignal()",
  reject: "await Promise.reject(new Error('r'))",
  buffer: "new ArrayBuffer(1e15)",
};

void test("no message, stack, cause or property of an error that a task can catch has a path of the machine", async () => {
  const source = `
    export default async (context) => {
      const told = {};
      const tell = (error) => error instanceof Error
        ? [String(error), String(error.stack), Object.getOwnPropertyNames(error).map((key) => [key, String(error[key])]), error.cause && tell(error.cause)]
        : String(error);
      Error.stackTraceLimit = 200;
      ${Object.entries(FAILING)
        .map(
          ([name, code]) =>
            `try { ${code}; told.${name} = "no error"; } catch (error) { told.${name} = tell(error); }`,
        )
        .join("\n")}
      return told;
    };`;
  const ran = await runCode(source, {
    ops: () => Promise.reject(new Error(`ENOENT: no such file, open '${ROOT}/secret'`)),
    limits: { outputBytes: 1024 * 1024 },
  });
  assert.equal(ran.end, "success", `${ran.error?.message} ${ran.error?.stack}`);
  const told = JSON.stringify(ran.output);
  assert.ok(told.length > 3_000, told);
  assertNoPath(told);
});

void test("no call site has a path of the machine, a function or a receiver of the host", async () => {
  const source = `
    export default async (context) => {
      const seen = [];
      Error.stackTraceLimit = 200;
      Error.prepareStackTrace = (error, sites) => {
        for (const site of sites) {
          const facts = ["getFileName", "getScriptNameOrSourceURL", "getEvalOrigin", "getFunctionName", "getMethodName", "getTypeName", "toString", "getScriptHash"]
            .map((name) => { try { return String(site[name]?.()); } catch (error) { return String(error); } });
          const self = site.getThis?.(), made = site.getFunction?.();
          if (self !== undefined && self !== null && Object(self) === self && !(self instanceof Object)) facts.push("FOREIGN this");
          if (typeof made === "function" && !(made instanceof Function)) facts.push("FOREIGN function");
          seen.push(facts.join(" "));
        }
        return "";
      };
      const look = () => new Error("look").stack;
      look();
      await context.kv.get("a"); look();
      await context.kv.get("refused").catch(look);
      await context.kv.set("a", { toJSON: look });
      await new Promise((go) => setTimeout(() => { look(); go(); }, 1));
      context.log.info(new Proxy({}, { ownKeys() { look(); return []; } }));
      setTimeout(() => 1, { valueOf: look });
      for (const code of [${Object.values(FAILING)
        .map((code) => JSON.stringify(code))
        .join(", ")}])
        { try { await (0, eval)("(async (context) => { " + code + " })")(context); } catch (error) { try { void error.stack; } catch {} } }
      return [...new Set(seen)];
    };`;
  const ran = await runCode(source, {
    ops: async (_name, args) => {
      if (JSON.stringify(args).includes("refused")) throw new Error(`open '${ROOT}/secret'`);
      return null;
    },
    limits: { outputBytes: 1024 * 1024 },
  });
  assert.equal(ran.end, "success", `${ran.error?.message} ${ran.error?.stack}`);
  const told = JSON.stringify(ran.output);
  assert.ok(told.length > 500);
  assert.doesNotMatch(told, /FOREIGN/);
  assertNoPath(told);
});

void test("no record of a failed run has a path of the machine, however the run fails", async () => {
  const sources = [
    "throw new Error('top');",
    "null.x;",
    "await Promise.reject(new Error('top'));",
    "await (0, eval)('import(\"node:fs\")');",
    "export default () => { throw new Error('in'); };",
    "export default async () => { Promise.reject(new Error('lost')); await new Promise((go) => setTimeout(go, 5)); };",
    "export default async () => { setTimeout(() => { throw new Error('late'); }, 1); await new Promise((go) => setTimeout(go, 20)); };",
    "export default async () => { queueMicrotask(() => { throw new Error('soon'); }); await new Promise((go) => setTimeout(go, 20)); };",
    "export default async ({ kv }) => { await kv.get('a'); null.x; };",
    "export default async ({ kv }) => { kv.get('a').then(() => { throw new Error('after'); }); await new Promise((go) => setTimeout(go, 20)); };",
    "export default async ({ kv }) => { await kv.get('refused'); };",
    "export default () => /(?<a>)(?<a>)/;",
    "export default 1;",
    "export default async () => { await new Promise(() => {}); };",
    "Error.prepareStackTrace = (_, sites) => sites.join('\\n'); throw new Error('sites');",
    "export default () => { (function f() { f(); })(); };",
    "export default () => { const e = new Error('m'); e.stack = undefined; throw e; };",
    "globalThis.__writ_task__ = 1; export default () => 1;",
    "delete globalThis.__writ_task__; export default () => 1;",
    "throw null;",
    "throw Symbol('s');",
    "throw { toString() { throw 1; } };",
  ];
  for (const source of sources) {
    const ran: Ran = await runCode(source, {
      ops: async (_name, args) => {
        if (JSON.stringify(args).includes("refused")) throw new Error(`open '${ROOT}/secret'`);
        return null;
      },
    });
    assert.equal(ran.end, "failure", source);
    const { message, stack } = ran.error ?? {};
    assertNoPath(
      `${message}\n${stack}\n${ran.error?.hints.join("\n")}\n${ran.logs.map(({ text }) => text).join("\n")}`,
    );
  }
});
