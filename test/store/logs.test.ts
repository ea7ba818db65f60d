import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import { newRunId } from "../../base/id.ts";
import { LOG_PAGE_MAX } from "../../store/logs.ts";
import { Store } from "../../store/store.ts";
import { temporaryFolder } from "./folder.ts";
import { AT, newRun } from "./run-values.ts";

const line = (text: string) => ({ t: AT, level: "info" as const, text });

test("append() numbers lines within their run in the order of the calls, awaited or not", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const a = await store.runs.accept(newRun());
  const b = await store.runs.accept(newRun());
  const lasts = await Promise.all([
    store.logs.append(a.id, 1, [line("a1"), line("a2")]),
    store.logs.append(b.id, 1, [{ t: AT, level: "error", text: "b1 \0 \u001b[31m" }]),
    store.logs.append(a.id, 1, []),
    store.logs.append(a.id, 2, [line("a3")]),
  ]);
  assert.deepEqual(lasts, [2, 1, 2, 3]);
  assert.deepEqual(await store.logs.read(a.id, { after: 1 }), [
    { seq: 2, attempt: 1, t: AT, level: "info", text: "a2" },
    { seq: 3, attempt: 2, t: AT, level: "info", text: "a3" },
  ]);
  assert.deepEqual(await store.logs.read(b.id, { after: 0 }), [
    { seq: 1, attempt: 1, t: AT, level: "error", text: "b1 \0 \u001b[31m" },
  ]);
});

test("append() writes all lines or none", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock, { testOnlyMaxPages: 80 });
  const { id } = await store.runs.accept(newRun());
  const flood = Array.from({ length: 100 }, () => line("x".repeat(10_000)));
  await assert.rejects(store.logs.append(id, 1, flood), { code: "STORE_UNAVAILABLE" });
  assert.deepEqual(await store.logs.read(id, { after: 0 }), []);
  assert.equal(await store.logs.append(id, 1, [line("small")]), 1);
});

test("append() refuses lines of a run that does not exist", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await assert.rejects(store.logs.append(newRunId(AT), 1, [line("lost")]), /FOREIGN KEY/);
});

test("read() gives at most a page, and the rest after its last line", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const { id } = await store.runs.accept(newRun());
  await store.logs.append(
    id,
    1,
    Array.from({ length: LOG_PAGE_MAX + 1 }, (_, index) => line(`${index}`)),
  );
  const page = await store.logs.read(id, { after: 0 });
  assert.equal(page.length, LOG_PAGE_MAX);
  const rest = await store.logs.read(id, { after: page.at(-1)?.seq ?? 0 });
  assert.deepEqual(
    rest.map(({ text }) => text),
    [`${LOG_PAGE_MAX}`],
  );
});

test("rewrite() changes every line of one run and leaves the old text in no file", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  await using look = await Store.openReadOnly(folder.path, systemClock);
  const canary = "canary-7f3a-not-a-real-secret";
  const found = (): readonly string[] =>
    readdirSync(folder.path).filter((file) => readFileSync(join(folder.path, file)).includes(canary));
  const a = await store.runs.accept(newRun());
  const b = await store.runs.accept(newRun());
  const long = `${canary} `.repeat(400);
  await store.logs.append(a.id, 1, [line(canary), line("plain"), line(long)]);
  await store.logs.append(b.id, 1, [line("kept")]);
  assert.notDeepEqual(found(), []);
  assert.equal((await look?.logs.read(a.id, { after: 0 }))?.length, 3);
  await store.logs.rewrite(a.id, (text) => text.replaceAll(canary, "*"));
  assert.deepEqual(found(), []);
  const texts = (await store.logs.read(a.id, { after: 0 })).map(({ text }) => text);
  assert.deepEqual(texts, ["*", "plain", "* ".repeat(400)]);
  assert.deepEqual(
    (await store.logs.read(b.id, { after: 0 })).map(({ text }) => text),
    ["kept"],
  );
});
