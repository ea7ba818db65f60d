/** cli/commands/init.ts: the types it lays down are enough for an editor, with nothing installed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCli } from "../../cli/run-cli.ts";
import { fakeWorld } from "./fake-world.ts";

const TSC = join(import.meta.dirname, "../../node_modules/typescript/bin/tsc");
const folder = await mkdtemp(join(tmpdir(), "writ-init-"));
after(() => rm(folder, { recursive: true, force: true }));

async function typeCheck(): Promise<string> {
  const child = spawn(process.execPath, [TSC, "-p", folder], { cwd: folder, env: {} });
  const [output] = await Promise.all([child.stdout.toArray(), once(child, "close")]);
  return Buffer.concat(output).toString();
}

test("init makes a project whose tasks type-check, and whose mistakes do not", async () => {
  assert.equal(await runCli(fakeWorld(["init"], { cwd: folder })), 0);
  assert.equal(await typeCheck(), "");
  const task = join(folder, "tasks/hello/task.ts");
  await writeFile(
    task,
    'import type { Task } from "writ";\nexport default (({ kv }) => kv.gte("x")) satisfies Task;\n',
  );
  assert.match(
    await typeCheck(),
    /^tasks\/hello\/task\.ts\(2,\d+\): error TS\d+: Property 'gte' does not exist/,
  );
  await writeFile(task, "export default () => process.exit(document.title);\n");
  assert.match(await typeCheck(), /'process'[^]*'document'/);
});
