import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { systemClock } from "../../base/clock.ts";
import { newRunId } from "../../base/id.ts";
import type { RunFinish } from "../../store/ports.ts";
import { RUN_PAGE_MAX } from "../../store/runs.ts";
import { STORE_FILE, Store } from "../../store/store.ts";
import { temporaryFolder } from "./folder.ts";
import { AT, newRun, runFinish } from "./run-values.ts";

const BY = { owner: "own_a", node: "here", at: AT + 5 };

test("get() gives back every part of what accept() took", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const run = newRun({
    workspace: "payments",
    trigger: { kind: "cron", slot: "2026-11-20T09:00:00Z" },
    input: Buffer.from([0, 255, 1]),
    owner: "own_a",
    parentRun: newRunId(AT - 2),
    retryOf: newRunId(AT - 1),
    slot: { trigger: "nightly", at: AT },
    idempotency: { key: "hook:x", until: AT + 1 },
  });
  assert.deepEqual(await store.runs.accept(run), { id: run.id, fresh: true });
  assert.deepEqual(await store.runs.get(run.id), {
    ...run,
    state: "queued",
    attempt: 0,
    startedAt: undefined,
    finish: undefined,
  });
  assert.equal(await store.runs.get(newRunId(AT)), undefined);
});

test("accept() is on disk when it resolves", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const run = newRun();
  await store.runs.accept(run);
  const other = new Sqlite(join(folder.path, STORE_FILE), { readonly: true });
  assert.deepEqual(other.prepare("SELECT id, state FROM runs").all(), [{ id: run.id, state: "queued" }]);
  other.close();
});

test("accept() throws for an id that exists and changes nothing", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const run = newRun();
  await store.runs.accept(run);
  await assert.rejects(store.runs.accept({ ...run, task: "other" }), /UNIQUE/);
  assert.equal((await store.runs.get(run.id))?.task, "hello");
});

test("accept() takes one run for a slot of a task's trigger, however often it is offered", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await using second = await Store.open(folder.path, systemClock);
  const slot = { trigger: "nightly", at: AT };
  const offered = await Promise.all(
    [store, second, store, second].map((each) => each.runs.accept(newRun({ slot }))),
  );
  assert.equal(offered.filter((each) => each.fresh).length, 1);
  assert.equal(new Set(offered.map((each) => each.id)).size, 1);
  for (const other of [
    newRun({ slot: { trigger: "nightly", at: AT + 1 } }),
    newRun({ slot: { trigger: "hourly", at: AT } }),
    newRun({ slot, task: "other" }),
  ]) {
    assert.deepEqual(await store.runs.accept(other), { id: other.id, fresh: true });
  }
});

test("accept() answers an idempotency key with its first run until its time has passed", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const first = newRun({ idempotency: { key: "api:1:abc", until: AT + 100 } });
  const again = newRun({ createdAt: AT + 99, idempotency: { key: "api:1:abc", until: AT + 200 } });
  const later = newRun({ createdAt: AT + 100, idempotency: { key: "api:1:abc", until: AT + 200 } });
  assert.deepEqual(await store.runs.accept(first), { id: first.id, fresh: true });
  assert.deepEqual(await store.runs.accept(again), { id: first.id, fresh: false });
  assert.equal(await store.runs.get(again.id), undefined);
  assert.deepEqual(await store.runs.accept(later), { id: later.id, fresh: true });
  assert.equal((await store.runs.get(first.id))?.idempotency, undefined);
});

