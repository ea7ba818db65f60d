/**
 * The bundler reads files for whoever writes an import: what it may read it bundles, with the author's places in
 * errors and stacks; of everything else not one byte shows. (A hard link is the file itself: whoever can make one in
 * the task's folder can read what it names.)
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import test from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AppError } from "../../base/error.ts";
import { bundle, type Bundle } from "../../runtime/host/bundle.ts";
import { openModule, type ImportScope } from "../../runtime/host/module-files.ts";
import { startRuntime, temporaryFolder, writeFiles } from "./support.ts";

const { runCode } = startRuntime();

const CANARY = "canary-7f3a-not-a-real-secret";
const SECRET = `export const secret = "${CANARY}"; export default "${CANARY}";`;

interface Project extends Disposable {
  readonly root: string;
  readonly taskDir: string;
  readonly scope: ImportScope;
}

/** A project with a task, and secrets everywhere around it. */
function project(files: Readonly<Record<string, string>>): Project {
  const folder = temporaryFolder();
  const root = join(folder.path, "project");
  const taskDir = join(root, "tasks/mine");
  writeFiles(folder.path, {
    "outside.ts": SECRET,
    "outside.json": `"${CANARY}"`,
    "outside/index.ts": SECRET,
  });
  writeFiles(root, {
    "outside.ts": SECRET,
    "writ.yaml": CANARY,
    "tasks/other/task.ts": SECRET,
    "tasks/mine-too/task.ts": SECRET,
    "common/allowed.ts": `export const common = "from common";`,
    "node_modules/left-pad/package.json": `{"name":"left-pad","main":"index.js","exports":"./index.js"}`,
    "node_modules/left-pad/index.js": SECRET,
    "data/vault.json": `"${CANARY}"`,
  });
  writeFiles(taskDir, {
    "task.yaml": `# ${CANARY}`,
    "task.yml": `# ${CANARY}`,
    ".env": `A=${CANARY}`,
    ".env.ts": SECRET,
    ".hidden/inner.ts": SECRET,
    "node_modules/.cache/x.ts": SECRET,
    "local.env.txt": CANARY,
    "keys/key.txt": CANARY,
    "lib/index.ts": `export default "an index";`,
    "lib/package.json": `{"main":"../../../../outside.ts","browser":"../../../../outside.ts"}`,
    ...files,
  });
  const scope = {
    projectRoot: root,
    taskDir,
    imports: [join(root, "common")],
    forbidden: [join(root, "data"), join(taskDir, "local.env.txt"), join(taskDir, "keys")],
  };
  return { root, taskDir, scope, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

function bundled({ taskDir, scope }: Project): Promise<Bundle> {
  return bundle(join(taskDir, "task.ts"), scope);
}

async function refused(made: Project): Promise<AppError> {
  try {
    const { code } = await bundled(made);
    assert.fail(`was bundled: ${code.slice(0, 300)}`);
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    const told = JSON.stringify([error.message, error.hints, error.at]);
    assert.doesNotMatch(told, /canary/);
    return error;
  }
}

// --- What may be imported ---

test("bundle() joins relative files, .js that means .ts, JSON and text", async () => {
  using made = project({
    "task.ts": `
      import { one } from "./one.js"; import { two } from "./nested/two"; import data from "./data.json"; import text from "./note.md";
      import sql from "./q.sql"; import { common } from "../../common/allowed.ts"; import type { Task } from "writ"; import { up } from "./nested/up.ts";
      const lazy = await import("./lazy.ts");
      export default (() => [one, two, data.three, text, sql, common, up, lazy.five]) satisfies Task;`,
    "one.ts": `export const one: number = 1; enum E { A } export type T = E;`,
    "nested/two.ts": `export const two = 2;`,
    "nested/up.ts": `export { one as up } from "../one.ts";`,
    "data.json": `{"three":3}`,
    "note.md": "# four\n//# sourceMappingURL=kept.map\n",
    "q.sql": "select 1",
    "lazy.ts": `export const five = 5;`,
  });
  const built = await bundled(made);
  assert.doesNotMatch(built.code, /^\s*import |canary|sourceMappingURL=data/m);
  assert.match(built.code, /sourceMappingURL=kept\.map/);
  assert.equal(built.inputs.length, 9);
  assert.ok(built.inputs.every((path) => path.startsWith(made.root)));
  assert.deepEqual((await bundled(made)).hash, built.hash);
  const map: unknown = JSON.parse(built.map);
  assert.ok(typeof map === "object" && map !== null && "sources" in map && Array.isArray(map.sources));
  assert.ok(map.sources.includes("tasks/mine/task.ts"), String(map.sources));
  assert.ok(map.sources.every((source) => !String(source).startsWith("/")));
});

test("a bundle of several files runs, and gives what they hold", async () => {
  const ran = await runCode(
    `import { one } from "./one.js"; import data from "./data.json"; import text from "./note.txt"; export default async () => [one, data, text, (await import("./one.ts")).one];`,
    { files: { "one.ts": "export const one: number = 1;", "data.json": `{"a":[1]}`, "note.txt": "text" } },
  );
  assert.deepEqual(ran.output, [1, { a: [1] }, "text", 1]);
});

// --- Places in errors and stacks ---

test("bundle() says where a file does not compile, in the author's file", async () => {
  using made = project({ "task.ts": `import "./broken.ts";`, "broken.ts": "const a = 1;\n\n  const = 2;\n" });
  const error = await refused(made);
  assert.equal(error.code, "BUNDLE_FAILED");
  assert.deepEqual(error.at, { file: "tasks/mine/broken.ts", line: 3, column: 9 });
});

test("bundle() says which import was refused, in the author's file", async () => {
  using made = project({
    "task.ts": `import "./inner.ts";`,
    "inner.ts": `\n\n   import "node:fs";\nimport "writ/x";`,
  });
  const error = await refused(made);
  assert.equal(error.code, "BUNDLE_IMPORT_DENIED");
  assert.match(error.message, /^"node:fs" is a module of Node/);
  assert.deepEqual(error.at, { file: "tasks/mine/inner.ts", line: 3, column: 11 });
  assert.match(error.hints.join("\n"), /tasks\/mine\/inner\.ts:4:8 "writ\/x" can not be imported/);
});

test("a stack names the author's files, lines and columns", async () => {
  const ran = await runCode(
    `import { fail } from "./lib/deep.ts";\n\n\nexport default async ({ log }: { log: { error(e: unknown): void } }) => {\n  try { fail(1); } catch (error) { log.error(error); }\n  fail(2);\n};`,
    {
      files: {
        "lib/deep.ts": `interface Long { readonly a: number }\nexport function fail(n: number): never {\n  throw new RangeError(\`deep \${n}\`);\n}\n`,
      },
    },
  );
  assert.equal(ran.error?.message, "RangeError: deep 2");
  assert.match(ran.error?.stack ?? "", /at fail \(lib\/deep\.ts:3:9\)\n\s+at task_default \(task\.ts:6:3\)/);
  assert.match(ran.logs[0]?.text ?? "", /at fail \(lib\/deep\.ts:3:9\)\n\s+at task_default \(task\.ts:5:9\)/);
  assert.doesNotMatch(JSON.stringify([ran.error, ran.logs]), /file:\/\/|task\.js/);
});

test("a stack that a task makes up is mapped nowhere else than its own text says", async () => {
  const ran = await runCode(
    `export default () => { const e = new Error("m"); e.stack = "at file:///task.js:99999999999999999999:1 file:///task.js:0:0 file:///task.js:1:99999999 file:///task.js:-1:5 file:///etc/passwd:1:1"; throw e; };`,
  );
  assert.equal(ran.end, "failure");
  assert.match(ran.error?.stack ?? "", /file:\/\/\/etc\/passwd:1:1$/);
});

// --- One canary for every way out ---

const DENIED: Readonly<Record<string, string>> = {
  "a parent's file": `import { secret } from "../../outside.ts"; export default () => secret;`,
  "a parent's file without its ending": `import { secret } from "../../outside"; export default () => secret;`,
  "a file above the project": `import { secret } from "../../../outside.ts"; export default () => secret;`,
  "another task": `import { secret } from "../other/task.ts"; export default () => secret;`,
  "a task whose folder begins with the same name": `import { secret } from "../mine-too/task.ts"; export default () => secret;`,
  "a way out through the folder itself": `import { secret } from "./lib/../../../outside.ts"; export default () => secret;`,
  "a re-export": `export * from "../../outside.ts"; export { default } from "../../outside.ts";`,
  "an import for its effects": `import "../../outside.ts"; export default () => 1;`,
  "JSON outside": `import a from "../../../outside.json"; export default () => a;`,
  "the data folder": `import a from "../../data/vault.json"; export default () => a;`,
  "a forbidden file inside": `import a from "./local.env.txt"; export default () => a;`,
  "a forbidden folder inside": `import a from "./keys/key.txt"; export default () => a;`,
  "an absolute path": `import a from "/etc/passwd"; export default () => a;`,
  "a file: URL": `import a from "file:///etc/passwd"; export default () => a;`,
  "a data: URL": `import a from "data:text/javascript,export default 1"; export default () => a;`,
  "an http: URL": `import a from "http://127.0.0.1:9/x.ts"; export default () => a;`,
  "node:": `import fs from "node:fs"; export default () => fs;`,
  "a built-in by its bare name": `import fs from "fs"; export default () => fs;`,
  "a sub-path of a built-in": `import fs from "fs/promises"; export default () => fs;`,
  "a package": `import pad from "left-pad"; export default () => pad;`,
  "a file of a package": `import pad from "left-pad/index.js"; export default () => pad;`,
  "the project's packages by path": `import pad from "../../node_modules/left-pad/index.js"; export default () => pad;`,
  "writ as a value": `import * as w from "writ"; export default () => w;`,
  "an import map's name": `import a from "#internal"; export default () => a;`,
  "a home directory": `import a from "~/x.ts"; export default () => a;`,
  "an empty specifier": `import a from ""; export default () => a;`,
  "a dot": `import a from "."; export default () => a;`,
  "two dots": `import a from ".."; export default () => a;`,
  "a hidden file": `import a from "./.env"; export default () => a;`,
  "a hidden file with an ending": `import a from "./.env.ts"; export default () => a;`,
  "a file in a hidden folder": `import a from "./.hidden/inner.ts"; export default () => a;`,
  "a hidden folder in node_modules": `import a from "./node_modules/.cache/x.ts"; export default () => a;`,
  "the manifest": `import a from "./task.yaml"; export default () => a;`,
  "the manifest by its other name": `import a from "./task.yml"; export default () => a;`,
  "the manifest as text, by an attribute": `import a from "./task.yaml" with { type: "text" }; export default () => a;`,
  "the manifest as a file, by an attribute": `import a from "./task.yaml" with { type: "file" }; export default () => a;`,
  "a dynamic import of a literal": `export default async () => (await import("../../outside.ts")).secret;`,
  "a dynamic import of joined literals": `export default async () => (await import("../../" + "outside.ts")).secret;`,
  "a dynamic import of a package": `export default async () => (await import("left-pad")).default;`,
  "require() of a literal": `export default () => require("../../outside.ts").secret;`,
  "require() of a built-in": `export default () => require("fs");`,
  "a JSX runtime": `/** @jsxImportSource ../../outside */ import a from "./x.tsx"; export default () => a;`,
};

for (const [name, source] of Object.entries(DENIED)) {
  test(`bundle() refuses ${name}`, async () => {
    using made = project({ "task.ts": source, "x.tsx": "export default <a/>;" });
    const error = await refused(made);
    assert.ok(
      ["BUNDLE_IMPORT_DENIED", "BUNDLE_FAILED"].includes(error.code),
      `${error.code} ${error.message}`,
    );
  });
}

const NOWHERE = [
  "./task.yaml?x",
  "./task.yaml?raw",
  "./task.yaml#x",
  "./%2e%2e/%2e%2e/outside.ts",
  "./..%2foutside.ts",
  ".\\\\..\\\\..\\\\outside.ts",
  "./TASK.YAML",
  "./Task.Yaml",
  "./task.yaml ",
  "./lib",
  "./lib/",
  "./",
  "./lib/.",
  "././/../..//../outside.ts//",
  "./task.yaml/../../../outside",
  "./task.yaml\\0.ts",
  "./\\0",
  "../../outside.ts\\0.json",
  "./\\u2024\\u2024/outside.ts",
  "./．．/outside.ts",
  "./lib\\n/../../../outside.ts",
];

for (const specifier of NOWHERE) {
  test(`bundle() finds nothing secret behind "${specifier}"`, async () => {
    using made = project({ "task.ts": `import a from "${specifier}"; export default () => a;` });
    const error = await refused(made);
    assert.ok(
      ["BUNDLE_IMPORT_DENIED", "BUNDLE_FAILED"].includes(error.code),
      `${error.code} ${error.message}`,
    );
  });
}

test("bundle() refuses links that lead out, to files, folders and through others", async () => {
  const links = {
    "link.ts": "../../outside.ts",
    "chain.ts": "link.ts",
    "manifest.txt": "task.yaml",
    "dotenv.txt": ".env",
    "passwd.txt": "/etc/passwd",
    "proc.txt": "/proc/self/environ",
    folder: "../../../outside",
    parent: "..",
    loop: "loop",
  };
  const ways = [
    "link.ts",
    "chain.ts",
    "manifest.txt",
    "dotenv.txt",
    "passwd.txt",
    "proc.txt",
    "folder/index.ts",
    "parent/other/task.ts",
    "loop/x.ts",
    "loop",
  ];
  for (const way of ways) {
    using made = project({ "task.ts": `import a from "./${way}"; export default () => a;` });
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(made.taskDir, name));
    const error = await refused(made);
    assert.ok(["BUNDLE_IMPORT_DENIED", "BUNDLE_FAILED"].includes(error.code), `${way}: ${error.message}`);
  }
});

test("bundle() refuses an entry that is a link out of the folder", async () => {
  using made = project({});
  symlinkSync("../../outside.ts", join(made.taskDir, "task.ts"));
  assert.equal((await refused(made)).code, "BUNDLE_IMPORT_DENIED");
});

test("openModule() refuses what was swapped for a link after it was judged", async () => {
  using made = project({ "task.ts": "export default 1;" });
  symlinkSync("../../../outside", join(made.taskDir, "swapped"));
  symlinkSync("../../outside.ts", join(made.taskDir, "swapped.ts"));
  await assert.rejects(openModule(join(made.taskDir, "swapped/index.ts"), made.scope), {
    code: "BUNDLE_IMPORT_DENIED",
  });
  await assert.rejects(openModule(join(made.taskDir, "swapped.ts"), made.scope), { code: "ELOOP" });
});

/** What only the run knows: esbuild would search folders for it by itself, from the daemon's own. */
const OPEN: readonly string[] = [
  'import("./secret-" + n + ".ts")',
  "import(`./secret-${n}.json`)",
  "import(`./${n}`)",
  'import("../" + n)',
  'import("../../../../../../../../" + n)',
  'import(n ? "./secret-a.ts" : "./secret-" + n + ".ts")',
  'import("./secret-" + n + ".json", { with: { type: "json" } })',
  'import((0, "./secret-" + n + ".ts"))',
  "import(/* any */ (`./secret-${n}.ts`) as string)",
  'import(PREFIX + "secret-" + n + ".ts")',
  'import(E.A + n + ".ts")',
  'import.source("./secret-" + n + ".ts")',
  'import.defer("./secret-" + n + ".ts")',
  'import("./secret-" + n + ".ts").then(() => 1, () => 2)',
  'require("./secret-" + n + ".ts")',
  "require(`./secret-${n}.json`)",
  '\\u0072equire("./secret-" + n + ".ts")',
  'require(n ? "./secret-a.ts" : "./secret-" + n + ".ts")',
  'typeof require === "function" && require("./secret-" + n + ".ts")',
  'false && import("./secret-" + n + ".ts")',
  "import(n)",
  "require(n)",
];

/** The same, in forms that may stay in the bundle, where they find nothing. */
const OPEN_AND_LEFT: readonly string[] = [
  'require?.("./secret-" + n + ".ts")',
  '(0, require)("./secret-" + n + ".ts")',
  'new require("./secret-" + n + ".ts")',
  "require`./secret-${n}.ts`",
  'require.call(null, "./secret-" + n + ".ts")',
  'require.resolve("./secret-" + n + ".ts")',
  'require["resolve"]("./secret-" + n + ".ts")',
  'module.require("./secret-" + n + ".ts")',
  'new Worker(new URL("./secret-" + n + ".ts", import.meta.url))',
  'import.meta.glob("./secret-*.ts")',
  'import.meta.require("./secret-" + n + ".ts")',
];

/** A folder where the daemon stands, with secrets that an unjudged search would find. */
function standIn(folder: string): Disposable {
  const before = process.cwd();
  writeFiles(folder, { "secret-a.ts": SECRET, "secret-b.json": `"${CANARY}"`, "secret-b.txt": CANARY });
  process.chdir(folder);
  return { [Symbol.dispose]: () => process.chdir(before) };
}

test("bundle() refuses every import whose target only the run knows, and searches no folder for it", async () => {
  using elsewhere = temporaryFolder();
  using _standing = standIn(elsewhere.path);
  // esbuild keeps the folder in which it was started: this one is started here.
  await killEsbuild();
  await bundled(project({ "task.ts": "export default 1;" })).catch(() => undefined);
  for (const expression of OPEN) {
    using made = project({
      "task.ts": `const PREFIX = "./"; enum E { A = "./secret-" }\n  export default async (n: string) => ${expression};`,
      "secret-a.ts": SECRET,
    });
    writeFiles(made.root, { "secret-a.ts": SECRET });
    const startedAt = performance.now();
    const error = await refused(made);
    assert.equal(error.code, "BUNDLE_IMPORT_DENIED", `${expression}: ${error.message}`);
    assert.equal(error.at?.line, 2, expression);
    assert.ok(performance.now() - startedAt < 5_000);
  }
  for (const expression of OPEN_AND_LEFT) {
    using made = project({
      "task.ts": `export default async (n) => { try { return ${expression}; } catch {} };`,
    });
    try {
      const { code, map } = await bundled(made);
      assert.doesNotMatch(code + map, /canary/, expression);
    } catch (error) {
      assert.ok(error instanceof AppError, String(error));
      assert.doesNotMatch(JSON.stringify([error.message, error.hints]), /canary|secret-[ab]/, expression);
    }
  }
});

/** Ends the process of esbuild, as a crash would. */
async function killEsbuild(): Promise<void> {
  for (const pid of childrenNamed("esbuild")) process.kill(pid, "SIGKILL");
  while (childrenNamed("esbuild").length > 0) await turn();
}

function childrenNamed(name: string): number[] {
  const found: number[] = [];
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) === process.pid && state !== "Z" && stat.includes(`(${name})`))
        found.push(Number(pid));
    } catch {
      // It has ended since the folder was read.
    }
  }
  return found;
}

