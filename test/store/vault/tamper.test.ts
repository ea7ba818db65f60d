/** What somebody can do who writes to the file and has no key: be found out. */
import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type Sqlite from "better-sqlite3";
import type { Vault } from "../../../store/vault/vault.ts";
import {
  ACTOR,
  CANARY,
  OTHER_KEY,
  keyHost,
  openSql,
  openVault,
  read,
  snapshot,
  temporaryFolder,
} from "./harness.ts";

const CORRUPT = { code: "SECRETS_STORE_CORRUPT" };
const template = temporaryFolder();
after(() => template[Symbol.dispose]());
{
  await using vault = await openVault(template.path);
  await vault.set("global", "A", Buffer.from("value-of-a-one"), ACTOR);
  await vault.set("global", "A", Buffer.from("value-of-a-two"), ACTOR);
  await vault.set("global", "B", Buffer.from("value-of-b-one"), ACTOR);
  await vault.set("payments", "A", CANARY, ACTOR);
}

/** A copy of the vault with two keys in `global` and one in `payments`. */
function copy(): { readonly path: string } & Disposable {
  const folder = temporaryFolder();
  cpSync(template.path, folder.path, { recursive: true });
  return folder;
}

/** Open all along; `tamper` changes its file and puts it back. */
const shared = copy();
const witness = await openVault(shared.path);
after(async () => {
  await witness[Symbol.asyncDispose]();
  shared[Symbol.dispose]();
});

/** Changes the file as another process would, lets a vault look that was open before, and undoes the change. */
async function tamper(
  change: (sql: Sqlite.Database) => void,
  look: (vault: Vault) => Promise<void>,
): Promise<void> {
  assert.equal(await read(witness, "global", "A"), "value-of-a-two");
  const sql = openSql(shared.path);
  const tables = ["header", "records"].map((table) => ({
    table,
    rows: sql.prepare(`SELECT * FROM ${table}`).raw().all(),
  }));
  change(sql);
  await look(witness);
  for (const { table, rows } of tables) {
    sql.exec(`DELETE FROM ${table}`);
    for (const row of rows) {
      assert.ok(Array.isArray(row));
      sql.prepare(`INSERT INTO ${table} VALUES (${row.map(() => "?").join()})`).run(...row);
    }
  }
  sql.close();
}

async function refusesEverything(vault: Vault): Promise<void> {
  await assert.rejects(vault.get("global", "A"), CORRUPT);
  await assert.rejects(vault.get("global", "never-there"), CORRUPT);
  await assert.rejects(vault.list(), CORRUPT);
  await assert.rejects(vault.set("global", "new", CANARY, ACTOR), CORRUPT);
  await assert.rejects(vault.delete("global", "B", ACTOR), CORRUPT);
}

const COLUMNS = {
  scope: "'payments2'",
  key: "'C'",
  version: "9",
  state: "'disabled'",
  current: "1 - current",
  first_at: "first_at + 1",
  created_at: "created_at + 1",
  changed_at: "changed_at + 1",
  actor: "'somebody else'",
  algorithm: "2",
  key_id: "2",
  key_nonce: "zeroblob(24)",
  sealed_key: "zeroblob(48)",
  nonce: "zeroblob(24)",
  digest: "zeroblob(32)",
  tag: "zeroblob(32)",
};
const HEADER_COLUMNS = { epoch: "epoch + 1", root: "zeroblob(32)", tag: "zeroblob(32)" };

test("every column of a record is covered: a change of any stops all look-ups", async () => {
  using folder = copy();
  await using vault = await openVault(folder.path);
  for (const [column, value] of Object.entries(COLUMNS)) {
    const sql = openSql(folder.path);
    const before = sql.prepare("SELECT * FROM records WHERE key = 'B'").get();
    sql.exec(`UPDATE records SET ${column} = ${value} WHERE key = 'B'`);
    await assert.rejects(vault.get("global", "B"), CORRUPT, column);
    await assert.rejects(vault.get("global", "never-there"), CORRUPT, column);
    await assert.rejects(vault.set("global", "new", CANARY, ACTOR), CORRUPT, column);
    sql.exec("DELETE FROM records WHERE scope = 'payments2' OR (scope = 'global' AND key IN ('B', 'C'))");
    const names = Object.keys(COLUMNS);
    assert.ok(typeof before === "object" && before !== null);
    sql
      .prepare(`INSERT INTO records VALUES (${[...names, "ciphertext"].map((name) => `@${name}`).join()})`)
      .run(before);
    sql.close();
    assert.equal(await read(vault, "global", "B"), "value-of-b-one", column);
  }
});

