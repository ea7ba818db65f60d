import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./project.ts";

test("Tasks.load() refuses an id that two tasks roots have, so that no task gets another's kv", async () => {
  using project = new Project({ tasks: ["tasks", "more"] });
  project.task("one", { permissions: {} }, 'await kv.set("k", "of the first"); return 1;');
  project.task("two", { permissions: {} }, "return kv.list();");
  await using daemon = project.daemon();
  assert.equal((await project.run(daemon, "one")).output, 1);
  project.task("../more/one", { permissions: {} }, 'return kv.get("k");');
  for (const name of ["one", "more/one"]) {
    await assert.rejects(project.run(daemon, name), {
      code: "TASK_ID_INVALID",
      message: /"one" is also that of "(tasks|more)\/one"/,
    });
  }
  assert.deepEqual((await project.run(daemon, "two")).output, []);
});
