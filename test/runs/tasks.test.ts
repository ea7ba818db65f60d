import assert from "node:assert/strict";
import { renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

test("Tasks.load() takes no authority from outside of the task's folder, where a link leads", async () => {
  using project = new Project();
  project.task("linked", { permissions: {} }, "return 1;");
  const manifest = join(project.dir, "tasks/linked/task.yaml");
  await using daemon = project.daemon();
  renameSync(manifest, join(project.dir, "tasks/linked/real.yaml"));
  symlinkSync("real.yaml", manifest);
  assert.equal((await project.run(daemon, "linked")).output, 1);
  assert.deepEqual(
    (await daemon.tasks.list()).map(({ id }) => id),
    ["linked"],
  );

  project.task("astray", { permissions: {} }, "return 1;");
  writeFileSync(join(project.dir, "outside.yaml"), "permissions: {}\n");
  const astray = join(project.dir, "tasks/astray/task.yaml");
  renameSync(astray, `${astray}.old`);
  symlinkSync("../../outside.yaml", astray);
  await assert.rejects(project.run(daemon, "astray"), { code: "FILE_UNUSABLE", message: /leads out/ });
});