test("every column of the header is covered", async () => {
  using folder = copy();
  await using vault = await openVault(folder.path);
  const sql = openSql(folder.path);
  const before = sql.prepare("SELECT epoch, root, tag FROM header").get();
  assert.ok(typeof before === "object" && before !== null);
  for (const [column, value] of Object.entries(HEADER_COLUMNS)) {
    sql.exec(`UPDATE header SET ${column} = ${value}`);
    await refusesEverything(vault);
    sql.prepare("UPDATE header SET epoch = @epoch, root = @root, tag = @tag").run(before);
    assert.equal(await read(vault, "global", "B"), "value-of-b-one", column);
  }
  sql.close();
});

test("swapping the ciphertexts of two rows makes both fail to open", async () => {
  const swap = (sql: Sqlite.Database): void => {
    const at = "WHERE scope = 'global' AND key = ? AND current";
    const ciphertext = (key: string): unknown =>
      sql.prepare(`SELECT ciphertext FROM records ${at}`).pluck().get(key);
    const [a, b] = [ciphertext("A"), ciphertext("B")];
    sql.prepare(`UPDATE records SET ciphertext = ? ${at}`).run(b, "A");
    sql.prepare(`UPDATE records SET ciphertext = ? ${at}`).run(a, "B");
  };
  await tamper(swap, async (vault) => {
    await assert.rejects(vault.get("global", "A"), { code: "SECRETS_DECRYPT_FAILED" });
    await assert.rejects(vault.get("global", "B"), { code: "SECRETS_DECRYPT_FAILED" });
    assert.equal(await read(vault, "payments", "A"), CANARY.toString());
  });
});

test("swapping ciphertexts, nonces, keys and digests of two rows makes both fail to open", async () => {
  await tamper((sql) => {
    const columns = ["key_nonce", "sealed_key", "nonce", "digest", "tag", "ciphertext"];
    const at = "WHERE scope = 'global' AND key = @key AND current";
    const row = (key: string): object => {
      const found = sql.prepare(`SELECT ${columns.join()} FROM records ${at}`).get({ key });
      assert.ok(typeof found === "object" && found !== null);
      return found;
    };
    const put = sql.prepare(`UPDATE records SET ${columns.map((name) => `${name} = @${name}`).join()} ${at}`);
    const [a, b] = [row("A"), row("B")];
    put.run({ ...b, key: "A" });
    put.run({ ...a, key: "B" });
  }, refusesEverything);
});

test("swapping two whole rows makes both fail to open", async () => {
  await tamper((sql) => {
    sql.exec("UPDATE records SET key = 'X' WHERE scope = 'global' AND key = 'A' AND current");
    sql.exec("UPDATE records SET key = 'A', version = 2 WHERE scope = 'global' AND key = 'B'");
    sql.exec("UPDATE records SET key = 'B', version = 1 WHERE scope = 'global' AND key = 'X'");
  }, refusesEverything);
});

test("a row moved to another scope is found out", async () => {
  await tamper(
    (sql) => sql.exec("UPDATE records SET scope = 'global', key = 'P' WHERE scope = 'payments'"),
    refusesEverything,
  );
});

test("a removed row is found out: it is not mistaken for one that never was", async () => {
  await tamper((sql) => sql.exec("DELETE FROM records WHERE key = 'B'"), refusesEverything);
});

test("all rows removed are found out", async () => {
  await tamper((sql) => sql.exec("DELETE FROM records"), refusesEverything);
});

test("a row taken back to an older valid state is found out", async () => {
  using folder = copy();
  await using vault = await openVault(folder.path);
  const sql = openSql(folder.path);
  const older = sql.prepare("SELECT * FROM records WHERE key = 'B'").get();
  await vault.delete("global", "B", ACTOR);
  assert.equal(await vault.get("global", "B"), undefined);
  assert.ok(typeof older === "object" && older !== null);
  sql.exec("DELETE FROM records WHERE key = 'B'");
  sql
    .prepare(
      `INSERT INTO records VALUES (${Object.keys(older)
        .map((name) => `@${name}`)
        .join()})`,
    )
    .run(older);
  sql.close();
  await refusesEverything(vault);
});

test("an older header does not fit newer records", async () => {
  using folder = copy();
  await using vault = await openVault(folder.path);
  const sql = openSql(folder.path);
  const older = sql.prepare("SELECT * FROM header").get();
  await vault.set("global", "A", Buffer.from("value-of-a-three"), ACTOR);
  assert.ok(typeof older === "object" && older !== null);
  sql.prepare("UPDATE header SET body = @body, epoch = @epoch, root = @root, tag = @tag").run(older);
  sql.close();
  await refusesEverything(vault);
});

