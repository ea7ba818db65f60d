/** A run in a process that an earlier run of the same task has used: nothing of the earlier one is left, or acts. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime, workerPids } from "../runtime/support.ts";

const { runCode } = startRuntime();

void test("globals, registered symbols, prototypes and modules of an earlier run are gone", async () => {
  const leave = `
    globalThis.left = "canary"; Object.prototype.left = "canary"; Array.prototype.at = () => "canary"; Symbol.for("left").description;
    process.env.LEFT = "canary"; console.log = () => "canary"; JSON.parse = () => "canary"; Intl.left = "canary"; RegExp.left = "canary"; /(canary)/.test("canary");
    console.count("left"); console.time("left"); console.group("left");
    export default () => 1;`;
  const look = `
    export default ({ log }) => {
      console.count("left"); console.timeEnd("left"); console.log("flat");
      return [globalThis.left ?? null, ({}).left ?? null, [1].at(0), process.env.LEFT ?? null, JSON.parse("2"), Intl.left ?? null, RegExp.left ?? null, RegExp.$1];
    };`;
  await runCode(leave);
  const [worker] = workerPids();
  const ran = await runCode(look);
  assert.deepEqual(workerPids(), [worker], "the same process");
  assert.deepEqual(ran.output, [null, null, 1, null, 2, null, null, ""]);
  assert.deepEqual(
    ran.logs.map(({ text }) => text),
    ["left: 1", 'Timer "left" does not exist', "flat"],
  );
});

void test("ops, timers and microtasks that an earlier run has left act on no later one", async () => {
  const seen: string[] = [];
  const leave = `
    export default ({ kv, log }) => {
      for (let i = 0; i < 20; i++) kv.get("left" + i).then(() => { log.info("left"); kv.set("left", 1); }, () => 0);
      setInterval(() => { log.info("left"); kv.set("left", 1); }, 1);
      setTimeout(() => { for (;;); }, 5);
      (async () => { for (let i = 0; i < 1000; i++) { await null; kv.set("left", 1); } })();
      return "first";
    };`;
  const first = await runCode(leave, {
    ops: (name) => new Promise((go) => setTimeout(() => (seen.push(`${name} of first`), go(null)), 20)),
  });
  assert.equal(first.end, "success", first.error?.message);
  const later: string[] = [];
  const second = await runCode(
    `export default async ({ kv, log }) => { await new Promise((go) => setTimeout(go, 60)); await kv.get("own"); log.info("own"); return "second"; };`,
    {
      ops: async (name, args) => {
        later.push(`${name} ${JSON.stringify(args)}`);
        return null;
      },
    },
  );
  assert.deepEqual([second.end, second.output], ["success", "second"]);
  assert.deepEqual(later, ['kv.get {"key":"own"}']);
  assert.deepEqual(
    second.logs.map(({ text }) => text),
    ["own"],
  );
});

void test("a weakly held or finalised object of an earlier run calls nothing in a later one", async () => {
  await runCode(`
    globalThis.registry = new FinalizationRegistry(() => { for (;;); });
    for (let i = 0; i < 1000; i++) registry.register({ i }, i);
    export default () => 1;`);
  const ran = await runCode(
    "export default async () => { const a = []; for (let i = 0; i < 1e5; i++) a.push({ i }); await new Promise((go) => setTimeout(go, 20)); return a.length; };",
  );
  assert.equal(ran.output, 100_000);
});
