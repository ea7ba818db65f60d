import assert from "node:assert/strict";
import { open as openInspector, close as closeInspector } from "node:inspector";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import type { EnvEntry, EnvSource } from "../../manifest/manifest.ts";
import { loadManifest } from "../../manifest/load.ts";
import { ProviderChain } from "../../secrets/chain.ts";
import { unsafeDebugging } from "../../secrets/debug-trace.ts";
import { hiddenNames, hiddenPaths } from "../../secrets/hidden.ts";
import type { FoundSecret, SecretProvider } from "../../secrets/provider.ts";
import { EnvProvider } from "../../secrets/providers/env.ts";
import { FileProvider } from "../../secrets/providers/file.ts";
import { LocalProvider } from "../../secrets/providers/local.ts";
import { describeEnv, resolveEnv } from "../../secrets/resolve-env.ts";
import type { Resolution, ResolvedVariable, ResolveEnvOptions } from "../../secrets/resolve-env.ts";
import { ACTOR, keyHost, openVault } from "../store/vault/harness.ts";

const CANARY = "canary-7f3a-not-a-real-secret";

/** A provider over a table, which keeps what it handed out, so that a test can see whether it was wiped. */
class TableProvider implements SecretProvider {
  readonly scheme: string;
  readonly chained = true;
  readonly handedOut: Secret[] = [];
  readonly name: string;
  readonly #table: Readonly<Record<string, string | Buffer | AppError>>;

  constructor(name: string, table: Readonly<Record<string, string | Buffer | AppError>>) {
    this.name = name;
    this.scheme = name;
    this.#table = table;
  }

  resolve: SecretProvider["resolve"] = (refs) => {
    const answers = new Map<number, FoundSecret | Error>();
    for (const { id, key } of refs) {
      const entry = this.#table[key];
      if (entry === undefined) continue;
      if (entry instanceof AppError) {
        answers.set(id, entry);
        continue;
      }
      const value = new Secret(key, Buffer.from(entry));
      this.handedOut.push(value);
      answers.set(id, { value, version: 3 });
    }
    return Promise.resolve(answers);
  };

  validate(): undefined {
    return undefined;
  }
}

let lines = 0;
function entryOf(name: string, source: EnvSource, rest: Partial<EnvEntry> = {}): EnvEntry {
  return {
    name,
    source,
    onMissing: "block",
    onUnavailable: "block",
    deliver: "env",
    hosts: [],
    in: [],
    at: { line: ++lines, column: 7 },
    ...rest,
  };
}

const secret = (name: string, key: string, rest: Partial<EnvEntry> = {}): EnvEntry =>
  entryOf(name, { kind: "secret", key }, rest);
const uri = (name: string, text: string, rest: Partial<EnvEntry> = {}): EnvEntry =>
  entryOf(name, { kind: "uri", uri: text }, rest);
const host = (name: string, variable = name, rest: Partial<EnvEntry> = {}, sensitive = false): EnvEntry =>
  entryOf(name, { kind: "host", variable, bare: name === variable, sensitive }, rest);
const value = (name: string, text: string): EnvEntry => entryOf(name, { kind: "value", value: text });

interface Setting extends Partial<Omit<ResolveEnvOptions, "entries" | "chain" | "overrides">> {
  readonly providers?: readonly SecretProvider[];
  readonly overrides?: Readonly<Record<string, string>>;
}

function optionsOf(entries: readonly EnvEntry[], setting: Setting = {}): ResolveEnvOptions {
  const { providers = [], overrides = {}, ...rest } = setting;
  return {
    entries,
    taskDir: tmpdir(),
    dotenv: [],
    workspace: undefined,
    hostEnv: {},
    hidden: hiddenNames(),
    signal: new AbortController().signal,
    ...rest,
    chain: (environment) => new ProviderChain([...providers, new EnvProvider(environment)]),
    overrides: new Map(Object.entries(overrides)),
  };
}

