import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { loadManifest } from "../../../manifest/load.ts";
import type { Manifest } from "../../../manifest/manifest.ts";
import { BROAD, explainManifest } from "../../../manifest/permissions/explain.ts";
import type { Asked } from "../../../manifest/permissions/grants.ts";
import { compileGrants } from "../../../manifest/permissions/grants.ts";
import { mayWriteSecret } from "../../../manifest/permissions/secrets-write.ts";

function load(text: string): Manifest {
  const loaded = loadManifest(new TextEncoder().encode(text), "task.yaml", { id: "x" });
  if (!loaded.ok) assert.fail(JSON.stringify(loaded.problems));
  return loaded.manifest;
}

const asked: readonly Asked[] = [
  { kind: "secrets_write", key: "oauth/access" },
  { kind: "env", name: "HOME" },
  { kind: "net", method: "POST", url: "https://api.github.com/x?token=canary-7f3a-not-a-real-secret" },
  { kind: "fs", path: "notes/a.txt", access: "w" },
  { kind: "run", program: "/usr/bin/git", args: ["status"] },
  { kind: "tasks", task: "notify/alert" },
  { kind: "list_tasks" },
  { kind: "get_runs" },
];

suite("compileGrants()", () => {
  test("denies everything but the task's own kv, when the manifest grants nothing", () => {
    const grants = compileGrants(load("permissions: {}\n").permissions);
    for (const one of asked) assert.notEqual(grants.judge(one), undefined, one.kind);
    assert.equal(grants.judge({ kind: "kv" }), undefined);
  });

  for (const one of [...asked, { kind: "kv" } as const]) {
    test(`names a line for ${one.kind} that loads and is what was asked for`, () => {
      const grants = compileGrants(load("permissions: { writ: { kv: false } }\n").permissions);
      const denial = grants.judge(one) ?? assert.fail();
      assert.ok(!denial.line.includes("canary"));
      assert.ok(!denial.message.includes("canary"));
      const { permissions } = load(`${denial.line}\n`);
      if (["secrets_write", "env", "kv"].includes(one.kind)) {
        assert.equal(compileGrants(permissions).judge(one), undefined);
      } else {
        const { net, fs, run, writ } = permissions;
        assert.equal(
          net.length +
            fs.length +
            run.length +
            writ.tasks.length +
            Number(writ.listTasks) +
            Number(writ.getRuns),
          1,
        );
      }
    });
  }

  test("denies what does not act yet, also when the manifest names it", () => {
    const { permissions } = load(
      'permissions: { net: ["*"], fs: [{ path: ., access: rw }], run: [{ program: /usr/bin/git, args: ["**"] }], writ: { tasks: ["**"], list_tasks: true, get_runs: true } }\n',
    );
    const grants = compileGrants(permissions);
    for (const one of asked) assert.notEqual(grants.judge(one), undefined, one.kind);
  });

  test("keeps what a guest says inside its quotes, when a line is made of it", () => {
    const grants = compileGrants(load("permissions: {}\n").permissions);
    const { line } =
      grants.judge({ kind: "tasks", task: 'x"] }, secrets_write: true, list: ["\n' }) ?? assert.fail();
    const loaded = loadManifest(new TextEncoder().encode(line), "task.yaml", { id: "x" });
    assert.ok(!loaded.ok);
    assert.deepEqual(
      loaded.problems.map(({ code }) => code),
      ["TASK_ID_INVALID"],
    );
  });

  test("can not be changed afterwards", () => {
    assert.ok(Object.isFrozen(compileGrants(load("permissions: {}\n").permissions)));
  });
});

