import assert from "node:assert/strict";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import fc from "fast-check";
import type { ErrorCode } from "../../base/error.ts";
import { AppError, ERROR_CODES, formatPosition } from "../../base/error.ts";
import { loadManifest } from "../../manifest/load.ts";
import type { Config } from "../../server/config.ts";
import { bareConfig, configFrom, configJsonSchema, findConfig, loadConfig } from "../../server/config.ts";

const FILE = "/project/writ.yaml";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const config = (text: string, env: Record<string, string> = {}): Config => configFrom(bytes(text), FILE, env);

function refused(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  return assert.fail("expected a refusal");
}

const placed = (error: AppError): string =>
  `${error.code} ${error.at === undefined ? "" : formatPosition(error.at)}`.trim();

suite("configFrom()", () => {
  test("fills in every default, when the file is empty", () => {
    for (const text of ["", "# nothing\n", "{}\n"]) {
      assert.deepEqual(config(text), {
        file: FILE,
        root: "/project",
        tasks: ["/project/tasks"],
        dataDir: "/project/.writ",
        timezone: "UTC",
        server: {
          host: "127.0.0.1",
          port: 8467,
          tls: undefined,
          trustedProxy: [],
          insecure: false,
          hooksHost: undefined,
        },
        secrets: {
          key: "auto",
          store: undefined,
          providers: [
            { type: "local", name: "local", chain: true },
            { type: "env", name: "env", chain: true },
          ],
          watch: { enabled: true, pollIntervalMs: 300_000 },
        },
        project: {
          defaults: {},
          maxLimits: {
            timeoutMs: 900_000,
            cpuMs: 600_000,
            memoryBytes: 512 * 1024 ** 2,
            logBytes: 10 * 1024 ** 2,
            outputBytes: 8 * 1024 ** 2,
          },
          isolation: "task",
          workspaces: undefined,
          allowRunAny: false,
        },
        sandbox: { minLevel: undefined, workers: "auto", memoryBytes: 128 * 1024 ** 2 },
        runs: {
          concurrency: "auto",
          shutdownGraceMs: 30_000,
          durability: "normal",
          keep: { days: 30, perTask: 1000 },
          keepInputs: true,
        },
        approval: "off",
        notify: undefined,
        allowRunUnfenced: false,
        imports: [],
        own: { variables: [], files: [], secretKeys: [] },
        origins: new Map(),
      });
    }
  });

  test("reads every key", () => {
    const read = config(
      `
tasks: [jobs, /srv/jobs]
data_dir: ~/writ-data
timezone: Europe/Amsterdam
server: { host: 0.0.0.0, port: 9000, tls: { cert: tls/cert.pem, key: tls/key.pem }, trusted_proxy: [10.0.0.1], insecure: true, hooks_host: hooks.example.com }
auth:
  mode: builtin
  builtin: { token: { secret: "secret:auth/token", ttl: 15m, refresh: 30d }, initial_admin: { username: admin, password: "secret:env://ADMIN_PASSWORD" } }
  basic: { username: u, password: "secret:file:///run/secrets/basic" }
  oidc: { client_id: c, client_secret: "secret:oidc", client_url: "https://a.io", issuer: "https://i.io", auto_signup: true, allowed_domains: [a.io], role_mapping: { default_role: viewer } }
secrets:
  key: { file: keys/master }
  store: abc
  providers: [{ type: file, roots: [/run/secrets, more] }, { type: env, chain: false }, { type: local, name: vault-1 }]
  watch: { enabled: false, poll_interval: 1m }
workspaces: { payments: ["payments/**"] }
defaults: { limits: { timeout: 30s }, retry: { attempts: 2 }, concurrency: { limit: 1 }, notify: { on: [failure] } }
limits: { max: { timeout: 1h } }
sandbox: { isolation: run, min_level: L0, workers: 2, memory: 256MB }
runs: { concurrency: 8, shutdown_grace: 1m, durability: full, keep: { days: 7, per_task: 10 }, keep_inputs: false }
approval: required
notify: { task: notify/ops }
allow_run_any: true
allow_run_unfenced: true
imports: [lib]
`,
      { HOME: "/home/u" },
    );
    assert.deepEqual(read.tasks, ["/project/jobs", "/srv/jobs"]);
    assert.equal(read.dataDir, "/home/u/writ-data");
    assert.deepEqual(read.server.tls, { cert: "/project/tls/cert.pem", key: "/project/tls/key.pem" });
    assert.deepEqual(read.secrets, {
      key: { file: "/project/keys/master" },
      store: "abc",
      providers: [
        { type: "file", name: "file", roots: ["/run/secrets", "/project/more"] },
        { type: "env", name: "env", chain: false },
        { type: "local", name: "vault-1", chain: true },
      ],
      watch: { enabled: false, pollIntervalMs: 60_000 },
    });
    assert.deepEqual(read.own, {
      variables: ["ADMIN_PASSWORD"],
      files: ["/run/secrets/basic", "/project/tls/key.pem", "/project/keys/master"],
      secretKeys: ["auth/token", "oidc"],
    });
    assert.deepEqual(read.project.workspaces, new Map([["payments", ["payments/**"]]]));
    assert.equal(read.project.maxLimits.timeoutMs, 3_600_000);
    assert.equal(read.project.maxLimits.cpuMs, 600_000);
    assert.equal(read.project.isolation, "run");
    assert.deepEqual(read.imports, ["/project/lib"]);
    assert.deepEqual(read.notify, { task: "notify/ops" });

    const loaded = loadManifest(bytes("permissions: {}\n"), "task.yaml", {
      id: "payments/x",
      project: read.project,
    });
    assert.ok(loaded.ok);
    assert.equal(loaded.manifest.workspace, "payments");
    assert.equal(loaded.manifest.limits.timeoutMs, 30_000);
    assert.equal(loaded.manifest.retry?.attempts, 2);
  });

  const cases: readonly [string, string, ErrorCode, string][] = [
    ["an unknown key", "task: ./tasks\n", "CONFIG_INVALID", "1:1"],
    ["an unknown key below", "server:\n  prot: 1\n", "CONFIG_INVALID", "2:3"],
    ["a port out of range", "server: { port: 70000 }\n", "CONFIG_INVALID", "1:17"],
    ["a port as text", 'server: { port: "80" }\n', "CONFIG_INVALID", "1:17"],
    ["a duplicate key", "tasks: a\ntasks: b\n", "CONFIG_INVALID", "2:1"],
    ["broken YAML", "tasks: [\n", "CONFIG_INVALID", "2:1"],
    ["a list", "- tasks\n", "CONFIG_INVALID", "1:1"],
    ["a path with NUL", 'data_dir: "a\\0b"\n', "CONFIG_INVALID", "1:11"],
    ["an unknown provider", "secrets: { providers: [{ type: valt }] }\n", "CONFIG_INVALID", "1:32"],
    [
      "a provider that is not built yet",
      "secrets: { providers: [{ type: vault }] }\n",
      "CONFIG_INVALID",
      "1:32",
    ],
    ["a provider without a type", "secrets: { providers: [{ chain: false }] }\n", "CONFIG_INVALID", "1:24"],
    ["no provider at all", "secrets: { providers: [] }\n", "CONFIG_INVALID", "1:23"],
    [
      "two providers of one name",
      "secrets: { providers: [{ type: env }, { type: env }] }\n",
      "CONFIG_INVALID",
      "1:39",
    ],
    [
      "roots of another provider",
      "secrets: { providers: [{ type: env, roots: [x] }] }\n",
      "CONFIG_INVALID",
      "1:37",
    ],
    [
      "a file provider in the chain",
      "secrets: { providers: [{ type: file, chain: true }] }\n",
      "CONFIG_INVALID",
      "1:38",
    ],
    ["an unknown key source", "secrets: { key: prompt }\n", "CONFIG_INVALID", "1:17"],
    ["a key source without its path", "secrets: { key: { file: } }\n", "CONFIG_INVALID", "1:19"],
    ["a reference inside secrets", 'secrets: { key: { file: "secret:k" } }\n', "SECRETS_CYCLE", "1:25"],
    ["a reference as key source", 'secrets: { key: "secret:k" }\n', "SECRETS_CYCLE", "1:17"],
    [
      "a reference inside a provider",
      'secrets: { providers: [{ type: file, roots: ["secret:k"] }] }\n',
      "SECRETS_CYCLE",
      "1:46",
    ],
    ["a reference where none can stand", 'data_dir: "secret:k"\n', "CONFIG_INVALID", "1:11"],
    [
      "a malformed reference",
      'auth: { basic: { username: u, password: "secret:a b" } }\n',
      "CONFIG_INVALID",
      "1:41",
    ],
    [
      "permissions in defaults",
      "defaults:\n  permissions: { env: [HOME] }\n",
      "SECRETS_SCOPE_INVALID",
      "2:3",
    ],
    ["a workspace in defaults", "defaults:\n  workspace: x\n", "SECRETS_SCOPE_INVALID", "2:3"],
    ["a reserved workspace", "workspaces: { global: [] }\n", "SECRETS_SCOPE_INVALID", "1:15"],
    ["a default above its maximum", "defaults: { limits: { timeout: 1h } }\n", "CONFIG_INVALID", "1:32"],
    [
      "a concurrency key in defaults",
      'defaults: { concurrency: { key: "${input.x}" } }\n',
      "CONFIG_INVALID",
      "1:28",
    ],
    ["oidc as mode", "auth: { mode: oidc }\n", "CONFIG_INVALID", "1:15"],
    ["an unknown level", "sandbox: { min_level: L4 }\n", "CONFIG_INVALID", "1:23"],
    ["an unknown time zone", "timezone: CET+1\n", "CONFIG_INVALID", "1:11"],
    ["no workers", "sandbox: { workers: 0 }\n", "CONFIG_INVALID", "1:21"],
  ];
  for (const [title, text, code, place] of cases) {
    test(`refuses ${title} at its place`, () => {
      const error = refused(() => config(text));
      assert.equal(placed(error), `${code} ${FILE}:${place}`, error.message);
      if (code === "CONFIG_INVALID" || code === "SECRETS_CYCLE")
        assert.equal(ERROR_CODES[error.code].exit, 78);
    });
  }

  test("names what was probably meant and every other problem", () => {
    const error = refused(() => config("task: x\nserver: { port: 0 }\n"));
    assert.equal(error.message, 'unknown key "task"; did you mean "tasks"?');
    assert.deepEqual(error.hints, [`CONFIG_INVALID ${FILE}:2:17 must be at least 1`]);
  });

  test("never repeats a password, when its entry is wrong", () => {
    const canary = "canary-7f3a-not-a-real-secret";
    for (const text of [
      `auth: { basic: { username: u, password: "${canary}\\n" } }\n`,
      `auth: { basic: { username: u, password: ["${canary}"] } }\n`,
      `auth: { basic: { username: u, password: "secret:${canary}!" } }\n`,
    ]) {
      const error = refused(() => config(text));
      assert.ok(!JSON.stringify([error.message, error.hints]).includes(canary));
    }
  });

  test("never throws anything but a code, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        try {
          configFrom(input, FILE, {});
        } catch (error) {
          assert.ok(error instanceof AppError && error.code !== "INTERNAL");
        }
      }),
      { numRuns: 300 },
    );
  });
});

