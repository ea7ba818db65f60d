import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../../base/error.ts";
import {
  loadMasterKey,
  masterKeyForNewStore,
  type KeyHost,
  type KeySource,
} from "../../../store/vault/key-source.ts";
import { generateKeyText } from "../../../store/vault/key-text.ts";
import { keyHost, MASTER_KEY, OTHER_KEY, temporaryFolder } from "./harness.ts";

const ID = "0123456789abcdef0123456789abcdef";
const AUTO: KeySource = { kind: "auto" };
const bytesOf = (text: string): Buffer => Buffer.from(text, "base64");

function load(source: KeySource, host: KeyHost): Buffer {
  return loadMasterKey(source, host, { id: ID, dataDir: "/nowhere/data" }).bytes;
}

function write(path: string, text: string, mode = 0o600): string {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** The error a call ends with. */
function failure(call: () => unknown): AppError {
  try {
    call();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

test("loadMasterKey() takes variable, file variable, credential and key file in this order, under auto", () => {
  using folder = temporaryFolder();
  const keys = Array.from({ length: 4 }, generateKeyText);
  const [variable = "", named = "", credential = "", own = ""] = keys;
  write(join(folder.path, "named"), named);
  write(join(folder.path, "credentials", "writ-master-key"), `${credential}\n`);
  write(join(folder.path, "config", "writ", "keys", `${ID}.key`), own);
  const env: Record<string, string | undefined> = {
    WRIT_MASTER_KEY: variable,
    WRIT_MASTER_KEY_FILE: join(folder.path, "named"),
    CREDENTIALS_DIRECTORY: join(folder.path, "credentials"),
    XDG_CONFIG_HOME: join(folder.path, "config"),
  };
  for (const [name, expected] of Object.keys(env).map((name, index) => [name, keys[index] ?? ""] as const)) {
    assert.deepEqual(load(AUTO, keyHost(env)), bytesOf(expected), name);
    env[name] = undefined;
  }
  assert.throws(() => load(AUTO, keyHost(env)), { code: "SECRETS_KEY_MISSING" });
});

test("loadMasterKey() looks in one place only, when the configuration names it", () => {
  using folder = temporaryFolder();
  const file = write(join(folder.path, "key"), OTHER_KEY);
  const credentials = join(folder.path, "credentials");
  write(join(credentials, "writ-master-key"), OTHER_KEY);
  const variable = { WRIT_MASTER_KEY: MASTER_KEY };
  assert.deepEqual(
    load({ kind: "env" }, keyHost({ ...variable, WRIT_MASTER_KEY_FILE: file })),
    bytesOf(MASTER_KEY),
  );
  assert.deepEqual(load({ kind: "file", path: file }, keyHost(variable)), bytesOf(OTHER_KEY));
  assert.deepEqual(
    load({ kind: "credential" }, keyHost({ ...variable, CREDENTIALS_DIRECTORY: credentials })),
    bytesOf(OTHER_KEY),
  );
  const missing = { code: "SECRETS_KEY_MISSING" };
  assert.throws(() => load({ kind: "env" }, keyHost({ WRIT_MASTER_KEY_FILE: file })), missing);
  assert.throws(() => load({ kind: "file", path: join(folder.path, "none") }, keyHost(variable)), missing);
  assert.throws(() => load({ kind: "credential" }, keyHost(variable)), missing);
  assert.throws(() => load({ kind: "passphrase" }, keyHost(variable)), { code: "NOT_YET" });
});

test("loadMasterKey() uses the home folder, when XDG_CONFIG_HOME is unset or relative", () => {
  using folder = temporaryFolder();
  write(join(folder.path, ".config", "writ", "keys", `${ID}.key`), MASTER_KEY);
  for (const env of [{}, { XDG_CONFIG_HOME: "relative" }, { XDG_CONFIG_HOME: "" }]) {
    assert.deepEqual(load(AUTO, keyHost(env, { home: folder.path })), bytesOf(MASTER_KEY));
  }
});

test("loadMasterKey() never falls through, when the first place is there and bad", () => {
  using folder = temporaryFolder();
  const home = folder.path;
  write(join(home, ".config", "writ", "keys", `${ID}.key`), MASTER_KEY);
  const invalid = { code: "SECRETS_KEY_INVALID" };
  const canonical = MASTER_KEY;
  const respelled = `${canonical.slice(0, 42)}${canonical[42] === "J" ? "K" : "J"}=`;
  for (const text of [
    "",
    " ",
    "short",
    "not base64 at all, sorry",
    bytesOf(MASTER_KEY).toString("hex"),
    canonical.slice(0, 43),
    `${canonical}=`,
    Buffer.alloc(31).toString("base64"),
    Buffer.alloc(33).toString("base64"),
    respelled,
    `${canonical.slice(0, 20)}\n${canonical.slice(20)}`,
    Buffer.alloc(32, 255).toString("base64url"),
  ]) {
    assert.throws(
      () => load(AUTO, keyHost({ WRIT_MASTER_KEY: text }, { home })),
      invalid,
      JSON.stringify(text),
    );
  }
  const none = join(folder.path, "none");
  assert.throws(() => load(AUTO, keyHost({ WRIT_MASTER_KEY_FILE: none }, { home })), {
    code: "SECRETS_KEY_MISSING",
  });
  assert.throws(() => load(AUTO, keyHost({ WRIT_MASTER_KEY_FILE: "" }, { home })), AppError);
  assert.deepEqual(load(AUTO, keyHost({ CREDENTIALS_DIRECTORY: none }, { home })), bytesOf(MASTER_KEY));
});

test("loadMasterKey() names every place it tried, when there is no key", () => {
  using folder = temporaryFolder();
  const host = keyHost({ CREDENTIALS_DIRECTORY: join(folder.path, "c") }, { home: folder.path });
  const { code, hints } = failure(() => load(AUTO, host));
  assert.equal(code, "SECRETS_KEY_MISSING");
  const text = hints.join("\n");
  for (const place of [
    "WRIT_MASTER_KEY ",
    "WRIT_MASTER_KEY_FILE",
    `c/writ-master-key"`,
    `.config/writ/keys/${ID}.key"`,
  ]) {
    assert.ok(text.includes(place), place);
  }
});

test("loadMasterKey() refuses our key file, when it is a link, open to others, or no file", () => {
  using folder = temporaryFolder();
  const host = keyHost({}, { home: folder.path });
  const own = join(folder.path, ".config", "writ", "keys", `${ID}.key`);
  const insecure = { code: "SECRETS_PERMISSIONS_INSECURE" };
  for (const mode of [0o640, 0o604, 0o660, 0o602]) {
    write(own, MASTER_KEY, mode);
    assert.throws(() => load(AUTO, host), insecure, mode.toString(8));
  }
  write(own, MASTER_KEY, 0o600);
  assert.deepEqual(load(AUTO, host), bytesOf(MASTER_KEY));
  assert.throws(() => load(AUTO, keyHost({}, { home: folder.path, uid: 4711 })), insecure);
  using linked = temporaryFolder();
  mkdirSync(join(linked.path, ".config/writ/keys"), { recursive: true });
  symlinkSync(own, join(linked.path, ".config/writ/keys", `${ID}.key`));
  assert.throws(() => load(AUTO, keyHost({}, { home: linked.path })), insecure);
  using foldered = temporaryFolder();
  mkdirSync(join(foldered.path, ".config/writ/keys", `${ID}.key`), { recursive: true });
  assert.throws(() => load(AUTO, keyHost({}, { home: foldered.path })), insecure);
});

test("loadMasterKey() takes a named file that is a link and readable by others, but not writable by them", () => {
  using folder = temporaryFolder();
  const target = write(join(folder.path, "target"), `${MASTER_KEY}\r\n`, 0o644);
  const link = join(folder.path, "link");
  symlinkSync(target, link);
  assert.deepEqual(load({ kind: "file", path: link }, keyHost({})), bytesOf(MASTER_KEY));
  for (const mode of [0o664, 0o646]) {
    chmodSync(target, mode);
    assert.throws(() => load({ kind: "file", path: link }, keyHost({})), {
      code: "SECRETS_PERMISSIONS_INSECURE",
    });
  }
  const large = write(join(folder.path, "large"), `${MASTER_KEY}${" ".repeat(2000)}x`);
  assert.throws(() => load({ kind: "file", path: large }, keyHost({})), { code: "SECRETS_KEY_INVALID" });
  assert.throws(() => load({ kind: "file", path: "/dev/zero" }, keyHost({})), {
    code: "SECRETS_PERMISSIONS_INSECURE",
  });
});

test("masterKeyForNewStore() makes a closed file that loadMasterKey() reads, under auto", () => {
  using folder = temporaryFolder();
  const host = keyHost({}, { home: folder.path });
  using key = masterKeyForNewStore(AUTO, host, { id: ID, dataDir: join(folder.path, "data") });
  const path = join(folder.path, ".config", "writ", "keys", `${ID}.key`);
  assert.equal(key.newFile, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
  assert.equal(readFileSync(path, "utf8"), `${key.bytes.toString("base64")}\n`);
  assert.deepEqual(load(AUTO, host), key.bytes);
  key.discardNewFile();
  assert.equal(existsSync(path), false);
});

test("masterKeyForNewStore() takes a key that is configured instead of making one", () => {
  using folder = temporaryFolder();
  const host = keyHost({ WRIT_MASTER_KEY: MASTER_KEY }, { home: folder.path });
  const key = masterKeyForNewStore(AUTO, host, { id: ID, dataDir: folder.path });
  assert.deepEqual(key.bytes, bytesOf(MASTER_KEY));
  assert.equal(key.newFile, undefined);
  assert.deepEqual(readdirSync(folder.path), []);
  key[Symbol.dispose]();
  assert.deepEqual(key.bytes, Buffer.alloc(32));
});

test("masterKeyForNewStore() makes no key and tells the keygen line, where the key could be lost", () => {
  using folder = temporaryFolder();
  const home = join(folder.path, "home");
  mkdirSync(home);
  const dataDir = join(folder.path, "data");
  const cases: [string, KeySource, KeyHost, RegExp][] = [
    ["sudo", AUTO, keyHost({ SUDO_UID: "1000" }, { home, uid: 0 }), /root through sudo/],
    ["container", AUTO, keyHost({}, { home, container: true }), /container/],
    ["no home", AUTO, keyHost({}), /neither XDG_CONFIG_HOME nor a home/],
    ["in the data", AUTO, keyHost({ XDG_CONFIG_HOME: join(dataDir, "sub") }), /inside the data folder/],
    ["in the project", AUTO, keyHost({}, { home, projectDir: home }), /inside the project/],
    ["env", { kind: "env" }, keyHost({}, { home }), /export WRIT_MASTER_KEY="\$\(writ secrets keygen\)"/],
    [
      "file",
      { kind: "file", path: "/run/it's" },
      keyHost({}, { home }),
      /writ secrets keygen > '\/run\/it'\\''s'/,
    ],
    ["credential", { kind: "credential" }, keyHost({}, { home }), /writ secrets keygen \| systemd-creds/],
  ];
  for (const [name, source, host, reason] of cases) {
    const error = failure(() => masterKeyForNewStore(source, host, { id: ID, dataDir }));
    assert.equal(error.code, "SECRETS_KEY_MISSING", name);
    assert.match(error.hints.join("\n"), reason, name);
    assert.match(error.hints.at(-1) ?? "", /writ secrets keygen/, name);
  }
  assert.deepEqual(readdirSync(folder.path), ["home"]);
  assert.deepEqual(readdirSync(home), []);
});

test("masterKeyForNewStore() sees through a link that leads the key folder into the data folder", () => {
  using folder = temporaryFolder();
  const dataDir = join(folder.path, "data");
  mkdirSync(dataDir);
  symlinkSync(dataDir, join(folder.path, "config"));
  const host = keyHost({ XDG_CONFIG_HOME: join(folder.path, "config") });
  const error = failure(() => masterKeyForNewStore(AUTO, host, { id: ID, dataDir }));
  assert.match(error.hints.join("\n"), /inside the data folder/);
  assert.deepEqual(readdirSync(dataDir), []);
});

test("masterKeyForNewStore() never touches a key file that is there", () => {
  using folder = temporaryFolder();
  const own = write(join(folder.path, ".config", "writ", "keys", `${ID}.key`), MASTER_KEY);
  const host = keyHost({}, { home: folder.path });
  const key = masterKeyForNewStore(AUTO, host, { id: ID, dataDir: join(folder.path, "data") });
  assert.deepEqual(key.bytes, bytesOf(MASTER_KEY));
  assert.equal(key.newFile, undefined);
  key.discardNewFile();
  assert.equal(readFileSync(own, "utf8"), MASTER_KEY);
});

test("masterKeyForNewStore() says why, when the config home can not be written", () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "file"), "");
  const host = keyHost({ XDG_CONFIG_HOME: join(folder.path, "file") });
  const error = failure(() =>
    masterKeyForNewStore(AUTO, host, { id: ID, dataDir: join(folder.path, "data") }),
  );
  assert.equal(error.code, "SECRETS_KEY_MISSING");
  assert.match(error.hints.join("\n"), /a key was not made: .*(ENOTDIR|EEXIST)/);
});

test("generateKeyText() gives 32 new random bytes each time", () => {
  const [a, b] = [generateKeyText(), generateKeyText()];
  assert.match(a, /^[A-Za-z0-9+/]{43}=$/);
  assert.notEqual(a, b);
});
