import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import Sqlite from "better-sqlite3";
import { systemClock } from "../../base/clock.ts";
import { unkeyedMac } from "../../store/audit.ts";
import { Database, type Schema } from "../../store/database.ts";
import { STORE_FILE, Store } from "../../store/store.ts";
import { startProgram } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { newRun } from "./run-values.ts";

const ONE: Schema = { applicationId: 77, migrations: ["CREATE TABLE t (x TEXT NOT NULL UNIQUE) STRICT"] };
const TWO: Schema = { applicationId: 77, migrations: [...ONE.migrations, "CREATE TABLE u (x TEXT) STRICT"] };

function put(db: Database, text: string): Promise<unknown> {
  return db.transaction(() => db.sql("INSERT INTO t VALUES (?)").run(text));
}

function texts(db: Database): Promise<readonly unknown[]> {
  return db.read(() => db.sql("SELECT x FROM t ORDER BY rowid").pluck().all());
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

test("Store.open() closes folder and files to everybody else, whatever the umask", async () => {
  using folder = temporaryFolder();
  const dataDir = join(folder.path, ".writ");
  const before = process.umask(0);
  try {
    await using store = await Store.open(dataDir, systemClock);
    await store.setMeta("a", "b");
    assert.equal(statSync(dataDir).mode & 0o777, 0o700);
    const files = readdirSync(dataDir);
    assert.deepEqual(files.sort(), ["writ.db", "writ.db-shm", "writ.db-wal"]);
    for (const file of files) assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file);
  } finally {
    process.umask(before);
  }
});

test("Store.open() closes a file that was opened to others, and refuses a folder others can write", async () => {
  using folder = temporaryFolder();
  await (await Store.open(folder.path, systemClock))[Symbol.asyncDispose]();
  chmodSync(join(folder.path, STORE_FILE), 0o644);
  await (await Store.open(folder.path, systemClock))[Symbol.asyncDispose]();
  assert.equal(statSync(join(folder.path, STORE_FILE)).mode & 0o777, 0o600);

  chmodSync(folder.path, 0o770);
  await assert.rejects(Store.open(folder.path, systemClock), {
    code: "STORE_UNAVAILABLE",
    message: /others may write to this folder/,
    hints: [`run \`chmod 700 "${folder.path}"\``],
  });
});

test("Store.open() says what to do when the parent is missing, a file is in the way, or the store is a folder", async () => {
  using folder = temporaryFolder();
  const missing = join(folder.path, "no", "data");
  await assert.rejects(Store.open(missing, systemClock), {
    code: "STORE_UNAVAILABLE",
    message: `could not use "${missing}": the folder "${join(folder.path, "no")}" does not exist`,
    hints: ["create it, or change `data_dir` in writ.yaml"],
  });
  const file = join(folder.path, "file");
  writeFileSync(file, "mine");
  await assert.rejects(Store.open(file, systemClock), {
    code: "STORE_UNAVAILABLE",
    message: /is a file or a broken link/,
  });
  await assert.rejects(Store.open(join(file, "data"), systemClock), { code: "STORE_UNAVAILABLE" });
  assert.equal(readFileSync(file, "utf8"), "mine");
  const dataDir = join(folder.path, "data");
  mkdirSync(join(dataDir, STORE_FILE), { recursive: true, mode: 0o700 });
  await assert.rejects(Store.open(dataDir, systemClock), {
    code: "STORE_UNAVAILABLE",
    message: /it is a folder; it must be a file/,
  });
});

test("Store.open() says so when it may not write to the folder or the file", async () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  const dataDir = join(folder.path, "data");
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o555);
  const empty = startProgram("open-unprivileged", dataDir);
  assert.equal(await empty.ended, 0);
  assert.match(
    empty.lines.join("\n"),
    /^STORE_UNAVAILABLE \| .*"[^"]*data" is not readable and writable by this user \| give this user write access/,
  );
  assert.deepEqual(readdirSync(dataDir), []);

  chmodSync(dataDir, 0o755);
  await (await Store.open(dataDir, systemClock))[Symbol.asyncDispose]();
  const file = join(dataDir, STORE_FILE);
  chmodSync(file, 0o444);
  chmodSync(dataDir, 0o555);
  const hash = sha256(file);
  const filled = startProgram("open-unprivileged", dataDir);
  assert.equal(await filled.ended, 0);
  assert.match(filled.lines.join("\n"), /^STORE_UNAVAILABLE \| .*is not readable and writable by this user/);
  assert.equal(sha256(file), hash);
  chmodSync(dataDir, 0o700);
});

test("Database.open() refuses a newer schema and leaves every byte, the write-ahead log's too", async () => {
  using folder = temporaryFolder();
  const live = join(folder.path, "live.db");
  const writer = new Sqlite(live);
  writer.pragma("journal_mode = WAL");
  writer.exec("CREATE TABLE t (x); PRAGMA application_id = 77; PRAGMA user_version = 3");
  // A copy with its log, as a killed process leaves it: opening it for writing would fold the log in.
  const path = join(folder.path, "newer.db");
  cpSync(live, path);
  cpSync(`${live}-wal`, `${path}-wal`);
  writer.close();
  const before = [sha256(path), sha256(`${path}-wal`)];

  await assert.rejects(Database.open(path, TWO), {
    code: "STORE_TOO_NEW",
    message: `could not open "${path}": it has schema 3, this writ knows schemas up to 2`,
  });
  await assert.rejects(Database.openReadOnly(path, TWO), { code: "STORE_TOO_NEW" });
  assert.deepEqual([sha256(path), sha256(`${path}-wal`)], before);
});

