/** The global through which a task is handed over: whoever takes it, ends or forges no run but its own. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

const HOOK = "__writ_task__";

void test("the hook is gone once a task runs, and shows no host to code that reads it before", async () => {
  const source = `
    const hook = globalThis.${HOOK};
    const before = [typeof hook, hook instanceof Function, Reflect.ownKeys(hook).sort().join()];
    export default () => [...before, "${HOOK}" in globalThis];`;
  const ran = await runCode(source);
  assert.deepEqual(ran.output, ["function", true, "length,name", false]);
});

const TAKE = `const hook = globalThis.${HOOK}; const put = (value) => Object.defineProperty(globalThis, "${HOOK}", { value });`;

/** Attack → how its run ends; none may end in any other way, and none may touch the next run. */
const ATTACKS: Readonly<Record<string, readonly [end: string, output: unknown]>> = {
  // The hook is the task's to call: it runs a function as the task, which is all a task can do anyway.
  [`globalThis.${HOOK}({ default: () => "early" }); export default () => "late";`]: ["success", "early"],
  [`${TAKE} hook({ default: () => "a" }); hook({ default: () => "b" }); put(() => {}); export default () => "c";`]:
    ["success", "a"],
  [`${TAKE} put(() => {}); export default () => 1;`]: ["failure", undefined],
  [`${TAKE} put(1); export default () => 1;`]: ["failure", undefined],
  [`${TAKE} put(() => { throw new Error("mine"); }); export default () => 1;`]: ["failure", undefined],
  [`${TAKE} put((task) => hook(new Proxy(task, {}))); export default () => 1;`]: ["success", 1],
  [`${TAKE} put(() => hook({ get default() { return () => "getter"; } })); export default () => 1;`]: [
    "success",
    "getter",
  ],
  [`${TAKE} put(() => hook({ get default() { throw new Error("mine"); } })); export default () => 1;`]: [
    "failure",
    undefined,
  ],
  [`globalThis.${HOOK} = () => {}; export default () => 1;`]: ["failure", undefined],
  [`delete globalThis.${HOOK}; export default () => 1;`]: ["failure", undefined],
  [`Object.defineProperty(globalThis, "${HOOK}", { configurable: false }); export default () => 1;`]: [
    "success",
    1,
  ],
  ["Object.freeze(globalThis); export default () => 1;"]: ["success", 1],
  ["Object.preventExtensions(globalThis); export default () => 1;"]: ["success", 1],
  [`Reflect.deleteProperty = () => { throw new Error("mine"); }; export default () => 1;`]: [
    "failure",
    undefined,
  ],
  [`globalThis.${HOOK}(undefined); export default () => 1;`]: ["failure", undefined],
  ["globalThis.settle = globalThis.done = () => 1; export default () => [typeof __writ, typeof begin];"]: [
    "success",
    ["undefined", "undefined"],
  ],
};

for (const [source, [end, output]] of Object.entries(ATTACKS)) {
  void test(`a run ends ${end} with: ${source.slice(0, 90)}`, async () => {
    const ran = await runCode(source);
    assert.equal(ran.end, end, JSON.stringify(ran.error));
    assert.deepEqual(ran.output, output);
    const next = await runCode("export default () => 1;");
    assert.deepEqual([next.end, next.output], ["success", 1]);
  });
}
