import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { ProjectRules } from "../../manifest/load.ts";
import { loadManifest } from "../../manifest/load.ts";
import type { Manifest } from "../../manifest/manifest.ts";
import type { Problem } from "../../manifest/problem.ts";
import { MAX_PROBLEMS, renderProblem } from "../../manifest/problem.ts";
import { MAX_YAML_BYTES } from "../../manifest/yaml.ts";
import { INVALID_MANIFESTS } from "./invalid-manifests.ts";

const bytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

function problemsOf(text: string | Uint8Array, project?: ProjectRules): readonly Problem[] {
  const loaded = loadManifest(bytes(text), "task.yaml", { id: "team/x", ...(project && { project }) });
  assert.equal(loaded.ok, false, "expected the manifest to be refused");
  return loaded.ok ? [] : loaded.problems;
}

function load(text: string, project?: ProjectRules): Manifest {
  const loaded = loadManifest(bytes(text), "task.yaml", { id: "team/x", ...(project && { project }) });
  if (!loaded.ok) assert.fail(loaded.problems.map(renderProblem).join("\n"));
  return loaded.manifest;
}

suite("invalid manifests", () => {
  for (const { title, text, problems } of INVALID_MANIFESTS) {
    test(`loadManifest() names every problem and its place, when given ${title}`, () => {
      const found = problemsOf(text);
      assert.deepEqual(
        found.map(({ code, at }) => `${code} ${at.line}:${at.column}`),
        problems,
        found.map(renderProblem).join("\n"),
      );
      for (const { message } of found) assert.ok(!message.endsWith("."), message);
    });
  }

  test("the table has more than 70 cases with titles of their own", () => {
    assert.ok(INVALID_MANIFESTS.length > 70);
    assert.equal(new Set(INVALID_MANIFESTS.map(({ text }) => String(text))).size, INVALID_MANIFESTS.length);
  });
});

test("renderProblem() gives code, place, message and fix, when a key is misspelt", () => {
  assert.deepEqual(problemsOf("name: a\npermisions: {}\n").map(renderProblem), [
    'MANIFEST_UNKNOWN_KEY task.yaml:2:1 unknown key "permisions"; did you mean "permissions"?',
  ]);
});

test("loadManifest() shows the smallest manifest, when the file is empty", () => {
  assert.match(renderProblem(problemsOf("")[0] ?? assert.fail()), /`permissions: \{\}`/);
});

test("loadManifest() never repeats what may be a pasted credential, when a reference or value is wrong", () => {
  const canary = "canary-7f3a-not-a-real-secret";
  const texts = [
    `permissions: { env: ["${canary}"] }`,
    `permissions: { env: ["A=${canary}"] }`,
    ...["secret", "ref"].map((key) => `permissions: { env: [{ name: A, ${key}: "${canary} x" }] }`),
    `permissions: { env: [{ name: A, secret: "zz://${canary}" }] }`,
    `permissions: { env: [{ name: A, provider: vault, key: "${canary}\\n" }] }`,
    `permissions: { env: [{ name: A, value: ["${canary}"] }] }`,
    `permissions: { env: [{ name: A, value: "\\0${canary}" }] }`,
    `permissions: { env: [{ name: A, secret: b, value: "${canary}" }] }`,
    `trigger: { secret: "${canary}!" }`,
    `trigger: { webhook: /hooks/a, verify: { scheme: github, secret: "${canary}!" } }`,
    `permissions: { writ: { secrets_write: ["${canary}!"] } }`,
    `permissions: { net: ["https://u:${canary}@a.io"] }`,
    `name: "${canary}\nnext: [`,
    `- {{ "${canary}" }\n`,
    `a: "${canary}\\q"\n`,
  ];
  for (const text of texts) {
    for (const problem of problemsOf(text))
      assert.ok(!renderProblem(problem).includes(canary), renderProblem(problem));
  }
});

test("loadManifest() cuts the list with a count, when there are more problems than anybody reads", () => {
  const problems = problemsOf(Array.from({ length: 500 }, (_, index) => `k${index}: 1`).join("\n"));
  assert.equal(problems.length, MAX_PROBLEMS + 1);
  assert.match(problems.at(-1)?.message ?? "", /and 399 more problems/);
});