test("Database.open() brings an older file up to date and keeps what it holds", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  {
    await using db = await Database.open(path, ONE);
    await put(db, "kept");
  }
  await assert.rejects(Database.openReadOnly(path, TWO), {
    code: "STORE_UNAVAILABLE",
    message: /older writ \(schema 1, this one reads 2\)/,
  });
  await using db = await Database.open(path, TWO);
  assert.deepEqual(await texts(db), ["kept"]);
  await db.transaction(() => db.sql("INSERT INTO u VALUES ('new')").run());
});

test("Database.open() leaves a file at its old schema when a migration fails half-way", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  await (await Database.open(path, ONE))[Symbol.asyncDispose]();
  const broken = { ...ONE, migrations: [...ONE.migrations, "CREATE TABLE u (x) STRICT; CREATE TABLE t (x)"] };
  await assert.rejects(Database.open(path, broken));
  await using db = await Database.open(path, TWO);
  assert.deepEqual(await texts(db), []);
});

test("Database.open() gives four openers of a new file one schema", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  const opened = await Promise.all(Array.from({ length: 4 }, () => Database.open(path, TWO)));
  await Promise.all(opened.map((db, index) => put(db, String(index))));
  const [first] = opened;
  assert.ok(first);
  assert.equal((await texts(first)).length, 4);
  for (const db of opened) await db[Symbol.asyncDispose]();
});

test("Database.open() refuses bytes that are no database, a damaged one, and another program's", async () => {
  using folder = temporaryFolder();
  const noise = join(folder.path, "noise.db");
  writeFileSync(noise, "canary ".repeat(2_000), { mode: 0o600 });
  const hash = sha256(noise);
  await assert.rejects(Database.open(noise, ONE), {
    code: "STORE_CORRUPT",
    message: /damaged or no database/,
  });
  await assert.rejects(Database.openReadOnly(noise, ONE), { code: "STORE_CORRUPT" });
  assert.equal(sha256(noise), hash);

  const other = join(folder.path, "other.db");
  new Sqlite(other).exec("CREATE TABLE bookmarks (x)").close();
  await assert.rejects(Database.open(other, ONE), { code: "STORE_CORRUPT", message: /some other program/ });
  const otherId = join(folder.path, "other-id.db");
  new Sqlite(otherId).exec("PRAGMA application_id = 78; PRAGMA user_version = 1").close();
  await assert.rejects(Database.open(otherId, ONE), { code: "STORE_CORRUPT" });

  const cut = join(folder.path, "cut.db");
  {
    await using db = await Database.open(cut, ONE);
    for (let index = 0; index < 50; index++) await put(db, `${index}`.padStart(500, "x"));
  }
  writeFileSync(cut, readFileSync(cut).fill(0xab, 4_096));
  await using db = await Database.open(cut, ONE);
  await assert.rejects(texts(db), { code: "STORE_CORRUPT", message: /it is damaged/ });
});

test("Database.openReadOnly() makes nothing, writes nothing, and finds nothing where nothing was stored", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  assert.equal(await Database.openReadOnly(path, ONE), undefined);
  assert.equal(await Database.openReadOnly(join(folder.path, "none", "x.db"), ONE), undefined);
  assert.deepEqual(readdirSync(folder.path), []);
  writeFileSync(path, "");
  assert.equal(await Database.openReadOnly(path, ONE), undefined);
  assert.equal(statSync(path).size, 0);

  await using writer = await Database.open(path, ONE);
  await put(writer, "seen");
  const look = await Database.openReadOnly(path, ONE);
  assert.ok(look);
  assert.deepEqual(await texts(look), ["seen"]);
  await assert.rejects(put(look, "refused"), { code: "STORE_UNAVAILABLE" });
  assert.deepEqual(await texts(look), ["seen"]);
  await look[Symbol.asyncDispose]();
});

test("transaction() undoes the one that throws and keeps its neighbours, in the order they were asked for", async () => {
  using folder = temporaryFolder();
  await using db = await Database.open(join(folder.path, "x.db"), ONE);
  const settled = await Promise.allSettled([
    put(db, "a"),
    db.transaction(() => {
      db.sql("INSERT INTO t VALUES ('undone')").run();
      throw new RangeError("mine");
    }),
    put(db, "a"),
    put(db, "b"),
  ]);
  assert.deepEqual(
    settled.map((each) => (each.status === "rejected" ? each.reason.name : "done")),
    ["done", "RangeError", "SqliteError", "done"],
  );
  assert.deepEqual(await texts(db), ["a", "b"]);
});