test("finish() writes the whole end once; the second end and a wrong fence write nothing", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  assert.deepEqual(await store.runs.start(id, BY), { fence: 1, attempt: 1 });
  assert.equal(await store.runs.finish(id, 2, runFinish("success")), false);
  assert.equal((await store.runs.get(id))?.state, "running");

  const end: RunFinish = runFinish("failure", {
    output: undefined,
    error: { code: "TASK_THREW", message: "no", blame: "author", stack: "task.ts:1:1", hints: ["mend it"] },
    warnings: [{ code: "SECRETS_UNMASKABLE", message: "short" }],
  });
  assert.equal(await store.runs.finish(id, 1, end), true);
  assert.equal(await store.runs.finish(id, 1, runFinish("success")), false);
  assert.equal(await store.runs.start(id, BY), undefined);
  assert.equal(await store.runs.block(id, runFinish("cancelled")), false);
  const stored = await store.runs.get(id);
  assert.deepEqual(
    [stored?.state, stored?.attempt, stored?.startedAt, stored?.finish],
    ["failure", 1, BY.at, end],
  );
  assert.deepEqual(await store.runs.attempts(id), [
    { attempt: 1, state: "failure", startedAt: BY.at, finishedAt: end.finishedAt, error: end.error },
  ]);
});

test("the database itself refuses to change an end", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  await store.runs.block(id, runFinish("skipped"));
  const raw = new Sqlite(join(folder.path, STORE_FILE));
  assert.throws(() => raw.exec("UPDATE runs SET state = 'success'"), /the end of a run never changes/);
  assert.throws(() => raw.exec("UPDATE runs SET state = 'queued', finished_at = NULL"), /never changes/);
  raw.close();
  assert.equal((await store.runs.get(id))?.state, "skipped");
});

test("start() gives a run to one owner only", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await using second = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  const claims = await Promise.all([
    store.runs.start(id, BY),
    second.runs.start(id, { ...BY, owner: "own_b" }),
  ]);
  assert.equal(claims.filter((claim) => claim !== undefined).length, 1);

  const reserved = await store.runs.accept(newRun({ owner: "own_b" }));
  assert.equal(await store.runs.start(reserved.id, BY), undefined);
  assert.deepEqual(await store.runs.start(reserved.id, { ...BY, owner: "own_b" }), { fence: 1, attempt: 1 });
  assert.equal(await store.runs.start(newRunId(AT), BY), undefined);
});

test("block() ends a run that has not begun, without an attempt, and leaves a running one alone", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  const end = runFinish("blocked", {
    output: undefined,
    error: { code: "SECRETS_REQUIRED_MISSING", message: "missing", blame: "operator" },
  });
  assert.equal(await store.runs.block(id, end), true);
  const stored = await store.runs.get(id);
  assert.deepEqual(
    [stored?.state, stored?.attempt, stored?.startedAt, stored?.finish],
    ["blocked", 0, undefined, end],
  );
  assert.deepEqual(await store.runs.attempts(id), []);

  const running = await store.runs.accept(newRun());
  await store.runs.start(running.id, BY);
  assert.equal(await store.runs.block(running.id, runFinish("cancelled")), false);
  assert.equal((await store.runs.get(running.id))?.state, "running");
});

test("list() gives the newest first, page by page, filtered by task and state", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const runs = Array.from({ length: 25 }, (_, index) =>
    newRun({ id: newRunId(AT + index), task: index % 2 === 0 ? "even" : "odd", createdAt: AT + index }),
  );
  await Promise.all(runs.toReversed().map((run) => store.runs.accept(run)));
  for (const run of runs.slice(0, 4)) await store.runs.block(run.id, runFinish("skipped"));
  const ids = runs.map((run) => run.id).toReversed();

  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.runs.list({ limit: 10, ...(cursor !== undefined && { cursor }) });
    assert.ok(page.items.length <= 10);
    seen.push(...page.items.map((run) => run.id));
    cursor = page.next;
  } while (cursor !== undefined);
  assert.deepEqual(seen, ids);

  const count = async (filter: { task?: string; state?: "skipped" | "queued" }): Promise<number> =>
    (await store.runs.list({ ...filter, limit: 100 })).items.length;
  assert.equal(await count({ task: "even" }), 13);
  assert.equal(await count({ state: "skipped" }), 4);
  assert.equal(await count({ task: "odd", state: "skipped" }), 2);
  assert.equal(await count({ task: "even' OR '1'='1" }), 0);
  const [first] = (await store.runs.list({ limit: 1 })).items;
  assert.deepEqual(first, {
    id: ids[0],
    task: "even",
    workspace: undefined,
    actor: "cli:tester",
    trigger: { kind: "manual" },
    state: "queued",
    attempt: 0,
    createdAt: AT + 24,
    startedAt: undefined,
    finishedAt: undefined,
    error: undefined,
  });
});