test("a trigger, a view, an extra table or an index is refused before it can act", async () => {
  using folder = copy();
  await using vault = await openVault(folder.path);
  const additions = [
    "TRIGGER extra AFTER INSERT ON records BEGIN DELETE FROM records WHERE key = 'B'; END",
    "VIEW extra AS SELECT * FROM records",
    "TABLE extra (a)",
    "INDEX extra ON records (key)",
  ];
  for (const addition of additions) {
    const sql = openSql(folder.path);
    sql.exec(`CREATE ${addition}`);
    await refusesEverything(vault);
    sql.exec(`DROP ${addition.split(" ")[0]} extra`);
    sql.close();
    assert.equal(await read(vault, "global", "B"), "value-of-b-one");
  }
});

test("a write does not launder a change that was made before it", async () => {
  await tamper(
    (sql) => sql.exec("DELETE FROM records WHERE key = 'B'"),
    async (vault) => {
      await assert.rejects(vault.set("global", "A", CANARY, ACTOR), CORRUPT);
      await assert.rejects(vault.set("global", "A", CANARY, ACTOR), CORRUPT);
      await refusesEverything(vault);
    },
  );
});

test("open() refuses a header's body with one bit changed, wherever it is", async () => {
  using folder = copy();
  const sql = openSql(folder.path);
  const row = sql.prepare("SELECT body FROM header").get();
  assert.ok(typeof row === "object" && row !== null && "body" in row && Buffer.isBuffer(row.body));
  const { body } = row;
  // Prime step: hits every kind of field without one derivation for each byte.
  for (let at = 0; at < body.length; at += 331) {
    const changed = Buffer.from(body);
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    sql.prepare("UPDATE header SET body = ?").run(changed);
    await assert.rejects(
      openVault(folder.path),
      (error: Error) => "code" in error && String(error.code).startsWith("SECRETS_"),
      `byte ${at}`,
    );
  }
  sql.prepare("UPDATE header SET body = ?").run(body);
  sql.close();
  await using vault = await openVault(folder.path);
  assert.equal(await read(vault, "global", "A"), "value-of-a-two");
});

test("a header whose keys were replaced while the vault is open stops reads and writes", async () => {
  await tamper(
    (sql) => sql.exec("UPDATE header SET body = x'00'"),
    async (vault) => {
      await assert.rejects(vault.get("global", "A"), { code: "STORE_UNAVAILABLE" });
      await assert.rejects(vault.set("global", "A", CANARY, ACTOR), { code: "STORE_UNAVAILABLE" });
    },
  );
});

test("open() refuses and leaves every byte on the disk, when the master key is another one", async () => {
  using folder = copy();
  const before = snapshot(folder.path);
  const wrong = { keyHost: keyHost({ WRIT_MASTER_KEY: OTHER_KEY }) };
  await assert.rejects(openVault(folder.path, wrong), {
    code: "SECRETS_DECRYPT_FAILED",
    message: /the variable WRIT_MASTER_KEY is not the one/,
  });
  assert.deepEqual(snapshot(folder.path), before);
});

test("open() refuses and changes no byte on the disk, when the key is missing or malformed", async () => {
  using folder = copy();
  const before = snapshot(folder.path);
  await assert.rejects(openVault(folder.path, { keyHost: keyHost({}) }), { code: "SECRETS_KEY_MISSING" });
  await assert.rejects(openVault(folder.path, { keyHost: keyHost({ WRIT_MASTER_KEY: "short" }) }), {
    code: "SECRETS_KEY_INVALID",
  });
  assert.deepEqual(snapshot(folder.path), before);
});

test("open() refuses a vault that is gone, replaced or cut short, when one is known", async () => {
  using folder = copy();
  const file = join(folder.path, "data", "secrets.db");
  const whole = readFileSync(file);
  await assert.rejects(openVault(folder.path, { knownStoreId: "0".repeat(32) }), CORRUPT);
  for (const length of [0, 1, 99, 100, 4096, 8192]) {
    writeFileSync(file, whole.subarray(0, length));
    await assert.rejects(openVault(folder.path), CORRUPT, `${length} bytes`);
    assert.deepEqual(readFileSync(file), whole.subarray(0, length));
  }
  writeFileSync(file, Buffer.alloc(8192, "no database "));
  await assert.rejects(openVault(folder.path), CORRUPT);
  using empty = temporaryFolder();
  const known = { knownStoreId: "0".repeat(32) };
  await assert.rejects(openVault(empty.path, known), CORRUPT);
  assert.deepEqual(snapshot(empty.path), new Map());
});

test("open() refuses a newer format and another program's database, and changes neither", async () => {
  for (const [pragma, code] of [
    ["user_version = 2", "STORE_TOO_NEW"],
    ["application_id = 7", "SECRETS_STORE_CORRUPT"],
  ] as const) {
    using folder = copy();
    const sql = openSql(folder.path);
    sql.pragma(pragma);
    sql.close();
    const before = snapshot(folder.path).get("data/secrets.db");
    await assert.rejects(openVault(folder.path), { code });
    assert.equal(snapshot(folder.path).get("data/secrets.db"), before);
  }
});
