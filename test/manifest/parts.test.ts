import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../../base/error.ts";
import { isRunId, newRunId } from "../../base/id.ts";
import { cronProblem } from "../../manifest/cron-syntax.ts";
import { taskJsonSchema } from "../../manifest/json-schema.ts";
import { loadManifest } from "../../manifest/load.ts";
import { NOT_ACTING } from "../../manifest/not-acting.ts";
import { idFromFolder, taskIdProblem } from "../../manifest/task-id.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../manifest/units.ts";

suite("units", () => {
  test("parseDuration() and formatDuration() agree, for every unit", () => {
    const cases = {
      "500ms": 500,
      "30s": 30_000,
      "5m": 300_000,
      "2h": 7_200_000,
      "7d": 604_800_000,
      "0ms": 0,
    };
    for (const [text, ms] of Object.entries(cases)) {
      assert.equal(parseDuration(text), ms);
      assert.equal(formatDuration(ms), text);
    }
    for (const wrong of ["", "5", "5 m", "-5m", "1.5h", "5M", "5m5s", "1e3ms", "٥m", "5m\n", "9999999999s"]) {
      assert.equal(parseDuration(wrong), undefined, wrong);
    }
  });

  test("parseSize() counts in powers of 1024", () => {
    const cases = { "1B": 1, "64KB": 65_536, "128MB": 134_217_728, "2GB": 2_147_483_648 };
    for (const [text, bytes] of Object.entries(cases)) {
      assert.equal(parseSize(text), bytes);
      assert.equal(formatSize(bytes), text);
    }
    for (const wrong of ["", "1", "1kb", "1 KB", "-1KB", "1KiB", "1.5MB"])
      assert.equal(parseSize(wrong), undefined, wrong);
  });
});

suite("task ids", () => {
  const root = join("/", "p", "tasks");

  test("idFromFolder() is the path below the root", () => {
    assert.equal(idFromFolder(root, join(root, "hello")), "hello");
    assert.equal(idFromFolder(root, join(root, "notify", "ops-1", "a_b")), "notify/ops-1/a_b");
    assert.equal(idFromFolder(root, join(root, "x", "..", "y")), "y");
  });

  for (const folder of [
    root,
    join(root, ".."),
    join(root, "..", "tasks2", "x"),
    join(root, "Hello"),
    join(root, ".git"),
    join(root, "a b"),
    join(root, "run_x"),
    join(root, "-x"),
    join(root, "é"),
    join(root, "a\nb"),
  ]) {
    test(`idFromFolder() throws TASK_ID_INVALID, when the folder is ${JSON.stringify(folder)}`, () => {
      assert.throws(
        () => idFromFolder(root, folder),
        (error) =>
          error instanceof AppError && error.code === "TASK_ID_INVALID" && !error.message.includes("\n"),
      );
    });
  }

  test("taskIdProblem() holds at the limit and one past it", () => {
    assert.equal(taskIdProblem("a".repeat(200)), undefined);
    assert.match(taskIdProblem("a".repeat(201)) ?? "", /201 characters/);
    assert.equal(taskIdProblem("x/run_a"), undefined);
    for (const wrong of ["", "/a", "a/", "a//b", "..", "a/../b", "a\0", "a\n", "run_"])
      assert.notEqual(taskIdProblem(wrong), undefined, wrong);
  });

  test("no run id is a task id", () => {
    const id = newRunId(0);
    assert.ok(isRunId(id));
    assert.notEqual(taskIdProblem(id), undefined);
    assert.notEqual(taskIdProblem(id.toLowerCase()), undefined);
  });
});

suite("cronProblem()", () => {
  const good = [
    "* * * * *",
    "0 9 * * MON-FRI",
    "*/15 8-18/2 1,15 jan-mar,DEC sun",
    "0 0 L * *",
    "0 0 LW * *",
    "0 0 15W * *",
    "0 0 * * 5#2",
    "0 0 * * MON#L",
    "0 0 * * FRIL",
    "0 0 ? * 7",
    "30 * * * * *",
    "@daily",
    "@yearly",
    "0  9  * * *",
    "0 0 29 2 *",
    "0 0 30 2,4 *",
    "0 0 30 2 MON",
  ];
  for (const expression of good) {
    test(`accepts ${expression}`, () => assert.equal(cronProblem(expression), undefined));
  }
  const wrong = [
    "",
    " ",
    "* * * *",
    "* * * * * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 13 *",
    "* * * * 8",
    "-1 * * * *",
    "*/0 * * * *",
    "*/60 * * * *",
    "5/10 * * * *",
    "1-2-3 * * * *",
    "5-1 * * * *",
    "1, * * * *",
    "* * * FOO *",
    "* * * * MON#6",
    "* * * * L",
    "L * * * *",
    "0 0 32W * *",
    "0 0 31 4 *",
    "0 0 30 FEB *",
    "@reboot",
    "@DAILY",
    "*\t* * * *",
    "*/1/2 * * * *",
    "1.5 * * * *",
    "H * * * *",
    `${"1,".repeat(200)}1 * * * *`,
  ];
  for (const expression of wrong) {
    test(`refuses ${JSON.stringify(expression.slice(0, 40))}`, () =>
      assert.notEqual(cronProblem(expression), undefined));
  }
});