test("loadManifest() fills in the defaults, when given the smallest manifest", () => {
  const loaded = loadManifest(bytes("permissions: {}\n"), "task.yaml", { id: "team/x" });
  assert.ok(loaded.ok);
  assert.deepEqual(loaded.warnings, []);
  assert.deepEqual(loaded.notActing, []);
  assert.deepEqual(loaded.manifest, {
    name: "team/x",
    description: undefined,
    entry: undefined,
    triggers: [],
    params: new Map(),
    permissions: {
      env: [],
      net: [],
      fs: [],
      run: [],
      writ: { secretsWrite: [], kv: true, tasks: [], listTasks: false, getRuns: false },
    },
    dotenv: [],
    workspace: undefined,
    isolation: undefined,
    limits: {
      timeoutMs: 60_000,
      cpuMs: 30_000,
      memoryBytes: 128 * 1024 ** 2,
      logBytes: 1024 ** 2,
      outputBytes: 1024 ** 2,
      opsInFlight: 64,
      ops: 100_000,
    },
    retry: undefined,
    concurrency: undefined,
    onFailure: undefined,
    notify: undefined,
    acceptFrom: [],
  });
});

test("loadManifest() freezes the manifest to the bottom, so that nothing can widen it later", () => {
  const manifest = load("permissions: { env: [HOME], writ: { secrets_write: [a] } }\n");
  assert.throws(
    () => Reflect.apply(Array.prototype.push, manifest.permissions.writ.secretsWrite, ["**"]),
    TypeError,
  );
  assert.ok(Object.isFrozen(manifest.permissions.env[0]?.source));
});

suite("entries of permissions.env", () => {
  const base = {
    onMissing: "block",
    onUnavailable: "block",
    deliver: "env",
    hosts: [],
    in: [],
    at: { line: 3, column: 7 },
  };
  const cases: readonly [string, object][] = [
    [
      "HOME",
      {
        name: "HOME",
        source: { kind: "host", variable: "HOME", bare: true, sensitive: false },
        onMissing: "omit",
      },
    ],
    [
      "{ name: A, from: B }",
      { name: "A", source: { kind: "host", variable: "B", bare: false, sensitive: false } },
    ],
    [
      "{ name: A, from: B, sensitive: true }",
      { name: "A", source: { kind: "host", variable: "B", bare: false, sensitive: true } },
    ],
    ["{ name: A, secret: db_password }", { name: "A", source: { kind: "secret", key: "db_password" } }],
    ["{ name: A, ref: prod/db }", { name: "A", source: { kind: "secret", key: "prod/db" } }],
    [
      '{ name: A, secret: "op://Eng/deploy/token" }',
      { name: "A", source: { kind: "uri", uri: "op://Eng/deploy/token" } },
    ],
    [
      "{ name: A, provider: vault, key: kv/data/prod/api/key, options: { field: x } }",
      {
        name: "A",
        source: { kind: "provider", provider: "vault", key: "kv/data/prod/api/key", options: { field: "x" } },
      },
    ],
    ["{ name: A, value: info }", { name: "A", source: { kind: "value", value: "info" } }],
    ['{ name: A, value: "" }', { name: "A", source: { kind: "value", value: "" } }],
    [
      "{ name: A, secret: a, on_missing: empty }",
      { name: "A", source: { kind: "secret", key: "a" }, onMissing: "empty" },
    ],
    [
      "{ name: A, secret: a, optional: true }",
      { name: "A", source: { kind: "secret", key: "a" }, onMissing: "empty" },
    ],
    ["{ name: A, secret: a, optional: false }", { name: "A", source: { kind: "secret", key: "a" } }],
    [
      "{ name: A, secret: a, required: false }",
      { name: "A", source: { kind: "secret", key: "a" }, onMissing: "omit" },
    ],
    ["{ name: A, secret: a, required: true }", { name: "A", source: { kind: "secret", key: "a" } }],
    [
      "{ name: A, secret: a, on_unavailable: as_missing }",
      { name: "A", source: { kind: "secret", key: "a" }, onUnavailable: "as_missing" },
    ],
    [
      "{ name: A, secret: a, file: true }",
      { name: "A", source: { kind: "secret", key: "a" }, deliver: "file" },
    ],
    ["{ name: A, secret: a, file: false }", { name: "A", source: { kind: "secret", key: "a" } }],
    [
      "{ name: A, secret: a, deliver: sealed, hosts: [x.a.io] }",
      {
        name: "A",
        source: { kind: "secret", key: "a" },
        deliver: "sealed",
        hosts: ["x.a.io"],
        in: ["header"],
      },
    ],
    [
      "{ name: A, secret: a, deliver: sealed, hosts: ['*.a.io'], in: [form, json] }",
      {
        name: "A",
        source: { kind: "secret", key: "a" },
        deliver: "sealed",
        hosts: ["*.a.io"],
        in: ["form", "json"],
      },
    ],
  ];
  for (const [text, expected] of cases) {
    test(`loadManifest() reads ${text}`, () => {
      const { permissions } = load(`permissions:\n  env:\n    - ${text}\n  net: ['*.a.io']\n`);
      assert.deepEqual(permissions.env, [{ ...base, ...expected }]);
    });
  }
});

