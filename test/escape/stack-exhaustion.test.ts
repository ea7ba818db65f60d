/** Host functions called with next to no stack left: what they throw is the task's own, and says nothing of the host. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime } from "../runtime/support.ts";
import { HOST_IN } from "./guest.ts";

const { runCode } = startRuntime();

void test("an overflow inside a host function gives an error of the task's own realm, without a path", async () => {
  const source = `
    ${HOST_IN}
    export default async ({ kv, log }) => {
      const acts = {
        op: () => { kv.get("a").catch(() => 0); }, log: () => log.info("x"), timer: () => clearTimeout(setTimeout(() => 1, 1e6)),
        random: () => crypto.randomUUID(), ascii: () => new URL("http://münchen.de/"), clone: () => structuredClone({ a: [1] }),
      };
      const errors = [];
      for (const act of Object.values(acts)) {
        // From the depth at which nothing works up to where everything does.
        let left = 300;
        const descend = () => { try { descend(); } catch (error) { errors.push(error); } if (left-- > 0) try { act(); } catch (error) { errors.push(error); } };
        try { descend(); } catch (error) { errors.push(error); }
        if (errors.length > 500) errors.length = 500;
      }
      await null;
      return [errors.length > 6, errors.every((error) => error instanceof Error), holds(errors), [...new Set(errors.map(String))], [...new Set(errors.map((error) => String(error.stack)).join("\\n").match(/(?:file|node):[^\\s):]*/g))]];
    };`;
  const ran = await runCode(source, {
    limits: { ops: 100_000, cpuMs: 10_000, timeoutMs: 20_000, memoryBytes: 256 * 1024 * 1024 },
  });
  assert.equal(ran.end, "success", `${ran.error?.message} ${ran.error?.stack}`);
  assert.ok(Array.isArray(ran.output));
  const [many, own, held, texts, files] = ran.output;
  assert.deepEqual([many, own, held], [true, true, []]);
  assert.doesNotMatch(JSON.stringify(texts), /node:|\/runtime\/|isolated/);
  assert.deepEqual(files, ["file:///task.js"]);
});
