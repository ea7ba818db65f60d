import assert from "node:assert/strict";
import { test } from "node:test";
import { runTask } from "../../test/harness/index.ts";

test("hello greets whom its params name, as often as they say", async () => {
  const run = await runTask(import.meta.dirname, { params: { name: "Ada", times: 2 } });
  assert.equal(run.state, "success");
  assert.deepEqual(run.output, { greeted: "Ada", attempt: 1 });
  assert.deepEqual(
    run.logs.map(({ level, text }) => `${level} ${text}`),
    ["info hello Ada", "info hello Ada"],
  );
});

test("hello uses its defaults when nothing is given", async () => {
  const run = await runTask(import.meta.dirname);
  assert.deepEqual(run.output, { greeted: "world", attempt: 1 });
});

test("hello refuses a param it does not declare", async () => {
  await assert.rejects(runTask(import.meta.dirname, { params: { nmae: "Ada" } }), {
    code: "PARAM_INVALID",
    message: /did you mean "name"/,
  });
});