suite("variables over the file", () => {
  test("a variable wins over the file and its origin is told", () => {
    const read = config("server: { port: 9000 }\ndata_dir: ./d\n", {
      WRIT_SERVER_PORT: "9001",
      WRIT_SERVER_INSECURE: "true",
      WRIT_TASKS: "./jobs",
      WRIT_SANDBOX_WORKERS: "3",
      WRIT_SECRETS_KEY_FILE: "/keys/master",
      WRIT_RUNS_KEEP_PER_TASK: "5",
      WRIT_TIMEZONE: "",
      WRIT_UNKNOWN: "x",
    });
    assert.equal(read.server.port, 9001);
    assert.equal(read.server.insecure, true);
    assert.deepEqual(read.tasks, ["/project/jobs"]);
    assert.equal(read.sandbox.workers, 3);
    assert.deepEqual(read.secrets.key, { file: "/keys/master" });
    assert.equal(read.runs.keep.perTask, 5);
    assert.equal(read.timezone, "UTC");
    assert.deepEqual(Object.fromEntries(read.origins), {
      "server.port": "WRIT_SERVER_PORT",
      data_dir: `${FILE}:2:11`,
      tasks: "WRIT_TASKS",
      "server.insecure": "WRIT_SERVER_INSECURE",
      "sandbox.workers": "WRIT_SANDBOX_WORKERS",
      "secrets.key.file": "WRIT_SECRETS_KEY_FILE",
      "runs.keep.per_task": "WRIT_RUNS_KEEP_PER_TASK",
    });
  });

  test("text stays text where a key takes text", () => {
    assert.equal(config("", { WRIT_DATA_DIR: "5" }).dataDir, "/project/5");
  });

  test("a variable completes what the file leaves out", () => {
    const env = { WRIT_AUTH_BASIC_PASSWORD: "canary-7f3a-not-a-real-secret" };
    assert.equal(
      config("auth: { basic: { username: u } }\n", env).origins.get("auth.basic.password"),
      "WRIT_AUTH_BASIC_PASSWORD",
    );
    assert.equal(
      placed(refused(() => config("auth: { basic: { username: u } }\n"))),
      `CONFIG_INVALID ${FILE}:1:16`,
    );
  });

  test("a wrong variable is named, and a reference in secrets is refused from there as well", () => {
    assert.equal(
      placed(refused(() => config("", { WRIT_SERVER_PORT: "abc" }))),
      "CONFIG_INVALID WRIT_SERVER_PORT:1:1",
    );
    assert.equal(
      placed(refused(() => config("", { WRIT_SERVER_PORT: "70000" }))),
      "CONFIG_INVALID WRIT_SERVER_PORT:1:1",
    );
    assert.equal(
      placed(refused(() => config("", { WRIT_SECRETS_KEY_FILE: "secret:k" }))),
      "SECRETS_CYCLE WRIT_SECRETS_KEY_FILE:1:1",
    );
  });

  test("the environment holds no way to widen a prototype", () => {
    config("", { WRIT___PROTO___X: "1", WRIT_CONSTRUCTOR: "1" });
    assert.equal(Reflect.get({}, "x"), undefined);
  });
});