test("transaction() refuses work that would go on after the commit", async () => {
  using folder = temporaryFolder();
  await using db = await Database.open(join(folder.path, "x.db"), ONE);
  const work = async (): Promise<void> => {
    db.sql("INSERT INTO t VALUES ('early')").run();
  };
  await assert.rejects(db.transaction(work), TypeError);
  assert.deepEqual(await texts(db), []);
});

test("transaction() waits for a lock without stopping the event loop, and gives up with a hint", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  await using db = await Database.open(path, ONE, { testOnlyBusyLimitMs: 60 });
  const other = new Sqlite(path);
  other.exec("BEGIN IMMEDIATE");
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  await assert.rejects(put(db, "late"), { code: "STORE_UNAVAILABLE", message: /kept it locked/ });
  clearInterval(counting);
  assert.ok(turns > 5, `${turns} turns`);

  const granted = put(db, "soon");
  await setImmediate();
  other.exec("COMMIT");
  await granted;
  other.close();
  assert.deepEqual(await texts(db), ["soon"]);
});

test("transaction() fails alone on a full disk, changes nothing, and works again when there is room", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  {
    await using db = await Database.open(path, ONE, { testOnlyMaxPages: 40 });
    await put(db, "before");
    const settled = await Promise.allSettled([put(db, "a"), put(db, "x".repeat(400_000)), put(db, "b")]);
    assert.deepEqual(
      settled.map((each) => (each.status === "rejected" ? each.reason.code : "done")),
      ["done", "STORE_UNAVAILABLE", "done"],
    );
    await assert.rejects(put(db, "y".repeat(400_000)), {
      message: /the disk is full; nothing was changed/,
      hints: ["free some space, or move `data_dir` to a larger disk"],
    });
    assert.deepEqual(await texts(db), ["before", "a", "b"]);
  }
  await using db = await Database.open(path, ONE);
  await put(db, "z".repeat(400_000));
  assert.equal((await texts(db)).length, 4);
});

test("transaction() and read() refuse a file that is not the one at its path any more", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "t.db");
  const away = join(folder.path, "away.db");
  await using db = await Database.open(path, ONE);
  await put(db, "before");
  const moved = { code: "STORE_UNAVAILABLE", message: /moved or removed while in use/ };
  renameSync(path, away);
  await assert.rejects(put(db, "nowhere"), moved);
  await assert.rejects(texts(db), moved);
  writeFileSync(path, "somebody else's");
  await assert.rejects(put(db, "nowhere"), moved);
  renameSync(away, path);
  await put(db, "after");
  assert.deepEqual(await texts(db), ["before", "after"]);
});

test("[Symbol.asyncDispose]() waits for what was asked for; a later transaction is refused", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "x.db");
  const db = await Database.open(path, ONE);
  const written = put(db, "in time");
  const closed = db[Symbol.asyncDispose]();
  await assert.rejects(put(db, "too late"), /is closed/);
  await Promise.all([written, closed]);
  await db[Symbol.asyncDispose]();
  await using again = await Database.open(path, ONE);
  assert.deepEqual(await texts(again), ["in time"]);
});

test("getMeta() gives what setMeta() last stored, also to those who only look", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  assert.equal(await store.getMeta("vault"), undefined);
  await store.setMeta("vault", "one");
  await store.setMeta("vault", "two");
  await using look = await Store.openReadOnly(folder.path, systemClock);
  assert.equal(await look?.getMeta("vault"), "two");
});

test("Store keeps everything from four processes writing at once", async () => {
  using folder = temporaryFolder();
  const children = Array.from({ length: 4 }, () => startProgram("write-many", folder.path, "100"));
  assert.deepEqual(await Promise.all(children.map((child) => child.ended)), [0, 0, 0, 0]);

  await using store = await Store.open(folder.path, systemClock);
  const page = await store.runs.list({ state: "success", limit: 500 });
  assert.equal(page.items.length, 400);
  assert.equal((await store.kv("shared").get("count"))?.value, 400);
  assert.deepEqual(await store.audit(unkeyedMac).verify(), { ok: true, lines: 400, unkeyed: 400 });
  for (const { id } of page.items) {
    assert.deepEqual(
      (await store.logs.read(id, { after: 0 })).map(({ seq, text }) => [seq, text]),
      [[1, id]],
    );
  }
  assert.deepEqual(readdirSync(join(folder.path, "owners")), []);
});

test("Store says STORE_CORRUPT for a row that is not one of ours, without its content", async () => {
  using folder = temporaryFolder();
  await using store = await Store.open(folder.path, systemClock);
  const run = newRun();
  await store.runs.accept(run);
  const raw = new Sqlite(join(folder.path, STORE_FILE));
  raw.prepare("UPDATE runs SET params = ?").run("{canary-7f3a-not-a-real-secret");
  raw.close();
  await assert.rejects(store.runs.get(run.id), (error: Error & { code?: string }) => {
    assert.equal(error.code, "STORE_CORRUPT");
    assert.match(error.message, /a row of "runs" is damaged \(params\)/);
    assert.doesNotMatch(JSON.stringify([error.message, error.cause]), /canary/);
    return true;
  });
});
