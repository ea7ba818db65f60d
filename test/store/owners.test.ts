import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import Sqlite from "better-sqlite3";
import { newOwnerId } from "../../base/id.ts";
import { STORE_FILE, Store } from "../../store/store.ts";
import { startProgram } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { AT, newRun, runFinish } from "./run-values.ts";

const clock = { now: () => AT + 1_000 };

test("recover() leaves the runs of living owners alone, its own included", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  using owner = store.own();
  using other = store.own();
  assert.notEqual(owner.id, other.id);
  const { id } = await store.runs.accept(newRun({ owner: owner.id }));
  await store.runs.start(id, { owner: owner.id, node: "here", at: AT });
  const child = startProgram("run-forever", folder.path);
  await child.printed(5);
  assert.deepEqual(await store.recover(), []);
  assert.equal((await store.runs.get(id))?.state, "running");
  child.process.kill("SIGKILL");
  await child.ended;
});

test("recover() ends what a killed process left, exactly once, however many recover at the same time", async () => {
  using folder = temporaryFolder();
  const accepted: string[] = [];
  const ended: string[] = [];
  const crashes = [[1, "accepted"], [2, "started"], [1], [40], [41], [42]] as const;
  for (const [lines, ...stay] of crashes) {
    const child = startProgram("run-forever", folder.path, ...stay);
    await child.printed(lines);
    child.process.kill("SIGKILL");
    assert.equal(await child.ended, "SIGKILL");
    for (const line of child.lines) {
      const [what, id = ""] = line.split(" ");
      if (what === "accepted") accepted.push(id);
      if (what === "ended") ended.push(id);
    }
  }
  const recovering = Array.from({ length: 3 }, () => startProgram("recover", folder.path));
  assert.deepEqual(await Promise.all(recovering.map((child) => child.ended)), [0, 0, 0]);
  const recovered = recovering.flatMap((child) => child.lines);
  assert.equal(new Set(recovered).size, recovered.length);
  assert.ok(recovered.length >= 2);

  await using store = await Store.open(folder.path, clock);
  assert.deepEqual(await store.recover(), []);
  assert.deepEqual(await store.runs.owners(), []);
  assert.deepEqual(readdirSync(join(folder.path, "owners")), []);
  for (const id of accepted)
    assert.notEqual(await store.runs.get(id), undefined, "an accepted run is never lost");
  for (const id of ended) assert.equal((await store.runs.get(id))?.state, "success", "an end never changes");
  for (const id of recovered) {
    const run = await store.runs.get(id);
    assert.deepEqual(
      [run?.state, run?.finish?.error?.code, run?.finish?.error?.blame],
      ["crashed", "RUN_ABANDONED", "operator"],
    );
    const attempts = await store.runs.attempts(id);
    assert.deepEqual(
      attempts.map(({ state }) => state),
      run?.attempt === 0 ? [] : ["crashed"],
    );
  }
  for (const state of ["queued", "running", "waiting"] as const) {
    assert.deepEqual((await store.runs.list({ state, limit: 10 })).items, []);
  }
  const raw = new Sqlite(join(folder.path, STORE_FILE), { readonly: true });
  assert.equal(raw.pragma("integrity_check", { simple: true }), "ok");
  assert.deepEqual(raw.pragma("foreign_key_check"), []);
  raw.close();
});

test("recover() never takes the file of an owner that is just coming to life", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const owning = startProgram("own-often", folder.path, "1000");
  let over = false;
  void owning.ended.then(() => (over = true));
  for (;;) {
    await store.recover();
    await setImmediate();
    if (over) break;
  }
  assert.equal(await owning.ended, 0);
  assert.deepEqual(owning.lines, ["0"]);
});

test("recover() shuts out an owner that was only thought dead", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  using owner = store.own();
  const { id } = await store.runs.accept(newRun({ owner: owner.id }));
  const claim = await store.runs.start(id, { owner: owner.id, node: "here", at: AT });
  assert.ok(claim);
  // Somebody emptied the folder: for the store the owner is gone.
  rmSync(join(folder.path, "owners", `${owner.id}.lock`));
  assert.deepEqual(await store.recover(), [id]);
  assert.equal(await store.runs.finish(id, claim.fence, runFinish("success")), false);
  assert.equal((await store.runs.get(id))?.state, "crashed");
});

test("recover() ends a reserved run that never began, and no run that anybody may claim", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const reserved = await store.runs.accept(newRun({ owner: newOwnerId(AT) }));
  const free = await store.runs.accept(newRun());
  assert.deepEqual(await store.recover(), [reserved.id]);
  const run = await store.runs.get(reserved.id);
  assert.deepEqual([run?.state, run?.attempt, run?.finish?.finishedAt], ["crashed", 0, AT + 1_000]);
  assert.match(run?.finish?.error?.message ?? "", /before it began/);
  assert.equal((await store.runs.get(free.id))?.state, "queued");
});

test("recover() removes the files of the dead and touches nothing else in the folder", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const owners = join(folder.path, "owners");
  mkdirSync(owners, { mode: 0o700 });
  const dead = `${newOwnerId(AT)}.lock`;
  for (const name of [dead, "scheduler.lock", "own_short.lock", "notes.txt"])
    writeFileSync(join(owners, name), "");
  await store.recover();
  assert.deepEqual(readdirSync(owners).sort(), ["notes.txt", "own_short.lock", "scheduler.lock"]);
});

test("an owner that is disposed of leaves no file, and can be disposed of twice", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, clock);
  const owner = store.own();
  const path = join(folder.path, "owners", `${owner.id}.lock`);
  assert.ok(existsSync(path));
  assert.deepEqual(readdirSync(join(folder.path, "owners")), [`${owner.id}.lock`]);
  owner[Symbol.dispose]();
  assert.ok(!existsSync(path));
  owner[Symbol.dispose]();
});
