/** cli/main.ts: the process itself, its signals, its pipes and the Node it runs on. */
import assert from "node:assert/strict";
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");
const WAITS = join(import.meta.dirname, "fixtures/waits");
const data = await mkdtemp(join(tmpdir(), "writ-main-"));
after(() => rm(data, { recursive: true, force: true }));

function writ(args: readonly string[], flags: readonly string[] = []): ChildProcessWithoutNullStreams {
  const env = { PATH: "/usr/bin:/bin", HOME: data, WRIT_DATA_DIR: join(data, "store") };
  return spawn(process.execPath, [...flags, MAIN, ...args], { cwd: WAITS, env });
}

async function ended(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: unknown; signal: unknown; stderr: string }> {
  const [stderr, [code, signal]] = await Promise.all([child.stderr.toArray(), once(child, "close")]);
  return { code, signal, stderr: Buffer.concat(stderr).toString() };
}

/** Until the run has said that it is waiting. */
async function waiting(child: ChildProcessWithoutNullStreams): Promise<void> {
  for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
    if (String(chunk).includes("waiting")) return;
  }
}

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`${name} cancels the run, which ends with 130 and as cancelled`, async () => {
    const child = writ(["run", "polite"]);
    await waiting(child);
    child.kill(name);
    const { code, stderr } = await ended(child);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^cancelled polite/m);
  });
}

test("a second SIGINT ends writ at once", async () => {
  const child = writ(["run", "deaf"]);
  await waiting(child);
  child.kill("SIGINT");
  // The first one takes the handler away before the run hears of it.
  const again = setInterval(() => child.kill("SIGINT"), 50);
  const { code, signal } = await ended(child);
  clearInterval(again);
  assert.deepEqual([code, signal], [null, "SIGINT"]);
});

test("a reader that goes away ends writ quietly", async () => {
  const child = writ(["schema", "task"]);
  child.stdout.destroy();
  const { code, stderr } = await ended(child);
  assert.deepEqual([code, stderr], [0, ""]);
});

for (const [version, supported] of [
  ["20.20.2", false],
  ["24.10.9", false],
  ["25.1.0", false],
  ["24.11.0", true],
  ["26.0.0", true],
] as const) {
  test(`Node ${version} is ${supported ? "taken" : "refused before anything is loaded"}`, async () => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
    // Loading anything of ours would fail.
    const broken = `import { registerHooks } from "node:module"; registerHooks({ load(url, context, next) {
      if (${!supported} && url.endsWith(".ts") && !url.endsWith("/cli/main.ts")) throw new Error("loaded " + url);
      return next(url, context); } });`;
    const flags = [pretend, broken].flatMap((code) => [
      "--import",
      `data:text/javascript,${encodeURIComponent(code)}`,
    ]);
    const { code, stderr } = await ended(writ(["--version"], flags));
    assert.equal(code, supported ? 0 : 1, stderr);
    if (!supported)
      assert.match(
        stderr,
        new RegExp(`^PLATFORM_UNSUPPORTED this is Node ${version.replaceAll(".", "\\.")}, writ needs`),
      );
  });
}

test("the versions that main.ts takes are those of package.json", async () => {
  const described: unknown = JSON.parse(
    await readFile(join(import.meta.dirname, "../../package.json"), "utf8"),
  );
  assert.ok(typeof described === "object" && described !== null && "engines" in described);
  assert.deepEqual(described.engines, { node: ">=24.11 <25 || >=26" });
});