test("bundle() fails with a code when the bundler dies of a file, and the next task is bundled", async () => {
  using made = project({ "task.ts": "export default 1;" });
  using heavy = project({ "task.ts": `export default [${"1,".repeat(900_000)}];` });
  await bundled(made);
  const dying = refused(heavy);
  const next = bundled(made);
  await killEsbuild();
  assert.equal((await dying).code, "BUNDLE_LIMIT");
  assert.match((await next).code, /= 1/);
});

test("bundle() asks no server for an import", async () => {
  let asked = 0;
  const server = createServer((_request, response) => (asked++, response.end(SECRET))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  for (const url of [`http://127.0.0.1:${address.port}/x.ts`, `//127.0.0.1:${address.port}/x.ts`]) {
    using made = project({ "task.ts": `import a from "${url}"; export default () => a;` });
    assert.equal((await refused(made)).code, "BUNDLE_IMPORT_DENIED");
  }
  server.close();
  assert.equal(asked, 0);
});

// --- Files that nobody asked for ---

const IGNORED: Readonly<Record<string, string>> = {
  "a URL beside the module": `export default () => { try { return new URL("../../outside.ts", import.meta.url).href; } catch { return "no"; } };`,
  "import.meta.resolve": `export default () => { try { return import.meta.resolve("../../outside.ts"); } catch { return "no"; } };`,
  "require.resolve() of a literal": `export default () => { try { return require.resolve("../../outside.ts"); } catch { return "no"; } };`,
  "a reference comment": `/// <reference path="../../outside.ts" />\nexport default () => "no";`,
  "a source map in a file": `export default () => "no";\n//# sourceMappingURL=../../map.json`,
  "a source map by an absolute path": `export default () => "no";\n//# sourceMappingURL=file:///etc/passwd`,
};

for (const [name, source] of Object.entries(IGNORED)) {
  test(`bundle() puts nothing into the bundle for ${name}`, async () => {
    using made = project({ "task.ts": source });
    const map = {
      version: 3,
      sources: [CANARY],
      sourcesContent: [CANARY],
      names: [CANARY],
      mappings: "AAAAA",
    };
    writeFileSync(join(made.root, "map.json"), JSON.stringify(map));
    const { code, map: made2, inputs } = await bundled(made);
    assert.doesNotMatch(code + made2 + inputs.join(), /canary/);
    assert.deepEqual(inputs, [join(made.taskDir, "task.ts")]);
    const ran = await runCode(source, { input: "outside" });
    assert.ok(ran.end === "success", ran.error?.message);
    assert.equal(ran.output, "no");
  });
}

test("bundle() believes no source map of an input, wherever its comment stands", async () => {
  const forged = Buffer.from(
    JSON.stringify({
      version: 3,
      sources: [`/${CANARY}`],
      sourcesContent: [CANARY],
      names: [CANARY],
      mappings: "AAAAA",
    }),
  ).toString("base64");
  const url = `sourceMappingURL=data:application/json;base64,${forged}`;
  for (const source of [
    `export default () => { throw new Error("m"); };\n//# ${url}`,
    `export default () => { throw new Error("m"); }; //# ${url}`,
    `export default () => { throw new Error("m"); };\n//@ ${url}\n\n`,
    `export default () => { throw new Error("m"); };\n/*# ${url} */`,
    `/*# ${url} */ export default () => { throw new Error("m"); };`,
    `export default () => { throw new Error("m"); }; /*# ${url} */ //# ${url}`,
  ]) {
    using made = project({ "task.ts": source });
    const { code, map } = await bundled(made);
    assert.doesNotMatch(map, /canary/, source);
    assert.doesNotMatch(code.replaceAll(forged, ""), /canary/);
    const ran = await runCode(source);
    assert.match(ran.error?.stack ?? "", /task\.ts:1:/, source);
  }
});

test("bundle() reads no tsconfig.json, package.json or node_modules, though they stand in its way", async () => {
  using made = project({
    "task.ts": `import { a } from "./a.ts"; import type { B } from "@alias/b"; class C { x = 1 } export default (): B => [a, new C().x];`,
    "a.ts": "export const a = 1;",
    "package.json": `{"type":"commonjs","sideEffects":false,"imports":{"#internal":"../../outside.ts"},"browser":{"./a.ts":"../../outside.ts"}}`,
  });
  // Whoever opens one of these waits for ever.
  for (const folder of [made.taskDir, made.root, join(made.root, "tasks")])
    for (const name of ["tsconfig.json", "jsconfig.json"]) execFileSync("mkfifo", [join(folder, name)]);
  const { code } = await bundled(made);
  assert.match(code, /x = 1/);
});

test("bundle() extends no tsconfig.json, whatever paths it maps", async () => {
  using made = project({
    "task.ts": `import a from "@secret"; export default () => a;`,
    "tsconfig.json": `{"extends":"../../outside.json","compilerOptions":{"baseUrl":"../..","paths":{"@secret":["outside.ts"]},"jsx":"react"}}`,
  });
  assert.equal((await refused(made)).code, "BUNDLE_IMPORT_DENIED");
});

// --- Files that are not files, or too many, or too large ---

test("bundle() does not wait for a FIFO, a folder or a device", async () => {
  using made = project({ "task.ts": `import a from "./pipe.ts"; export default () => a;` });
  execFileSync("mkfifo", [join(made.taskDir, "pipe.ts")]);
  assert.equal((await refused(made)).code, "BUNDLE_FAILED");
  await assert.rejects(openModule(join(made.taskDir, "pipe.ts"), made.scope), {
    code: "BUNDLE_IMPORT_DENIED",
  });

  using folder = project({ "task.ts": `import a from "./dir.ts"; export default () => a;` });
  mkdirSync(join(folder.taskDir, "dir.ts"));
  assert.equal((await refused(folder)).code, "BUNDLE_FAILED");
});

test("bundle() refuses a file, files and code that are too large, and too many files", async () => {
  using large = project({ "task.ts": `import a from "./large.txt"; export default () => a;` });
  writeFileSync(join(large.taskDir, "large.txt"), "");
  truncateSync(join(large.taskDir, "large.txt"), 100 * 1024 * 1024);
  assert.equal((await refused(large)).code, "BUNDLE_LIMIT");

  const million = "x".repeat(1_900_000);
  const texts = Object.fromEntries(Array.from({ length: 18 }, (_, index) => [`t${index}.txt`, million]));
  const imports = Object.keys(texts).map((name, index) => `import t${index} from "./${name}";`);
  const all = `export default () => [${imports.map((_, index) => `t${index}`).join()}];`;
  using inputs = project({ ...texts, "task.ts": imports.join("\n") + all });
  const tooMuch = await refused(inputs);
  assert.equal(tooMuch.code, "BUNDLE_LIMIT");
  assert.match(tooMuch.message, /33554432 bytes/);

  using output = project({
    ...texts,
    "task.ts": imports.slice(0, 6).join("\n") + "export default () => [t0, t1, t2, t3, t4, t5];",
  });
  assert.match((await refused(output)).message, /8388608/);

  const many = Object.fromEntries(
    Array.from({ length: 3_000 }, (_, index) => [`m${index}.ts`, `export const a = ${index};`]),
  );
  using files = project({
    ...many,
    "task.ts": `${Object.keys(many)
      .map((name) => `import "./${name}";`)
      .join("\n")}\nexport default () => 1;`,
  });
  assert.equal((await refused(files)).code, "BUNDLE_LIMIT");
});

test("bundle() takes no longer for a megabyte of blank lines than for one of code", async () => {
  using made = project({
    "task.ts": `${"\n".repeat(1_000_000)}export default () => 1;${"\n".repeat(900_000)}`,
  });
  const startedAt = performance.now();
  await bundled(made);
  assert.ok(performance.now() - startedAt < 3_000);
});

test("bundle() of a folder that is gone, or of an entry that is none, fails with a code", async () => {
  using made = project({});
  assert.equal((await refused(made)).code, "BUNDLE_FAILED");
  const gone = { ...made.scope, taskDir: join(made.root, "tasks/gone") };
  await assert.rejects(bundle(join(gone.taskDir, "task.ts"), gone), { code: "BUNDLE_FAILED" });
});