async function resolved(
  entries: readonly EnvEntry[],
  setting: Setting = {},
): Promise<readonly ResolvedVariable[]> {
  const resolution = await resolveEnv(optionsOf(entries, setting));
  assert.ok(resolution.ok, JSON.stringify(resolution));
  return resolution.variables;
}

async function failures(
  entries: readonly EnvEntry[],
  setting: Setting = {},
): Promise<Extract<Resolution, { ok: false }>["failures"]> {
  const resolution = await resolveEnv(optionsOf(entries, setting));
  assert.ok(!resolution.ok, "it resolved");
  assert.equal("variables" in resolution, false);
  return resolution.failures;
}

function plain(variables: readonly ResolvedVariable[]): Record<string, string> {
  return Object.fromEntries(
    variables.map((variable) => [
      variable.name,
      variable.value instanceof Secret ? variable.value.text() : variable.value,
    ]),
  );
}

async function temporary(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "writ-env-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const MISSING = { bare: "SECRETS_REQUIRED_MISSING", direct: "SECRETS_REF_NOT_FOUND" } as const;
const outage = new AppError("SECRETS_PROVIDER_UNAVAILABLE", "provider did not answer");

test("resolveEnv() treats each form, found, missing or unavailable, as on_missing and on_unavailable say", async () => {
  const providers = [
    new TableProvider("vault", { here: CANARY, "kv/here": CANARY, down: outage, "kv/down": outage }),
  ];
  const hostEnv = { HERE: CANARY };
  type Form = readonly [
    name: string,
    make: (key: string, rest: Partial<EnvEntry>) => EnvEntry,
    missing: string,
  ];
  const forms: readonly Form[] = [
    ["bare key", (key, rest) => secret("X", key, rest), MISSING.bare],
    ["uri", (key, rest) => uri("X", `vault://kv/${key}`, rest), MISSING.direct],
    [
      "long form",
      (key, rest) => entryOf("X", { kind: "provider", provider: "vault", key, options: {} }, rest),
      MISSING.direct,
    ],
    ["from", (key, rest) => host("X", key.toUpperCase(), rest), MISSING.bare],
    ["env uri", (key, rest) => uri("X", `env://${key.toUpperCase()}`, rest), MISSING.direct],
  ];
  let cases = 0;
  for (const [form, make, missingCode] of forms) {
    for (const state of ["here", "gone", "down"] as const) {
      if (state === "down" && (form === "from" || form === "env uri")) continue;
      for (const onMissing of ["block", "empty", "omit"] as const) {
        for (const onUnavailable of ["block", "as_missing"] as const) {
          cases++;
          const label = `${form}, ${state}, ${onMissing}, ${onUnavailable}`;
          const result = await resolveEnv(
            optionsOf([make(state, { onMissing, onUnavailable })], { providers, hostEnv }),
          );
          const code = state === "down" ? "SECRETS_PROVIDER_UNAVAILABLE" : missingCode;
          const blocks = state === "down" && onUnavailable === "block" ? true : onMissing === "block";
          const expected =
            state === "here" ? { X: CANARY } : blocks ? [code] : onMissing === "empty" ? { X: "" } : {};
          const actual = result.ok ? plain(result.variables) : result.failures.map((failure) => failure.code);
          assert.deepEqual(actual, expected, label);
        }
      }
    }
  }
  assert.equal(cases, 78);
});

test("resolveEnv() leaves a bare variable out when it is not set, and keeps one that is set but empty", async () => {
  const variables = await resolved([host("HOME"), host("EMPTY"), value("LOG", "info"), value("NONE", "")], {
    hostEnv: { EMPTY: "" },
  });
  assert.deepEqual(plain(variables), { EMPTY: "", LOG: "info", NONE: "" });
});

test("resolveEnv() says of each variable whether it is hidden, its source, provider and version", async () => {
  const providers = [new TableProvider("vault", { k: CANARY, "kv/x": CANARY })];
  const variables = await resolved(
    [
      host("HOME"),
      host("RENAMED", "GH"),
      host("SENSITIVE", "GH", {}, true),
      secret("BARE", "k"),
      secret("FROM_ENV", "GH"),
      uri("URI", "vault://kv/x"),
      value("LITERAL", "x"),
      secret("EMPTY", "gone", { onMissing: "empty" }),
      secret("OVER", "k"),
    ],
    { providers, hostEnv: { HOME: "/home/x", GH: "gh-canary" }, overrides: { OVER: "over-canary" } },
  );
  const rows = variables.map((v) => [
    v.name,
    v.value instanceof Secret,
    v.hidden,
    v.source,
    v.provider,
    v.version,
  ]);
  assert.deepEqual(rows, [
    ["HOME", false, false, "host", "daemon", undefined],
    ["RENAMED", false, false, "host", "daemon", undefined],
    ["SENSITIVE", true, true, "host", "daemon", undefined],
    ["BARE", true, true, "secret", "vault", 3],
    ["FROM_ENV", true, true, "secret", "env", undefined],
    ["URI", true, true, "uri", "vault", 3],
    ["LITERAL", false, false, "value", undefined, undefined],
    ["EMPTY", false, true, "secret", undefined, undefined],
    ["OVER", true, true, "secret", "override", undefined],
  ]);
  for (const variable of variables) {
    if (variable.value instanceof Secret) assert.equal(variable.value.name, variable.name);
  }
});

test("resolveEnv() reports every failure together, in the manifest's order, and wipes what it had", async () => {
  const vault = new TableProvider("vault", {
    good: CANARY,
    disabled: new AppError("SECRETS_DISABLED", "secret is disabled"),
    binary: Buffer.from([0xff, 0xfe]),
    nul: "a\0b",
  });
  const entries = [
    secret("GOOD", "good"),
    secret("GONE", "payments/gone"),
    uri("BAD", "nosuch://x", { onMissing: "omit" }),
    host("FROM", "NOT_SET"),
    secret("DISABLED", "disabled", { onMissing: "omit", onUnavailable: "as_missing" }),
    uri("OP", "op://Eng/deploy/token"),
    secret("BINARY", "binary", { onMissing: "empty" }),
    secret("NUL", "nul"),
    secret("FILE", "good", { deliver: "file" }),
    secret("SEALED", "good", { deliver: "sealed", hosts: ["a.test"] }),
    host("HIDDEN", "NODE_OPTIONS", { onMissing: "omit" }),
  ];
  const found = await failures(entries, {
    providers: [vault],
    workspace: "payments",
    overrides: { STRAY: "x" },
    dotenv: ["../outside"],
  });
  assert.deepEqual(
    found.map(({ name, code }) => [name, code]),
    [
      ["dotenv", "SECRETS_ACCESS_DENIED"],
      ["STRAY", "USAGE"],
      ["GONE", "SECRETS_REQUIRED_MISSING"],
      ["BAD", "SECRETS_REF_INVALID"],
      ["FROM", "SECRETS_REQUIRED_MISSING"],
      ["DISABLED", "SECRETS_DISABLED"],
      ["OP", "SECRETS_PROVIDER_UNAVAILABLE"],
      ["BINARY", "SECRETS_NOT_TEXT"],
      ["NUL", "SECRETS_NOT_TEXT"],
      ["FILE", "NOT_YET"],
      ["SEALED", "NOT_YET"],
      ["HIDDEN", "SECRETS_ACCESS_DENIED"],
    ],
  );
  const gone = found.find(({ name }) => name === "GONE");
  assert.deepEqual(gone?.at, entries[1]?.at);
  assert.deepEqual(gone?.hints, [
    'the task is in workspace "payments" already; write "gone"',
    "writ secrets set payments/gone --workspace payments",
  ]);
  assert.ok(vault.handedOut.length >= 3);
  for (const { bytes } of vault.handedOut)
    assert.ok(
      bytes.every((byte) => byte === 0),
      "a value was left behind",
    );
});

test("resolveEnv() says exactly how to store a missing secret, and where else it is looked for", async () => {
  const [missing] = await failures([secret("DB_PASS", "DB_PASS")], {
    providers: [new TableProvider("local", {})],
  });
  assert.equal(missing?.message, 'secret "DB_PASS" is not there (looked in local, env); it must be stored');
  assert.deepEqual(missing.hints, ["writ secrets set DB_PASS", "or set the variable DB_PASS for the daemon"]);
});

test("resolveEnv() shows none of 30 variables that nobody declared", async () => {
  const hostEnv: Record<string, string> = {
    HOME: "/home/x",
    WRIT_MASTER_KEY: CANARY,
    CREDENTIALS_DIRECTORY: "/x",
  };
  for (let index = 0; index < 30; index++) hostEnv[`${index % 3 === 0 ? "WRIT" : "EXTRA"}_${index}`] = CANARY;
  const variables = await resolved([host("HOME"), value("A", "b")], { hostEnv });
  assert.deepEqual(plain(variables), { HOME: "/home/x", A: "b" });
  const none = await resolved([], { hostEnv });
  assert.deepEqual(none, []);
});

test("resolveEnv() hides the daemon's own names and files through every door", async () => {
  await using task = await temporary();
  const names = [
    "WRIT_MASTER_KEY",
    "CREDENTIALS_DIRECTORY",
    "NODE_OPTIONS",
    "LD_PRELOAD",
    "CORP_VAULT_TOKEN",
  ];
  await writeFile(join(task.path, ".env"), names.map((name) => `${name}=${CANARY}`).join("\n"));
  await writeFile(join(task.path, "own.key"), CANARY);
  await symlink(join(task.path, "own.key"), join(task.path, "link"));
  const hostEnv = Object.fromEntries(names.map((name) => [name, CANARY]));
  const files = new FileProvider({
    roots: [task.path],
    hidden: hiddenPaths({ paths: [join(task.path, "own.key")], environment: {} }),
  });
  const setting = { hidden: hiddenNames(["CORP_VAULT_TOKEN"]), taskDir: task.path, providers: [files] };
  const soft = { onMissing: "omit", onUnavailable: "as_missing" } as const;
  const doors = [
    ...names.flatMap((name) => [
      host(name, name, soft),
      host("FROM", name, soft),
      host("FROM", name, soft, true),
      secret("BARE", name, soft),
      uri("URI", `env://${name}`, soft),
      entryOf("LONG", { kind: "provider", provider: "env", key: name, options: {} }, soft),
    ]),
    uri("FILE", `file://${task.path}/own.key`, soft),
    uri("FILE", `file://${task.path}/link`, soft),
    uri("FILE", "file:///proc/self/environ", soft),
  ];
  for (const withValue of [
    { hostEnv, dotenv: [] },
    { hostEnv: {}, dotenv: [".env"] },
    { hostEnv: {}, dotenv: [] },
  ]) {
    for (const door of doors) {
      const [failure] = await failures([door], { ...setting, ...withValue });
      assert.equal(failure?.code, "SECRETS_ACCESS_DENIED", JSON.stringify(door.source));
      assert.match(failure.message, /hidden/);
      assert.doesNotMatch(JSON.stringify(failure), /canary/);
    }
  }
});

test("resolveEnv() looks in dotenv files before the daemon's environment, at every door", async () => {
  await using task = await temporary();
  await writeFile(join(task.path, ".env"), "A=dotenv-a\nUNDECLARED=x");
  const variables = await resolved(
    [host("A"), host("B", "A"), secret("C", "A"), uri("D", "env://A"), host("E")],
    {
      taskDir: task.path,
      dotenv: [".env"],
      hostEnv: { A: "daemon-a", E: "daemon-e" },
    },
  );
  assert.deepEqual(plain(variables), {
    A: "dotenv-a",
    B: "dotenv-a",
    C: "dotenv-a",
    D: "dotenv-a",
    E: "daemon-e",
  });
  assert.deepEqual(
    variables.map(({ hidden, provider }) => [hidden, provider]),
    [
      [false, "dotenv"],
      [false, "dotenv"],
      [true, "env"],
      [true, "env"],
      [false, "daemon"],
    ],
  );
});

test("resolveEnv() does not fall through to a variable when the real vault is locked, whatever the entry says", async () => {
  await using folder = await temporary();
  {
    await using vault = await openVault(folder.path);
    await vault.set("global", "DB_PASS", Buffer.from(CANARY), ACTOR);
  }
  const locked = new LocalProvider({
    getMany: async (lookups) => {
      await using vault = await openVault(folder.path, { keyHost: keyHost({}) });
      return await vault.getMany(lookups);
    },
  });
  for (const rest of [{}, { onMissing: "omit", onUnavailable: "as_missing" }] as const) {
    const [failure] = await failures([secret("X", "DB_PASS", rest)], {
      providers: [locked],
      hostEnv: { DB_PASS: "planted-by-somebody" },
    });
    assert.equal(failure?.code, "SECRETS_KEY_MISSING");
  }
  await using vault = await openVault(folder.path);
  const variables = await resolved([secret("X", "DB_PASS"), secret("Y", "ONLY_ENV")], {
    providers: [new LocalProvider(vault)],
    hostEnv: { DB_PASS: "planted-by-somebody", ONLY_ENV: "from-env" },
  });
  assert.deepEqual(plain(variables), { X: CANARY, Y: "from-env" });
  assert.deepEqual(
    variables.map(({ provider, version }) => [provider, version]),
    [
      ["local", 1],
      ["env", undefined],
    ],
  );
});

test("resolveEnv() overrides declared entries only, asks nobody for them, and still judges their reference", async () => {
  const vault = new TableProvider("vault", { k: CANARY });
  const variables = await resolved([secret("S", "k"), value("V", "old"), host("H", "NOT_SET"), host("B")], {
    providers: [vault],
    overrides: { S: "new-secret", V: "new", H: "set", B: "" },
  });
  assert.deepEqual(plain(variables), { S: "new-secret", V: "new", H: "set", B: "" });
  assert.ok(variables.every(({ provider }) => provider === "override"));
  assert.deepEqual(
    variables.map((variable) => variable.value instanceof Secret),
    [true, false, false, false],
  );
  assert.equal(vault.handedOut.length, 0);
  const [bad] = await failures([uri("S", "nosuch://x")], { overrides: { S: "x" } });
  assert.equal(bad?.code, "SECRETS_REF_INVALID");
});

test("resolveEnv() refuses secrets as variables while something traces or dumps", async () => {
  const vault = new TableProvider("vault", { k: CANARY });
  const providers = [vault];
  const traced = { CI_DEBUG_TRACE: "true" };
  const code = "SECRETS_UNSAFE_DEBUG_TRACE";
  const entries = [value("A", "x"), secret("S", "k")];
  const codes = async (list: readonly EnvEntry[], setting: Setting): Promise<readonly string[]> =>
    (await failures(list, setting)).map((failure) => failure.code);
  assert.deepEqual(await codes(entries, { providers, hostEnv: traced }), [code]);
  assert.deepEqual(await codes([host("S", "X", {}, true)], { hostEnv: { ...traced, X: "x" } }), [code]);
  for (const [given, hostEnv] of [
    [value("CI_DEBUG_TRACE", "true"), {}],
    [host("CI_DEBUG_TRACE", "T"), { T: " TRUE\n" }],
    [secret("CI_DEBUG_TRACE", "T"), { T: "true" }],
  ] as const) {
    assert.deepEqual(await codes([secret("S", "k"), given], { providers, hostEnv }), [code]);
  }
  for (const { bytes } of vault.handedOut) assert.ok(bytes.every((byte) => byte === 0));
  assert.equal((await resolved([value("A", "x"), host("CI_DEBUG_TRACE")], { hostEnv: traced })).length, 2);
  assert.equal((await resolved(entries, { providers, hostEnv: { CI_DEBUG_TRACE: "false" } })).length, 2);
});

test("unsafeDebugging() sees an inspector and flags that write memory out", () => {
  assert.equal(unsafeDebugging({}), undefined);
  for (const flag of [
    "--heapsnapshot-signal=SIGUSR2",
    "--heapsnapshot-near-heap-limit=2",
    "--no-warnings --heap-prof",
  ]) {
    assert.match(unsafeDebugging({ NODE_OPTIONS: flag }) ?? "", /heap/);
  }
  openInspector(0, "127.0.0.1");
  try {
    assert.match(unsafeDebugging({}) ?? "", /inspector/);
  } finally {
    closeInspector();
  }
});

test("resolveEnv() rejects with RUN_CANCELLED and wipes every value when the run is cancelled", async () => {
  const cancel = new AbortController();
  const vault = new TableProvider("vault", { k: CANARY });
  const hanging: SecretProvider = {
    name: "op",
    scheme: "op",
    chained: false,
    validate: () => undefined,
    resolve: () => {
      setImmediate(() => cancel.abort());
      return new Promise(() => undefined);
    },
  };
  const entries = [secret("A", "k"), uri("B", "op://Eng/deploy/token")];
  await assert.rejects(
    resolveEnv(optionsOf(entries, { providers: [vault, hanging], signal: cancel.signal })),
    {
      code: "RUN_CANCELLED",
    },
  );
  assert.equal(vault.handedOut.length, 1);
  assert.ok(vault.handedOut[0]?.bytes.every((byte) => byte === 0));
});

test("describeEnv() tells provider and version of what is there beside every failure, and never a value", async () => {
  const vault = new TableProvider("vault", { k: CANARY });
  const { entries, failures: found } = await describeEnv(
    optionsOf(
      [
        secret("K", "k"),
        secret("GONE", "gone"),
        secret("EMPTY", "gone", { onMissing: "empty" }),
        secret("OMIT", "gone", { onMissing: "omit" }),
        host("HOME"),
        value("LOG", "canary-literal"),
      ],
      { providers: [vault], hostEnv: { HOME: "/home/canary" } },
    ),
  );
  assert.deepEqual(
    entries.map(({ name, state, provider, version }) => [name, state, provider, version]),
    [
      ["K", "found", "vault", 3],
      ["GONE", "failed", undefined, undefined],
      ["EMPTY", "empty", undefined, undefined],
      ["OMIT", "absent", undefined, undefined],
      ["HOME", "found", "daemon", undefined],
      ["LOG", "found", undefined, undefined],
    ],
  );
  assert.deepEqual(
    found.map(({ name }) => name),
    ["GONE"],
  );
  assert.doesNotMatch(JSON.stringify([entries, found]), /canary/);
  assert.ok(vault.handedOut[0]?.bytes.every((byte) => byte === 0));
});

test("resolveEnv() understands every form a manifest can write, its short forms included", async () => {
  const text = `permissions:
  env:
    - HOME
    - { name: RENAMED, from: GH }
    - { name: A, secret: k }
    - { name: B, ref: k }
    - { name: C, secret: "env://GH" }
    - { name: D, provider: vault, key: k }
    - { name: E, value: info }
    - { name: F, secret: gone, optional: true }
    - { name: G, secret: gone, required: false }
    - { name: H, secret: gone, on_missing: empty }
    - { name: I, secret: down, on_unavailable: as_missing, on_missing: omit }
`;
  const loaded = loadManifest(Buffer.from(text), "task.yaml", { id: "t" });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const variables = await resolved(loaded.manifest.permissions.env, {
    providers: [new TableProvider("vault", { k: CANARY, down: outage })],
    hostEnv: { HOME: "/home/x", GH: "gh" },
  });
  assert.deepEqual(plain(variables), {
    HOME: "/home/x",
    RENAMED: "gh",
    A: CANARY,
    B: CANARY,
    C: "gh",
    D: CANARY,
    E: "info",
    F: "",
    H: "",
  });
});
