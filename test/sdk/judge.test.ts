/** What does not act yet: denied where the manifest does not grant it, NOT_YET where it does, never done. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import test from "node:test";
import type { Json } from "../../base/json.ts";
import { temporaryFolder } from "../store/vault/harness.ts";
import { startOps } from "./context.ts";

const CALLS = (
  path: string,
  url: string,
): readonly (readonly [name: string, args: Json, denied: RegExp])[] => [
  ["fetch", { url, method: "POST" }, /net: \["POST http/],
  ["run", { program: "/bin/touch", args: [path] }, /run: \[\{ program: "\/bin\/touch"/],
  ["fs.read", { path: "/etc/passwd" }, /fs: \[\{ path: "\/etc\/passwd", access: r \}\]/],
  ["fs.write", { path, text: "x" }, /access: w/],
  ["fs.list", { path: "/" }, /access: r/],
  ["fs.stat", { path: "/" }, /access: r/],
  ["fs.remove", { path }, /access: w/],
  ["tasks.run", { task: "other", params: { a: 1 } }, /tasks: \["other"\]/],
  ["tasks.list", {}, /list_tasks: true/],
  ["tasks.runs", { task: "other", limit: 5 }, /get_runs: true/],
];

test("ops that do not act yet are denied with the line to add, and nothing is done, without a grant", async () => {
  using folder = temporaryFolder();
  const mark = join(folder.path, "mark");
  let asked = 0;
  const server = createServer((_request, response) => (asked++, response.end())).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  await using ops = await startOps();
  for (const [name, args, line] of CALLS(mark, `http://127.0.0.1:${address.port}/`)) {
    const error = await ops.failing(name, args);
    assert.equal(error.code, "PERMISSION_DENIED", name);
    assert.match(error.hints.join(), line);
  }
  server.close();
  assert.equal(asked, 0);
  assert.equal(existsSync(mark), false);
  assert.ok(ops.recorded.every((what) => what.startsWith("- ")));
  assert.equal(ops.recorded.length, 10);
});

test("ops that do not act yet say so, and nothing is done, where the manifest grants their kind", async () => {
  using folder = temporaryFolder();
  const mark = join(folder.path, "mark");
  await using ops = await startOps({
    net: ["POST https://api.example.com/"],
    fs: [{ path: "./data", access: "rw" }],
    run: [{ program: "/bin/touch", args: ["*"] }],
    writ: { tasks: ["other"], list_tasks: true, get_runs: true },
  });
  for (const [name, args] of CALLS(mark, "https://api.example.com/"))
    assert.equal((await ops.failing(name, args)).code, "NOT_YET", name);
  assert.equal(existsSync(mark), false);
});

test("a denial shows no query, fragment or credentials of a URL", async () => {
  await using ops = await startOps();
  const url =
    "https://user:canary-7f3a-not-real@example.com/path?token=canary-7f3a-not-real#canary-7f3a-not-real";
  const error = await ops.failing("fetch", { url, method: "GET" });
  assert.doesNotMatch(error.message + error.hints.join() + ops.recorded.join(), /canary|user/);
});

test("a denial's line can be put into a manifest as it stands, whatever a guest asks for", async () => {
  await using ops = await startOps();
  const error = await ops.failing("fs.read", { path: 'x", access: rw }, { path: "/\n"' });
  assert.equal(error.code, "PERMISSION_DENIED");
  assert.doesNotMatch(error.hints.join(), /\n/);
  assert.match(error.hints.join(), /path: "x\\", access: rw \}, \{ path: \\"\/\\n\\"", access: r \}/);
});

test("ops refuse wrong arguments before anything is judged", async () => {
  await using ops = await startOps();
  const wrong: readonly (readonly [string, Json])[] = [
    ["fetch", { url: 1, method: "GET" }],
    ["fetch", { url: "http://a/", method: "GET\r\nX: y" }],
    ["fetch", { url: "http://a/" }],
    ["fetch", { url: "x".repeat(9_000), method: "GET" }],
    ["run", { program: "/bin/true", args: "x" }],
    ["run", { program: "/bin/true", args: [], shell: true }],
    ["run", { program: "/bin/true", args: [], env: { A: "b" } }],
    ["fs.read", { path: 1 }],
    ["fs.read", { path: "/", follow: true }],
    ["tasks.run", { task: 1, params: {} }],
    ["tasks.list", { all: true }],
    ["tasks.runs", { task: "a", limit: -1 }],
  ];
  for (const [name, args] of wrong) {
    const error = await ops.failing(name, args);
    assert.equal(error.code, "OP_INVALID", `${name} ${JSON.stringify(args)}`);
  }
  assert.deepEqual(ops.recorded, []);
});

test("answerOp() refuses every name that is not an op, inherited ones too", async () => {
  await using ops = await startOps({ writ: { secrets_write: true } });
  for (const name of [
    "",
    "kv",
    "kv.",
    "kv.get ",
    "KV.GET",
    "constructor",
    "__proto__",
    "toString",
    "hasOwnProperty",
    "secrets.get",
    "secrets.list",
    "env.get",
  ]) {
    const error = await ops.failing(name, { key: "a" });
    assert.equal(error.code, "OP_INVALID", name);
  }
});