suite("triggers", () => {
  const cron = {
    kind: "cron",
    id: undefined,
    timezone: undefined,
    catchup: "latest",
    catchupWindowMs: 86_400_000,
    jitterMs: 0,
    params: {},
  };
  const hook = {
    kind: "webhook",
    path: "/hooks/a",
    methods: ["POST"],
    respond: "wait",
    responseTimeoutMs: 30_000,
    maxBodyBytes: 1024 ** 2,
  };
  const cases: readonly [string, readonly object[]][] = [
    [
      '{ cron: "0 9 * * MON-FRI", timezone: Europe/Amsterdam }',
      [{ ...cron, schedule: { cron: "0 9 * * MON-FRI" }, timezone: "Europe/Amsterdam" }],
    ],
    [
      '[{ cron: "*/30 * * * * *" }, { manual: true }]',
      [{ ...cron, schedule: { cron: "*/30 * * * * *" } }, { kind: "manual" }],
    ],
    [
      '{ cron: "0 0 L * *", catchup: all, catchup_window: 2d, jitter: 30s, id: month-end }',
      [
        {
          ...cron,
          schedule: { cron: "0 0 L * *" },
          catchup: "all",
          catchupWindowMs: 172_800_000,
          jitterMs: 30_000,
          id: "month-end",
        },
      ],
    ],
    ['{ cron: "@hourly" }', [{ ...cron, schedule: { cron: "@hourly" } }]],
    ["{ every: 10m }", [{ ...cron, schedule: { everyMs: 600_000 } }]],
    ["{ at: 2027-01-31T09:00:00+01:00 }", [{ ...cron, schedule: { at: Date.UTC(2027, 0, 31, 8) } }]],
    ["{ chain: { after: fetch-data } }", [{ kind: "chain", after: "fetch-data", on: "success" }]],
    ["{ secret: slack_hook }", [{ kind: "secret", keys: ["slack_hook"] }]],
    ["{ secret: [a, b/c] }", [{ kind: "secret", keys: ["a", "b/c"] }]],
    ["{ webhook: /hooks/a, verify: none }", [{ ...hook, verify: { scheme: "none" } }]],
    [
      "{ webhook: /hooks/a, methods: [GET], respond: accepted, response_timeout: 5s, max_body: 2MB, verify: { scheme: github, secret: k } }",
      [
        {
          ...hook,
          methods: ["GET"],
          respond: "accepted",
          responseTimeoutMs: 5000,
          maxBodyBytes: 2 * 1024 ** 2,
          verify: { scheme: "github", secrets: ["k"] },
        },
      ],
    ],
    [
      '{ webhook: /hooks/a, verify: { scheme: hmac, secret: [k2, k1], header: X-Sig, algorithm: sha512, encoding: base64, prefix: "sha512=", timestamp: { header: X-Time, tolerance: 1m } } }',
      [
        {
          ...hook,
          verify: {
            scheme: "hmac",
            secrets: ["k2", "k1"],
            header: "X-Sig",
            algorithm: "sha512",
            encoding: "base64",
            prefix: "sha512=",
            timestamp: { header: "X-Time", toleranceMs: 60_000 },
          },
        },
      ],
    ],
    [
      "{ webhook: /hooks/a, verify: { scheme: hmac, secret: k, header: X-Sig } }",
      [
        {
          ...hook,
          verify: {
            scheme: "hmac",
            secrets: ["k"],
            header: "X-Sig",
            algorithm: "sha256",
            encoding: "hex",
            prefix: "",
            timestamp: undefined,
          },
        },
      ],
    ],
  ];
  for (const [text, expected] of cases) {
    test(`loadManifest() reads ${text}`, () => {
      assert.deepEqual(load(`trigger: ${text}\n`).triggers, expected);
    });
  }
});