suite("notActing()", () => {
  const everything = `
trigger: [{ cron: "@daily" }, { every: 1h }, { at: 2027-01-31T09:00:00Z }, { webhook: /hooks/a, verify: none }, { chain: { after: a } }, { secret: k }, { manual: true }]
permissions:
  env:
    - { name: A, secret: a, deliver: sealed, hosts: [a.io] }
    - { name: B, secret: a, deliver: env }
    - { name: C, secret: a, file: true }
    - { name: D, secret: a, file: false }
  net: [a.io]
  fs: [{ path: x, access: r }]
  run: [{ program: /bin/true }]
  writ: { secrets_write: ["a"], kv: true, tasks: [a], list_tasks: true, get_runs: true }
isolation: run
retry: {}
concurrency: {}
on_failure: { task: a }
notify: {}
accept_from: [a]
`;

  function notes(text: string): string[] {
    const loaded = loadManifest(new TextEncoder().encode(text), "task.yaml", { id: "x" });
    if (!loaded.ok) assert.fail(JSON.stringify(loaded.problems));
    for (const note of loaded.notActing) assert.equal(note.code, "MANIFEST_NOT_ACTING");
    return loaded.notActing.map(({ message, at }) => `${at.line}:${at.column} ${message.split(" ")[0]}`);
  }

  test("names each use once, at its key", () => {
    assert.deepEqual(notes(everything), [
      "2:13 trigger.cron",
      "2:33 trigger.every",
      "2:48 trigger.at",
      "2:78 trigger.webhook",
      "2:115 trigger.chain",
      "2:140 trigger.secret",
      "5:29 permissions.env.deliver",
      "7:29 permissions.env.file",
      "9:3 permissions.net",
      "10:3 permissions.fs",
      "11:3 permissions.run",
      "12:43 permissions.writ.tasks",
      "12:55 permissions.writ.list_tasks",
      "12:73 permissions.writ.get_runs",
      "13:1 isolation",
      "14:1 retry",
      "15:1 concurrency",
      "16:1 on_failure",
      "17:1 notify",
      "18:1 accept_from",
    ]);
  });

  test("says nothing about what acts, nor about empty lists", () => {
    assert.deepEqual(
      notes(
        "name: a\nentry: task.ts\nparams: { a: 1 }\ndotenv: [.env]\nworkspace: w\nlimits: { timeout: 1s }\ntrigger: { manual: true }\npermissions: { net: [], fs: [], run: [], env: [HOME], writ: { secrets_write: true, kv: false, tasks: [], get_runs: false } }\n",
      ),
      [],
    );
  });

  test("names every line of the list for some manifest", () => {
    const dicode = everything.replace("writ:", "dicode:");
    const named = new Set([...notes(everything), ...notes(dicode)].map((note) => note.split(" ")[1]));
    for (const { path } of NOT_ACTING) assert.ok(named.has(path.replaceAll(".*", "")), path);
  });
});

suite("taskJsonSchema()", () => {
  const schema = taskJsonSchema();

  function objects(value: unknown, path = "$"): [string, Record<string, unknown>][] {
    if (typeof value !== "object" || value === null) return [];
    const own: [string, Record<string, unknown>][] = "properties" in value ? [[path, { ...value }]] : [];
    return [...own, ...Object.entries(value).flatMap(([key, item]) => objects(item, `${path}.${key}`))];
  }

  test("is closed and describes every key, at every depth", () => {
    const found = objects(schema);
    assert.ok(found.length > 15);
    for (const [path, object] of found) {
      assert.equal(object["additionalProperties"], false, path);
      for (const [key, property] of Object.entries(object["properties"] ?? {})) {
        assert.ok(
          typeof property === "object" && property !== null && "description" in property,
          `${path}: ${key}`,
        );
      }
    }
  });

  test("has every key of the root and says its draft", () => {
    assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert.deepEqual(Object.keys(schema["properties"] ?? {}), [
      "name",
      "description",
      "entry",
      "trigger",
      "params",
      "permissions",
      "dotenv",
      "workspace",
      "isolation",
      "limits",
      "retry",
      "concurrency",
      "on_failure",
      "notify",
      "accept_from",
      "runtime",
    ]);
  });
});
