import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { hiddenNames, hiddenPaths } from "../../secrets/hidden.ts";
import { HostEnvironment } from "../../secrets/host-environment.ts";
import type { FoundSecret, SecretProvider, SecretRef } from "../../secrets/provider.ts";
import { EnvProvider } from "../../secrets/providers/env.ts";
import { FileProvider } from "../../secrets/providers/file.ts";
import { LocalProvider } from "../../secrets/providers/local.ts";
import { ACTOR, CANARY, keyHost, openSql, openVault, OTHER_KEY } from "../store/vault/harness.ts";
import { testProvider } from "./provider-conformance.ts";

async function temporary(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "writ-secrets-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function askOne(
  provider: SecretProvider,
  key: string,
  rest: Partial<SecretRef> = {},
): Promise<FoundSecret | Error | undefined> {
  const ref = { id: 1, key, options: {}, workspace: undefined, ...rest };
  return (await provider.resolve([ref], { signal: new AbortController().signal })).get(1);
}

function textOf(answer: FoundSecret | Error | undefined): string | undefined {
  if (answer instanceof Error) throw answer;
  return answer?.value.text();
}

function errorOf(answer: FoundSecret | Error | undefined): AppError {
  assert.ok(answer instanceof AppError, "there was no error");
  return answer;
}