test("loadManifest() infers the type of a short parameter and of a long one from its default", () => {
  const { params } = load(
    "params:\n  a: text\n  b: 10\n  c: true\n  d: [1, x]\n  e: { default: 5 }\n  f: {}\n  g: { type: json, default: null }\n  h: { type: number, required: true, description: how many }\n",
  );
  const types = Object.fromEntries(
    [...params].map(([name, spec]) => [name, [spec.type, spec.default, spec.required]]),
  );
  assert.deepEqual(types, {
    a: ["string", "text", false],
    b: ["number", 10, false],
    c: ["boolean", true, false],
    d: ["json", [1, "x"], false],
    e: ["number", 5, false],
    f: ["string", undefined, false],
    g: ["json", null, false],
    h: ["number", undefined, true],
  });
});

test("loadManifest() reads the remaining keys and their defaults", () => {
  const manifest = load(`
name: Stars
description: |
  Several
  lines.
entry: src/main.mts
params: { mode: x }
permissions:
  env: [LANG, { name: PGPASSWORD, secret: pg }]
  fs: [{ path: "\${TASK_DATA}", access: rw }]
  run: [{ program: /usr/bin/git, args: ["clone", "--depth=1", "--", "*"], env: [LANG, { name: PGPASSWORD, raw: true }] }]
  dicode: { secrets_write: true, kv: false, tasks: ["notify/*"], list_tasks: true, get_runs: true }
dotenv: [.env, conf/.env.local]
workspace: payments
isolation: run
limits: { timeout: 500ms, cpu: 2m, memory: 1GB, log: 64KB, output: 1B, ops_in_flight: 1, ops: 7 }
retry: {}
concurrency: { key: "\${params.mode}-\${input.user.id}" }
on_failure: { task: notify/alert, params: { channel: ops } }
notify: {}
accept_from: [other/task]
runtime: isolate
`);
  assert.deepEqual(manifest.limits, {
    timeoutMs: 500,
    cpuMs: 120_000,
    memoryBytes: 1024 ** 3,
    logBytes: 65_536,
    outputBytes: 1,
    opsInFlight: 1,
    ops: 7,
  });
  assert.deepEqual(manifest.permissions.writ, {
    secretsWrite: true,
    kv: false,
    tasks: ["notify/*"],
    listTasks: true,
    getRuns: true,
  });
  assert.deepEqual(manifest.permissions.run[0]?.env, [
    { name: "LANG", raw: false },
    { name: "PGPASSWORD", raw: true },
  ]);
  assert.deepEqual(manifest.retry, {
    attempts: 3,
    backoff: "exponential",
    delayMs: 1000,
    maxDelayMs: 300_000,
    on: ["failure", "timeout", "crashed"],
  });
  assert.deepEqual(manifest.concurrency, {
    limit: 1,
    overlap: "queue",
    key: "${params.mode}-${input.user.id}",
  });
  assert.deepEqual(manifest.onFailure, { task: "notify/alert", params: { channel: "ops" } });
  assert.deepEqual(manifest.notify, { on: ["failure", "recovery"] });
  assert.equal(manifest.name, "Stars");
  assert.equal(manifest.entry, "src/main.mts");
  assert.equal(manifest.workspace, "payments");
  assert.deepEqual(manifest.dotenv, [".env", "conf/.env.local"]);
  assert.deepEqual(manifest.acceptFrom, ["other/task"]);
});

test("loadManifest() follows a few aliases, when they stay small", () => {
  const manifest = load("params: { a: &v { type: string, default: x }, b: *v }\n");
  assert.deepEqual(manifest.params.get("b"), manifest.params.get("a"));
  assert.deepEqual(
    problemsOf("params: { a: &v { typ: string }, b: *v }\n").map(({ at }) => at.column),
    [19, 19],
  );
});

test("loadManifest() refuses an alias bomb at once, when it would grow to billions of values", () => {
  const levels = Array.from({ length: 12 }, (_, level) => {
    const items =
      level === 0
        ? "x"
        : Array(9)
            .fill(`*a${level - 1}`)
            .join(",");
    return `a${level}: &a${level} [${items}]`;
  });
  const start = process.cpuUsage();
  const problems = problemsOf(`${levels.join("\n")}\n`);
  assert.ok(problems.some(({ code }) => code === "MANIFEST_ALIASES"));
  assert.ok(process.cpuUsage(start).user < 500_000);

  const wide = `a: &a [${"x,".repeat(9000)}]\nb: [${"*a,".repeat(19)}]\n`;
  assert.ok(problemsOf(wide).some(({ message }) => message === "aliases repeat too much of the file"));
});

