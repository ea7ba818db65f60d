/** Imports run one way, and each outside package is named in one place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "./layers.ts";
import { sourceFiles } from "./tree.ts";

/** Fewer means that the test looks in the wrong place, not that the tree is clean. */
const LEAST_FILES = 40;

const tree = sourceFiles(".ts");
const paths = new Set(tree.map((file) => file.path));

test("the import rule sees the tree", () => {
  assert.ok(tree.length > LEAST_FILES, `${tree.length} files`);
  for (const path of ["base/error.ts", "runtime/host/executor.ts", "test/architecture/layers.ts"]) {
    assert.ok(paths.has(path), path);
  }
});

for (const file of tree) {
  test(`${file.path} imports what its place may import`, () => {
    assert.deepEqual(violations(file, paths), []);
  });
}

const planted: readonly (readonly [path: string, text: string, violation: string])[] = [
  [
    "store/runs.ts",
    'import { startDaemon } from "../server/daemon.ts";',
    "store/runs.ts may not import server/daemon.ts",
  ],
  ["store/x.ts", 'import type { M } from "../manifest/m.ts";', "store/x.ts may not import manifest/m.ts"],
  [
    "runtime/worker/x.ts",
    'import { handle } from "../../sdk/fetch/host.ts";',
    "runtime/worker/x.ts may not import sdk/fetch/host.ts",
  ],
  [
    "runtime/worker/x.ts",
    'export * from "../host/executor.ts";',
    "runtime/worker/x.ts may not import runtime/host/executor.ts",
  ],
  [
    "runtime/host/x.ts",
    'import { op } from "../../sdk/kv/guest.ts";',
    "runtime/host/x.ts may not import sdk/kv/guest.ts",
  ],
  ["sdk/kv/guest.ts", 'import { z } from "zod";', "sdk/kv/guest.ts may not import zod"],
  [
    "sdk/kv/guest.ts",
    'import { a } from "../../base/text.ts";',
    "sdk/kv/guest.ts may not import base/text.ts",
  ],
  ["runtime/guest/x.ts", 'import { a } from "node:buffer";', "runtime/guest/x.ts may not import node:buffer"],
  [
    "runtime/host/x.ts",
    'import type ivm from "isolated-vm";',
    "runtime/host/x.ts may not import isolated-vm",
  ],
  [
    "runtime/host/x.ts",
    'type Isolate = import("isolated-vm").Isolate;',
    "runtime/host/x.ts may not import isolated-vm",
  ],
  ["runtime/worker/x.ts", 'import vm from "node:vm";', "runtime/worker/x.ts may not import node:vm"],
  ["server/daemon.ts", 'await import("node:vm");', "server/daemon.ts may not import node:vm"],
  ["base/x.ts", 'import { readFileSync } from "node:fs";', "base/x.ts may not import node:fs"],
  ["secrets/x.ts", 'import { createHmac } from "node:crypto";', "secrets/x.ts may not import node:crypto"],
  ["runs/x.ts", 'import { spawn } from "node:child_process";', "runs/x.ts may not import node:child_process"],
  [
    "runtime/host/x.ts",
    'import { spawn, execFile as run } from "node:child_process";',
    "runtime/host/x.ts may not import execFile from node:child_process",
  ],
  [
    "runtime/host/x.ts",
    'import * as child from "node:child_process";',
    "runtime/host/x.ts may not import * from node:child_process",
  ],
  ["runtime/host/x.ts", 'spawn("ls", [], { shell: true });', "runtime/host/x.ts may not ask for a shell"],
  ["cli/x.ts", "await import(process.argv[2]);", "cli/x.ts may not import a computed name"],
  ["cli/x.ts", "await import(`./${name}.ts`);", "cli/x.ts may not import a computed name"],
  ["cli/x.ts", 'process.getBuiltinModule("vm");', "cli/x.ts may not call getBuiltinModule()"],
  ["cli/x.ts", 'process["binding"]("fs");', "cli/x.ts may not call binding()"],
  ["cli/x.ts", 'require("vm");', "cli/x.ts may not call require()"],
  ["runtime/guest/x.ts", 'require("zod");', "runtime/guest/x.ts may not import zod"],
  ["runtime/guest/x.ts", "require(name);", "runtime/guest/x.ts may not require a computed name"],
  [
    "manifest/x.ts",
    'import { connect } from "node:net";',
    "manifest/x.ts may not import connect from node:net",
  ],
  ["runtime/host/x.ts", "process.dlopen(module, path);", "runtime/host/x.ts may not call dlopen()"],
  ["cli/x.ts", 'import left from "left-pad";', "cli/x.ts may not import left-pad: no place is given to it"],
  [
    "cli/x.ts",
    'import { a } from "../elsewhere/a.ts";',
    "cli/x.ts imports elsewhere/a.ts, which is not in the tree",
  ],
  ["helpers/x.ts", "export {};", "helpers/x.ts stands in no place of the table"],
];

for (const [path, text, violation] of planted) {
  test(`violations() catches a planted fault: ${violation}`, () => {
    const known = new Set([
      ...paths,
      "server/daemon.ts",
      "manifest/m.ts",
      "sdk/fetch/host.ts",
      "sdk/kv/guest.ts",
    ]);
    assert.deepEqual(violations({ path, text }, known), [violation]);
  });
}

test("violations() finds nothing in a file that keeps the rule", () => {
  const text = 'import { AppError } from "../base/error.ts";\nimport { readFile } from "node:fs/promises";';
  assert.deepEqual(violations({ path: "secrets/x.ts", text }, paths), []);
});