test("list() keeps its page within bounds and refuses a cursor it did not give", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await Promise.all(Array.from({ length: RUN_PAGE_MAX + 1 }, () => store.runs.accept(newRun())));
  for (const limit of [RUN_PAGE_MAX + 1, Number.MAX_VALUE, Number.NaN]) {
    assert.equal((await store.runs.list({ limit })).items.length, RUN_PAGE_MAX, String(limit));
  }
  assert.equal((await store.runs.list({ limit: -1 })).items.length, 1);
  await assert.rejects(store.runs.list({ limit: 1, cursor: "zzz" }), { code: "USAGE" });
});

test("every list and every lookup by recovery, slot or retention goes through an index", async () => {
  using folder = temporaryFolder();
  await (await Store.open(folder.path, systemClock))[Symbol.asyncDispose]();
  const raw = new Sqlite(join(folder.path, STORE_FILE));
  const plan = (sql: string): string =>
    raw
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => JSON.stringify(row))
      .join();
  const expected: readonly (readonly [sql: string, index: string])[] = [
    ["SELECT id FROM runs WHERE task = 'a' AND id < 'b' ORDER BY id DESC LIMIT 9", "runs_by_task"],
    ["SELECT id FROM runs WHERE state = 'a' AND id < 'b' ORDER BY id DESC LIMIT 9", "runs_by_state"],
    ["SELECT id FROM runs WHERE task = 'a' AND state = 'b' ORDER BY id DESC LIMIT 9", "runs_by_task_state"],
    ["SELECT actor FROM runs WHERE id < 'b' ORDER BY id DESC LIMIT 9", "sqlite_autoindex_runs_1"],
    ["SELECT id FROM runs WHERE owner = 'a' AND state IN ('queued', 'running')", "runs_owned"],
    [
      "SELECT DISTINCT owner FROM runs INDEXED BY runs_owned WHERE owner IS NOT NULL AND state IN ('queued', 'running')",
      "runs_owned",
    ],
    ["SELECT id FROM runs WHERE task = 'a' AND trigger_id = 'b' AND slot = 1", "runs_slot"],
    ["SELECT id FROM runs WHERE idempotency_key = 'a'", "runs_idempotency"],
    ["SELECT id FROM runs WHERE finished_at < 9 ORDER BY finished_at LIMIT 9", "runs_by_end"],
    ["SELECT id FROM runs WHERE task = 'a' ORDER BY id DESC LIMIT 9 OFFSET 1000", "runs_by_task"],
    [
      "SELECT count(*) FROM runs WHERE task = 'a' AND concurrency_key = 'b' AND state = 'running'",
      "runs_concurrent",
    ],
  ];
  for (const [sql, index] of expected) {
    const found = plan(sql);
    assert.match(found, new RegExp(`INDEX ${index}\\b`), sql);
    assert.doesNotMatch(found, /TEMP B-TREE/, sql);
  }
  raw.close();
});

test("removing a run takes its attempts and lines with it", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  await store.runs.start(id, BY);
  await store.logs.append(id, 1, [{ t: AT, level: "info", text: "x" }]);
  const raw = new Sqlite(join(folder.path, STORE_FILE));
  raw.pragma("foreign_keys = ON");
  raw.prepare("DELETE FROM runs WHERE id = ?").run(id);
  raw.close();
  assert.deepEqual(await store.runs.attempts(id), []);
  assert.deepEqual(await store.logs.read(id, { after: 0 }), []);
});