suite("warnings", () => {
  const cases: readonly [string, string, string][] = [
    ["value: '${DB_PASS}@db'", "MANIFEST_VALUE", "3:29"],
    ["value: 'secret:db'", "MANIFEST_VALUE", "3:29"],
    ["value: ghp_0000notarealtoken00000000", "MANIFEST_CREDENTIAL_VALUE", "3:29"],
    ["value: 'postgres://app:not-real@db/x'", "MANIFEST_CREDENTIAL_VALUE", "3:29"],
    ["value: not0a0real0password0", "MANIFEST_CREDENTIAL_VALUE", "3:29"],
    ["secret: 'op://${X}/a'", "MANIFEST_VALUE", "3:30"],
  ];
  for (const [source, code, place] of cases) {
    test(`loadManifest() warns, when an entry says ${source}`, () => {
      const text = `permissions:\n  env:\n    - { name: TOKEN, ${source} }\n`;
      const loaded = loadManifest(bytes(text), "task.yaml", { id: "x" });
      assert.ok(loaded.ok);
      assert.deepEqual(
        loaded.warnings.map((warning) => `${warning.code} ${warning.at.line}:${warning.at.column}`),
        [`${code} ${place}`],
      );
    });
  }

  test("loadManifest() does not warn, when a value is plain", () => {
    for (const value of ["info", "https://a.io/x", "'0 9 * * *'", "Europe/Amsterdam"]) {
      const loaded = loadManifest(bytes(`permissions: { env: [{ name: LEVEL, value: ${value} }] }\n`), "t", {
        id: "x",
      });
      assert.ok(loaded.ok);
      assert.deepEqual(loaded.warnings, []);
    }
  });

  test("loadManifest() gives warnings together with errors, when there are both", () => {
    const problems = problemsOf("permissions:\n  env:\n    - { name: A, value: '${B}' }\nx: 1\n");
    assert.deepEqual(
      problems.map(({ severity }) => severity),
      ["warning", "error"],
    );
  });
});

suite("what the project says", () => {
  const project: ProjectRules = {
    defaults: { limits: { timeout: "5s", ops: 10 }, retry: { attempts: 5 }, notify: { on: ["failure"] } },
    maxLimits: {
      timeoutMs: 10_000,
      cpuMs: 5000,
      memoryBytes: 64 * 1024 ** 2,
      logBytes: 1024,
      outputBytes: 1024,
    },
    isolation: "task",
    workspaces: new Map([
      ["team", ["team/**"]],
      ["other", ["other/*"]],
    ]),
    allowRunAny: false,
  };

  test("loadManifest() lays defaults under the manifest, key by key, and caps what nobody asked for", () => {
    const manifest = load("limits: { ops: 20 }\nretry: { delay: 3s }\n", project);
    assert.equal(manifest.limits.timeoutMs, 5000);
    assert.equal(manifest.limits.ops, 20);
    assert.equal(manifest.limits.cpuMs, 5000);
    assert.equal(manifest.limits.memoryBytes, 64 * 1024 ** 2);
    assert.deepEqual([manifest.retry?.attempts, manifest.retry?.delayMs], [5, 3000]);
    assert.deepEqual(manifest.notify, { on: ["failure"] });
  });

  const cases: readonly [string, string][] = [
    ["limits:\n  timeout: 11s\n", "MANIFEST_LIMIT 2:12"],
    ["limits:\n  memory: 65MB\n", "MANIFEST_LIMIT 2:11"],
    ["isolation: workspace\n", "MANIFEST_LIMIT 1:12"],
    ["permissions: { run: [{ program: '*' }] }\n", "MANIFEST_LIMIT 1:33"],
    ["workspace: other\n", "SECRETS_SCOPE_INVALID 1:12"],
    ["workspace: elsewhere\n", "SECRETS_SCOPE_INVALID 1:12"],
  ];
  for (const [text, expected] of cases) {
    test(`loadManifest() refuses what the project does not allow: ${text.trim()}`, () => {
      const [problem] = problemsOf(text, project);
      assert.equal(`${problem?.code} ${problem?.at.line}:${problem?.at.column}`, expected);
      assert.ok(loadManifest(bytes(text), "t", { id: "team/x" }).ok);
    });
  }

  test("loadManifest() allows exactly the maximum and a tighter isolation", () => {
    assert.equal(load("limits: { timeout: 10s }\nisolation: paranoid\n", project).limits.timeoutMs, 10_000);
  });

  test("loadManifest() puts a task into its workspace, when the project lists it there", () => {
    assert.equal(load("name: a\n", project).workspace, "team");
    assert.equal(load("workspace: team\n", project).workspace, "team");
  });
});