testProvider("local", async () => {
  const folder = await temporary();
  const vault = await openVault(folder.path);
  return {
    provider: new LocalProvider(vault),
    binary: true,
    missing: { key: "no/such.key", options: {} },
    malformed: [
      { key: "", options: {} },
      { key: "a//b", options: {} },
      { key: "../a", options: {} },
      { key: "a", options: { field: "x" } },
    ],
    put: async (name, bytes) => {
      await vault.set("global", name, bytes, ACTOR);
      return { key: name, options: {} };
    },
    breakOne: async (bytes) => {
      await vault.set("global", "broken", bytes, ACTOR);
      const sql = openSql(folder.path);
      try {
        const [table] = sql
          .prepare<[], { name: string }>(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%ciphertext%'",
          )
          .all();
        assert.ok(table !== undefined);
        sql.exec(`DELETE FROM "${table.name}"`);
      } finally {
        sql.close();
      }
      return { place: { key: "broken", options: {} }, code: "SECRETS_STORE_CORRUPT" };
    },
    [Symbol.asyncDispose]: async () => {
      await vault[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
});

testProvider("env", () => {
  const variables: Record<string, string> = {};
  const host = new HostEnvironment({ dotenv: new Map(), variables, hidden: hiddenNames() });
  return Promise.resolve({
    provider: new EnvProvider(host),
    binary: false,
    missing: { key: "NO_SUCH_VARIABLE", options: {} },
    malformed: [
      { key: "not/a/variable", options: {} },
      { key: "1A", options: {} },
      { key: "A", options: { field: "x" } },
    ],
    put: (name: string, bytes: Buffer) => {
      variables[name] = bytes.toString();
      return Promise.resolve({ key: name, options: {} });
    },
    breakOne: (bytes: Buffer) => {
      variables["WRIT_MASTER_KEY"] = bytes.toString();
      return Promise.resolve({
        place: { key: "WRIT_MASTER_KEY", options: {} },
        code: "SECRETS_ACCESS_DENIED",
      });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

testProvider("file", async () => {
  const folder = await temporary();
  return {
    provider: new FileProvider({ roots: [folder.path], hidden: hiddenPaths({ paths: [], environment: {} }) }),
    binary: true,
    missing: { key: join(folder.path, "missing"), options: {} },
    malformed: [
      { key: "relative", options: {} },
      { key: "/run/../etc/passwd", options: {} },
      { key: "/run/a\0b", options: {} },
      { key: "/run/a", options: { trim: "all" } },
      { key: "/run/a", options: { field: "x" } },
    ],
    put: async (name, bytes) => {
      await writeFile(join(folder.path, name), bytes);
      return { key: join(folder.path, name), options: {} };
    },
    breakOne: async (bytes) => {
      await writeFile(join(folder.path, "huge"), Buffer.concat([bytes, Buffer.alloc(64 * 1024)]));
      return { place: { key: join(folder.path, "huge"), options: {} }, code: "SECRETS_TOO_LARGE" };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

test("LocalProvider.resolve() looks in the workspace, then in global, and never in another workspace", async () => {
  await using folder = await temporary();
  await using vault = await openVault(folder.path);
  const provider = new LocalProvider(vault);
  await vault.set("global", "both", Buffer.from("global-canary"), ACTOR);
  await vault.set("payments", "both", Buffer.from("payments-canary"), ACTOR);
  await vault.set("global", "only_global", Buffer.from("global-canary"), ACTOR);
  await vault.set("other", "only_other", Buffer.from("other-canary"), ACTOR);
  await vault.set("global", "both", Buffer.from("global-canary-2"), ACTOR);
  const workspace = "payments";
  assert.equal(textOf(await askOne(provider, "both", { workspace })), "payments-canary");
  assert.equal(textOf(await askOne(provider, "only_global", { workspace })), "global-canary");
  assert.equal(await askOne(provider, "only_other", { workspace }), undefined);
  const global = await askOne(provider, "both");
  assert.equal(textOf(global), "global-canary-2");
  assert.ok(global !== undefined && !(global instanceof Error));
  assert.equal(global.version, 2);
});

test("LocalProvider.resolve() does not uncover the global value when the workspace's own is refused", async () => {
  const asked: string[] = [];
  const provider = new LocalProvider({
    getMany: (lookups) => {
      asked.push(...lookups.map(({ scope }) => scope));
      return Promise.resolve(lookups.map(() => new AppError("SECRETS_DISABLED", "it is disabled")));
    },
  });
  assert.equal(errorOf(await askOne(provider, "k", { workspace: "payments" })).code, "SECRETS_DISABLED");
  assert.deepEqual(asked, ["payments"]);
});

test("LocalProvider.resolve() throws what concerns the vault as a whole", async () => {
  await using folder = await temporary();
  {
    await using vault = await openVault(folder.path);
    await vault.set("global", "k", CANARY, ACTOR);
  }
  for (const [env, code] of [
    [{}, "SECRETS_KEY_MISSING"],
    [{ WRIT_MASTER_KEY: OTHER_KEY }, "SECRETS_DECRYPT_FAILED"],
  ] as const) {
    const opening = openVault(folder.path, { keyHost: keyHost(env) });
    const provider = new LocalProvider({
      getMany: async (lookups) => {
        await using vault = await opening;
        return await vault.getMany(lookups);
      },
    });
    await assert.rejects(askOne(provider, "k"), { name: "AppError", code });
  }
});

test("EnvProvider.resolve() looks in dotenv first, passes over keys that are no names, and empty values", async () => {
  const host = new HostEnvironment({
    dotenv: new Map([
      ["BOTH", "from-dotenv"],
      ["BLANK", ""],
    ]),
    variables: {
      BOTH: "from-daemon",
      ONLY: "only-daemon",
      EMPTY: "",
      BLANK: "daemon",
      "oauth/access": "odd",
    },
    hidden: hiddenNames(["OWN_TOKEN"]),
  });
  const provider = new EnvProvider(host);
  assert.equal(textOf(await askOne(provider, "BOTH")), "from-dotenv");
  assert.equal(textOf(await askOne(provider, "ONLY")), "only-daemon");
  for (const key of ["EMPTY", "BLANK", "oauth/access", "only", "toString", "constructor", "__proto__"]) {
    assert.equal(await askOne(provider, key), undefined, key);
  }
  for (const key of ["WRIT_X", "CREDENTIALS_DIRECTORY", "NODE_OPTIONS", "LD_PRELOAD", "OWN_TOKEN"]) {
    const error = errorOf(await askOne(provider, key));
    assert.equal(error.code, "SECRETS_ACCESS_DENIED");
    assert.match(error.message, /hidden/);
  }
});

test("FileProvider.resolve() gives complete bytes, and drops one final newline when asked", async () => {
  await using folder = await temporary();
  const provider = new FileProvider({ roots: [folder.path], hidden: [] });
  const trim = { options: { trim: "newline" } };
  for (const [content, whole, cut] of [
    ["a b\n\n", "a b\n\n", "a b\n"],
    ["a\r\n", "a\r\n", "a"],
    ["a", "a", "a"],
    [" a\r", " a\r", " a\r"],
    ["\n", "\n", undefined],
    ["", undefined, undefined],
  ] as const) {
    const path = join(folder.path, "value");
    await writeFile(path, content);
    assert.equal(textOf(await askOne(provider, path)), whole, JSON.stringify(content));
    assert.equal(textOf(await askOne(provider, path, trim)), cut, JSON.stringify(content));
  }
  const full = join(folder.path, "full");
  await writeFile(full, Buffer.alloc(64 * 1024, "x"));
  assert.equal(textOf(await askOne(provider, full))?.length, 64 * 1024);
});

test("FileProvider.resolve() reads nothing without roots, and nothing whose real path is outside them", async () => {
  await using folder = await temporary();
  const root = join(folder.path, "root");
  const outside = join(folder.path, "outside");
  await mkdir(join(root, "sub"), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, "secret"), CANARY);
  await writeFile(join(root, "real"), CANARY);
  await writeFile(join(folder.path, "root-not"), CANARY);
  await symlink(join(outside, "secret"), join(root, "link"));
  await symlink(outside, join(root, "folder-link"));
  await symlink("/etc/hostname", join(root, "host-link"));
  await symlink(join(root, "real"), join(root, "good-link"));
  await symlink(root, join(outside, "way-in"));
  const provider = new FileProvider({ roots: [root], hidden: [] });
  for (const path of [
    join(outside, "secret"),
    join(outside, "missing"),
    join(root, "link"),
    join(root, "folder-link", "secret"),
    join(root, "host-link"),
    join(root, "..", "outside", "secret"),
    join(folder.path, "root-not"),
    "/etc/passwd",
    "/no/such/file",
  ]) {
    const error = errorOf(await askOne(provider, path));
    assert.equal(error.code, "SECRETS_ACCESS_DENIED", path);
    assert.match(error.message, /roots/, path);
  }
  assert.equal(textOf(await askOne(provider, join(root, "good-link"))), CANARY.toString());
  assert.equal(textOf(await askOne(provider, join(outside, "way-in", "real"))), CANARY.toString());
  const closed = new FileProvider({ roots: [], hidden: [] });
  assert.equal(errorOf(await askOne(closed, join(root, "real"))).code, "SECRETS_ACCESS_DENIED");
});

test("FileProvider.resolve() says hidden, not missing, of the daemon's own places, whichever way they are reached", async () => {
  await using folder = await temporary();
  const at = (...parts: string[]): string => join(folder.path, ...parts);
  for (const name of ["data", "keys", "tasks", "credentials", "open"]) await mkdir(at(name));
  for (const name of [
    "data/secrets.db",
    "keys/own.key",
    "tasks/task.yaml",
    "credentials/writ-master-key",
    "token",
  ]) {
    await writeFile(at(name), CANARY);
  }
  await symlink(at("keys", "own.key"), at("open", "key-link"));
  await symlink(at("data"), at("open", "data-link"));
  await link(at("token"), at("open", "token-hard-link"));
  const provider = new FileProvider({
    roots: ["/"],
    hidden: hiddenPaths({
      paths: [at("data"), at("keys"), at("tasks"), at("token")],
      environment: { CREDENTIALS_DIRECTORY: at("credentials") },
    }),
  });
  for (const path of [
    at("data", "secrets.db"),
    at("data", "not-there"),
    at("keys", "own.key"),
    at("tasks", "task.yaml"),
    at("credentials", "writ-master-key"),
    at("token"),
    at("open", "key-link"),
    at("open", "data-link", "secrets.db"),
    at("open", "token-hard-link"),
    at("open", "..", "token"),
    "/proc/self/environ",
    "/proc/1/environ",
    "/sys/kernel/notes",
    "/dev/zero",
    "/dev/stdin",
  ]) {
    const error = errorOf(await askOne(provider, path));
    assert.equal(error.code, "SECRETS_ACCESS_DENIED", path);
    assert.match(error.message, /hidden/, path);
  }
});

test("FileProvider.resolve() refuses at once what is no regular file", async () => {
  await using folder = await temporary();
  const provider = new FileProvider({ roots: [folder.path], hidden: [] });
  const fifo = join(folder.path, "fifo");
  execFileSync("mkfifo", [fifo]);
  await symlink(fifo, join(folder.path, "fifo-link"));
  await mkdir(join(folder.path, "folder"));
  // A reader that waited for the FIFO's writer would never come back.
  for (const name of ["fifo", "fifo-link", "folder"]) {
    const error = errorOf(await askOne(provider, join(folder.path, name)));
    assert.equal(error.code, "SECRETS_ACCESS_DENIED");
    assert.match(error.message, /regular file/);
  }
});

test("FileProvider.resolve() answers a file it may not open with an outage, without the system's words", async (t) => {
  await using folder = await temporary();
  const loop = join(folder.path, "loop");
  await symlink(loop, loop);
  const provider = new FileProvider({ roots: [folder.path], hidden: [] });
  const error = errorOf(await askOne(provider, loop));
  assert.equal(error.code, "SECRETS_PROVIDER_UNAVAILABLE");
  assert.match(error.message, /ELOOP/);
  assert.equal(error.cause, undefined);
  if (process.geteuid?.() === 0) t.diagnostic("root opens everything: the mode 0 case is not asked");
  else {
    const shut = join(folder.path, "shut");
    await writeFile(shut, CANARY);
    await chmod(shut, 0);
    assert.equal(errorOf(await askOne(provider, shut)).code, "SECRETS_PROVIDER_UNAVAILABLE");
  }
});