suite("mayWriteSecret()", () => {
  const cases: readonly [true | readonly string[], string, boolean][] = [
    [true, "anything/at/all", true],
    [true, "../x", false],
    [true, "", false],
    // Its version, expected under if_version, would be dropped by whatever builds an object of it.
    [true, "__proto__", false],
    [[], "a", false],
    [["oauth/*"], "oauth/access", true],
    [["oauth/*"], "oauth", false],
    [["oauth/*"], "oauth/a/b", false],
    [["oauth/*"], "oauthx/a", false],
    [["oauth/**"], "oauth/a/b", true],
    [["**"], "a/b/c", true],
    [["*"], "a", true],
    [["*"], "a/b", false],
    [["**/token"], "token", true],
    [["**/token"], "a/b/token", true],
    [["**/token"], "a/b/tokens", false],
    [["a/**/z"], "a/z", true],
    [["a/**/b/**/c"], "a/x/b/y/b/c", true],
    [["a", "b"], "b", true],
    [["a.b"], "axb", false],
  ];
  for (const [granted, key, expected] of cases) {
    test(`${expected ? "allows" : "refuses"} ${JSON.stringify(key)} under ${JSON.stringify(granted)}`, () => {
      assert.equal(mayWriteSecret(granted, key), expected);
    });
  }

  test("agrees with a pattern spelled as a regular expression", () => {
    const segment = fc.constantFrom("a", "b", "*", "**");
    const globs = fc.array(segment, { minLength: 1, maxLength: 6 });
    const keys = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(globs, keys, (glob, key) => {
        const parts = glob.map((part) =>
          part === "**" ? "(?:[^/]+/)*" : part === "*" ? "[^/]+/" : `${part}/`,
        );
        const expected = new RegExp(`^${parts.join("")}$`).test(`${key.join("/")}/`);
        assert.equal(mayWriteSecret([glob.join("/")], key.join("/")), expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("answers at once, when a glob is built to be slow", () => {
    const start = process.cpuUsage();
    assert.equal(mayWriteSecret([`${"**/a/".repeat(300)}b`], `${"a/".repeat(98)}a`), false);
    assert.ok(process.cpuUsage(start).user < 200_000);
  });
});

suite("explainManifest()", () => {
  test("says clearly that a task may do nothing", () => {
    assert.deepEqual(explainManifest(load("permissions: {}\n"), "hello"), [
      "hello may do nothing but use its own key-value store: no environment, no network, no files, no programs",
      "it is started by hand",
    ]);
    assert.match(
      explainManifest(load("permissions: { writ: { kv: false } }\n"), "hello")[0] ?? "",
      /^hello may do nothing: /,
    );
  });

  test("flags broad authority loudly", () => {
    const lines = explainManifest(
      load(`
trigger: { webhook: /hooks/x, verify: none }
permissions:
  net: ["*"]
  fs: [{ path: "\${PROJECT_DIR}", access: rw }, { path: x, access: w, secrets: true }]
  run: [{ program: "*", args: ["**"] }]
  writ: { secrets_write: true, tasks: ["**"] }
`),
      "x",
    );
    assert.equal(lines.filter((line) => line.startsWith(BROAD)).length, 7);
    assert.ok(lines.some((line) => line.includes("OPEN")));
  });

  test("says each permission and whether it acts, without a literal value", () => {
    const lines = explainManifest(
      load(`
workspace: payments
trigger: [{ cron: "0 9 * * *", timezone: UTC }, { every: 90s }, { at: 2027-01-31T09:00:00Z }, { chain: { after: a } }, { secret: k }]
permissions:
  env:
    - HOME
    - { name: A, from: B, sensitive: true, optional: true }
    - { name: C, secret: c, required: false }
    - { name: D, secret: "op://v/i/f", deliver: sealed, hosts: [a.io] }
    - { name: E, provider: vault, key: kv/e, file: true }
    - { name: F, value: canary-7f3a-not-a-real-secret }
  net: ["POST https://a.io/token"]
  writ: { secrets_write: ["oauth/*"] }
`),
      "x",
    );
    assert.deepEqual(lines, [
      "x may:",
      "see HOME, the daemon's variable HOME, absent when missing",
      "see A, the daemon's sensitive variable B, empty when missing",
      'see C, the secret "c", absent when missing',
      'use without seeing D, the secret "op://v/i/f", sent only to a.io in a header (not acting yet: the run is blocked)',
      'see E, the secret "kv/e" of the provider vault, as a file (not acting yet: the run is blocked)',
      "see F, a literal value",
      "send POST to a.io, the path /token (not acting yet: denied)",
      "set and delete the secrets oauth/*, without reading any",
      "use its own key-value store",
      'it looks secrets up in the workspace "payments" first, then in the global ones',
      "it is started by hand",
      'and by the schedule "0 9 * * *" in UTC (not acting yet)',
      "and every 90s (not acting yet)",
      "and at 2027-01-31T09:00:00.000Z (not acting yet)",
      "and after a (success) (not acting yet)",
      "and after a new version of k (not acting yet)",
    ]);
  });
});