suite("anything at all", () => {
  const never = (input: Uint8Array): void => {
    const loaded = loadManifest(input, "task.yaml", { id: "x" });
    if (loaded.ok) return;
    assert.ok(loaded.problems.some(({ severity }) => severity === "error"));
    for (const { at } of loaded.problems) assert.ok(at.line >= 1 && at.column >= 1);
  };

  test("loadManifest() does not throw, when given arbitrary bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), never), { numRuns: 1000 });
  });

  test("loadManifest() does not throw, when given arbitrary pieces of YAML", () => {
    const pieces = [
      "a",
      "b:",
      " ",
      "\n",
      "  ",
      "- ",
      "? ",
      ": ",
      "[",
      "]",
      "{",
      "}",
      ",",
      "&a ",
      "*a",
      "!!str ",
      "!x ",
      "|\n",
      ">-\n",
      "'",
      '"',
      "\\",
      "#",
      "---\n",
      "...\n",
      "%YAML 1.2\n",
      "<<: ",
      "~",
      "1e999",
      "\t",
      "\r\n",
      "é",
      "permissions:",
      "env:",
      "name: ",
      "params:",
      "trigger:",
      "__proto__: ",
    ];
    const text = fc
      .array(fc.constantFrom(...pieces), { maxLength: 60 })
      .map((parts) => bytes(parts.join("")));
    fc.assert(fc.property(text, never), { numRuns: 2000 });
  });

  test("loadManifest() does not throw, when every key has arbitrary values", () => {
    const names = [
      "name",
      "entry",
      "trigger",
      "params",
      "permissions",
      "env",
      "net",
      "fs",
      "run",
      "writ",
      "dotenv",
      "limits",
      "retry",
      "concurrency",
      "key",
      "hosts",
      "verify",
      "secret",
      "value",
      "in",
      "path",
      "args",
      "program",
      "on",
      "task",
      "default",
      "enum",
      "type",
      "options",
      "provider",
    ];
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie("tree"), { maxKeys: 5 }),
      ),
    }));
    const text = fc
      .dictionary(fc.constantFrom(...names), tree, { minKeys: 1 })
      .map((value) => bytes(JSON.stringify(value)));
    fc.assert(fc.property(text, never), { numRuns: 300 });
  });

  const fill = (piece: string, before = ""): string =>
    before + piece.repeat(Math.floor((MAX_YAML_BYTES - before.length) / piece.length));
  const hostile: Readonly<Record<string, string>> = {
    brackets: fill("["),
    "bracket pairs": fill("[]"),
    braces: fill("{a: "),
    dashes: fill("- "),
    questions: fill("? "),
    anchors: fill("&a "),
    aliases: fill("*a "),
    tags: fill("!!str "),
    "line breaks": fill("\n"),
    comments: fill("#\n"),
    documents: fill("---\n"),
    directives: fill("%x\n"),
    commas: fill(",", "["),
    quotes: fill("'"),
    "an open string": fill("x\n", 'name: "'),
    "a block scalar": fill(" x\n", "description: |\n"),
    "a long key": fill("k"),
    "many keys": Array.from({ length: 8000 }, (_, index) => `k${index}: 1`).join("\n"),
    "many entries": fill(" - {}\n", "permissions:\n env:\n").slice(0, 49_000),
    "many hosts": `permissions: { env: [{ name: A, secret: a, deliver: sealed, hosts: [${"a.io,".repeat(11_000)}] }], net: [${"b.io,".repeat(11_000)}] }`,
    "a wide glob": `permissions: { writ: { secrets_write: ["${"**/".repeat(60)}a"] } }`,
  };
  for (const [title, text] of Object.entries(hostile)) {
    test(`loadManifest() takes less than two seconds of CPU, when 256 KiB are ${title}`, () => {
      const start = process.cpuUsage();
      never(bytes(text));
      const { user, system } = process.cpuUsage(start);
      assert.ok(user + system < 2_000_000, `${user + system} µs`);
    });
  }
});