suite("finding the file", () => {
  const base = mkdtempSync(join(tmpdir(), "writ-config-"));
  after(() => rmSync(base, { recursive: true, force: true }));
  const project = join(base, "project");
  const deep = join(project, "tasks", "hello");
  mkdirSync(deep, { recursive: true });
  const file = join(project, "writ.yaml");
  const other = join(base, "other.yaml");
  writeFileSync(file, "timezone: Europe/Amsterdam\n");
  writeFileSync(other, "timezone: Asia/Tokyo\n");
  mkdirSync(join(base, "empty", "writ.yaml"), { recursive: true });

  test("findConfig() goes upwards from the working folder", () => {
    assert.equal(findConfig({ cwd: deep, env: {} }), file);
    assert.equal(findConfig({ cwd: project, env: {} }), file);
    assert.equal(loadConfig({ cwd: deep, env: {} }).timezone, "Europe/Amsterdam");
    assert.equal(loadConfig({ cwd: deep, env: {} }).root, project);
  });

  test("findConfig() refuses a file above the working folder that belongs to somebody else", () => {
    // Only root can give a file away; anybody else keeps it and asks as another user.
    const owner = process.getuid?.() || 12_345;
    chownSync(file, owner, process.getgid?.() ?? 0);
    const ask = { env: {}, uid: owner + 1 };
    const error = refused(() => findConfig({ cwd: deep, ...ask }));
    assert.equal(error.code, "CONFIG_INVALID");
    assert.match(error.message, /belongs to another user/);
    assert.equal(findConfig({ cwd: deep, ...ask, uid: owner }), file);
    assert.equal(findConfig({ cwd: project, ...ask }), file);
    assert.equal(findConfig({ cwd: deep, ...ask, explicit: file }), file);
    chownSync(file, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  });

  test("findConfig() prefers --config to WRIT_CONFIG and both to the folder", () => {
    const env = { WRIT_CONFIG: "../../../other.yaml" };
    assert.equal(loadConfig({ cwd: deep, env }).timezone, "Asia/Tokyo");
    assert.equal(loadConfig({ cwd: deep, env, explicit: file }).timezone, "Europe/Amsterdam");
    assert.equal(findConfig({ cwd: deep, env: { WRIT_CONFIG: "" } }), file);
  });

  test("loadConfig() throws CONFIG_NOT_FOUND with the way on, when there is none", () => {
    const error = refused(() => loadConfig({ cwd: join(base, "empty"), env: {} }));
    assert.equal(error.code, "CONFIG_NOT_FOUND");
    assert.match(error.hints.join(" "), /writ init/);
  });

  test("loadConfig() throws CONFIG_INVALID, when the named file is missing or a folder", () => {
    for (const explicit of ["nowhere.yaml", "."]) {
      assert.equal(refused(() => loadConfig({ cwd: base, env: {}, explicit })).code, "CONFIG_INVALID");
    }
  });

  test("bareConfig() is every default, rooted at the folder", () => {
    const bare = bareConfig(base, { WRIT_TIMEZONE: "Asia/Tokyo" });
    assert.equal(bare.file, undefined);
    assert.equal(bare.root, base);
    assert.deepEqual(bare.tasks, [base]);
    assert.equal(bare.dataDir, join(base, ".writ"));
    assert.deepEqual(Object.fromEntries(bare.origins), { timezone: "WRIT_TIMEZONE" });
  });
});

test("configJsonSchema() is closed and describes every key, at every depth", () => {
  const walk = (value: unknown, path: string): number => {
    if (typeof value !== "object" || value === null) return 0;
    let count = 0;
    if ("properties" in value && typeof value.properties === "object" && value.properties !== null) {
      assert.equal(Reflect.get(value, "additionalProperties"), false, path);
      for (const [key, property] of Object.entries(value.properties)) {
        assert.ok("description" in Object(property), `${path}: ${key}`);
        count++;
      }
    }
    for (const [key, item] of Object.entries(value)) count += walk(item, `${path}.${key}`);
    return count;
  };
  assert.ok(walk(configJsonSchema(), "$") > 60);
});

suite("docs/config.md", () => {
  const text = readFileSync(new URL("../../docs/config.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/(?:<!-- ([A-Z_]+) -->\n)?```yaml\n([^]*?)```/g)];

  test("has examples, some of which are refused", () => {
    assert.ok(examples.length >= 6);
    assert.ok(examples.some(([, code]) => code !== undefined));
  });

  for (const [, code, yaml = ""] of examples) {
    test(`an example ${code === undefined ? "loads" : `is refused with ${code}`}: ${yaml.split("\n")[0]}`, () => {
      if (code === undefined) config(yaml);
      else assert.equal(refused(() => config(yaml)).code, code);
    });
  }

  test("names every key of the schema", () => {
    const keys = (value: unknown): string[] =>
      typeof value !== "object" || value === null
        ? []
        : Object.entries(value).flatMap(([key, item]) => [
            ...(key === "properties" ? Object.keys(Object(item)) : []),
            ...keys(item),
          ]);
    for (const key of keys(configJsonSchema())) assert.ok(new RegExp(`\\b${key}\\b`).test(text), key);
  });
});
