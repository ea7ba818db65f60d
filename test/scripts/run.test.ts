/** Every transcript in this folder, played against the real command in a folder of its own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { after, describe, test } from "node:test";
import { runCli } from "../../cli/run-cli.ts";
import { expand, parseScript, type Line, type Script } from "./script.ts";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");
/** A command that takes longer hangs. */
const COMMAND_LIMIT_MS = 60_000;
/** The user that scripts run as when the suite runs as root, to whom no file would be closed. */
const NOBODY = 65_534;
const CANARY = "canary-7f3a-not-a-real-secret";
/** 32 bytes that protect nothing. */
const MASTER_KEY = Buffer.from("not-a-real-key-not-a-real-key-00").toString("base64");

/** Shared by all commands of this run of the suite: loading is most of what a short one does. */
const COMPILE_CACHE = await mkdtemp(join(tmpdir(), "writ-compiled-"));
after(() => rm(COMPILE_CACHE, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Stage {
  readonly root: string;
  readonly #script: Script;
  readonly #uid: number | undefined;
  readonly #env: Record<string, string | undefined>;
  #cwd: string;
  #stdin: string | Buffer = "";
  #last: Ended | undefined;

  constructor(root: string, script: Script, uid: number | undefined) {
    this.root = root;
    this.#script = script;
    // In this process the files are this user's.
    this.#uid = script.inProcess ? undefined : uid;
    this.#cwd = join(root, "work");
    this.#env = {
      HOME: join(root, "home"),
      PATH: "/usr/bin:/bin",
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      WRIT_MASTER_KEY: MASTER_KEY,
      CANARY,
      LONG: "a".repeat(10_240),
      WORK: this.#cwd,
    };
  }

  async play(): Promise<void> {
    await mkdir(join(this.root, "home"));
    await mkdir(this.#cwd);
    for (const [path, text] of this.#script.files) {
      const target = this.#path(path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
    }
    if (this.#uid !== undefined) await give(this.root, this.#uid);
    for (const line of this.#script.lines) {
      try {
        await this.#step(line);
      } catch (error) {
        const { code, stdout, stderr } = this.#last ?? { code: null, stdout: "", stderr: "" };
        const seen = `exit ${code}\n--- stdout\n${stdout}--- stderr\n${stderr}`;
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`line ${line.number}: ${line.words.join(" ")}\n${reason}\n${seen}`, { cause: error });
      }
    }
    await this.#assertNoCanary();
  }

  async #step(line: Line): Promise<void> {
    const [verb, ...words] = line.words;
    const [first = "", second = ""] = words.map((word) => expand(word, this.#env));
    switch (verb) {
      case "writ":
        return await this.#writ(words, line.exit);
      case "stdin":
        this.#stdin = first === "<" ? await readFile(this.#path(second)) : first;
        return;
      case "stdout":
      case "stderr":
        return match(this.#ended()[verb], first, line.not);
      case "stdout-is":
        assert.equal(this.#ended().stdout, await readFile(this.#path(first), "utf8"));
        return;
      case "json":
      case "json-error": {
        const found = at(JSON.parse(this.#ended()[verb === "json" ? "stdout" : "stderr"]), first);
        const wanted: unknown = JSON.parse(
          words
            .slice(1)
            .join(" ")
            .replace(/^'(.*)'$/, "$1"),
        );
        return line.not ? assert.notDeepEqual(found, wanted) : assert.deepEqual(found, wanted);
      }
      case "exists":
        return assert.equal(await isThere(this.#path(first)), !line.not);
      case "grep":
        return match(await readFile(this.#path(second), "utf8"), first, line.not);
      case "same":
        return assert.deepEqual(await readFile(this.#path(first)), await readFile(this.#path(second)));
      case "env": {
        const [name = "", ...value] = first.split("=");
        if (name.startsWith("-")) delete this.#env[name.slice(1)];
        else this.#env[name] = value.join("=");
        return;
      }
      case "cd":
        this.#cwd = this.#path(first);
        return;
      case "mkdir":
        await mkdir(this.#path(first));
        if (this.#uid !== undefined) await chown(this.#path(first), this.#uid, this.#uid);
        return;
      case "rm":
        return await rm(this.#path(first), { recursive: true });
      case "chmod":
        return await chmod(this.#path(second), Number.parseInt(first, 8));
      case "cp":
        await cp(this.#path(first), this.#path(second), { recursive: true });
        if (this.#uid !== undefined) await give(this.#path(second), this.#uid);
        return;
      case "link":
        return await symlink(first, this.#path(second));
      default:
        throw new Error(`there is no step ${verb}`);
    }
  }

  async #writ(words: readonly string[], exit: number): Promise<void> {
    const args = words.map((word) => expand(word, this.#env));
    const stdin = this.#stdin;
    this.#stdin = "";
    this.#last = this.#script.inProcess
      ? await called(args, this.#cwd, this.#env, stdin)
      : await spawned([MAIN, ...args], this.#cwd, this.#env, stdin, this.#uid);
    assert.equal(this.#last.code, exit, "the exit code");
    for (const text of [this.#last.stdout, this.#last.stderr])
      assert.deepEqual(formsIn(text), [], "the value of a secret was printed");
  }

  #ended(): Ended {
    assert.ok(this.#last !== undefined, "no command ran yet");
    return this.#last;
  }

  #path(path: string): string {
    return resolve(this.#cwd, path);
  }

  /** Nothing that was written below the folder holds the secret, but for what the script itself put there. */
  async #assertNoCanary(): Promise<void> {
    const own = new Set([...this.#script.files.keys()].map((path) => join(this.root, "work", path)));
    for (const entry of await readdir(this.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || own.has(path)) continue;
      assert.deepEqual(formsIn(await readFile(path, "latin1")), [], `${path} holds the value of a secret`);
    }
  }
}

function formsIn(text: string): string[] {
  const bytes = Buffer.from(CANARY);
  return [CANARY, bytes.toString("base64"), bytes.toString("hex")].filter((form) => text.includes(form));
}

function match(text: string, pattern: string, not: boolean): void {
  const expression = new RegExp(pattern, "m");
  if (not) assert.doesNotMatch(text, expression);
  else assert.match(text, expression);
}

/** `a.0.b` in parsed JSON. */
function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inner, key) => {
    return typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined;
  }, value);
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

async function give(folder: string, uid: number): Promise<void> {
  await chown(folder, uid, uid);
  if (!(await lstat(folder)).isDirectory()) return;
  for (const name of await readdir(folder, { recursive: true })) await chown(join(folder, name), uid, uid);
}

async function spawned(
  args: readonly string[],
  cwd: string,
  env: Record<string, string | undefined>,
  stdin: string | Buffer,
  uid: number | undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd,
    env,
    timeout: COMMAND_LIMIT_MS,
    killSignal: "SIGKILL",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  // A command that reads nothing may be gone before it was written to.
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    new Promise<number | null>((done, failed) => {
      child.once("error", failed);
      child.once("close", done);
    }),
  ]);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

/** The same command line without a process of its own. */
async function called(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
  stdin: string | Buffer,
): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const world = {
    argv,
    cwd,
    env,
    home: env["HOME"] ?? "/",
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
  };
  const read = Promise.all([stdout.toArray(), stderr.toArray()]);
  const code = await runCli({ ...world, signals: new EventEmitter() });
  stdout.end();
  stderr.end();
  const [out, err] = await read;
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/**
 * Root reads and writes whatever the modes say, so root plays the scripts as nobody. Where nobody can not run writ,
 * as below a closed home folder, root plays those that do not need it.
 */
async function ordinaryUser(): Promise<number | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const probe = await spawned([MAIN, "--version"], "/", { PATH: "/usr/bin:/bin" }, "", NOBODY);
  return probe.code === 0 ? NOBODY : undefined;
}

const uid = await ordinaryUser();
if (uid !== undefined) await chown(COMPILE_CACHE, uid, uid);
const modesCount = uid !== undefined || process.getuid?.() !== 0;
const scripts = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".txt")).toSorted();

describe("scripts", { concurrency: 2 }, () => {
  for (const name of scripts) {
    test(basename(name, ".txt"), async (t) => {
      const script = parseScript(await readFile(join(import.meta.dirname, name), "utf8"));
      if (script.needsModes && !modesCount) {
        const loud = `NOT CHECKED: ${name} is about file modes; root ignores them, and no other user can run ${MAIN}`;
        process.stderr.write(`\n*** ${loud}\n`);
        t.diagnostic(loud);
        return;
      }
      assert.ok(
        script.lines.some(({ words }) => words[0] === "writ"),
        "the script runs nothing",
      );
      const root = await mkdtemp(join(tmpdir(), "writ-script-"));
      try {
        await new Stage(root, script, uid).play();
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    });
  }
});

const planted: readonly (readonly [script: string, complaint: RegExp])[] = [
  ["writ rnu", /exit code/],
  ["!3 writ --version", /exit code/],
  ["writ --version\nstdout nothing-of-it", /line 2/],
  ["writ --version\n! stdout .", /line 2/],
  ["! exists .", /line 1/],
  ["writ schema ${CANARY}", /exit code/],
  ["!2 writ schema ${CANARY}", /was printed/],
  ["cp a b\nwrit --version\n-- a --\ncanary-7f3a-not-a-real-secret", /holds the value/],
];
for (const [text, complaint] of planted) {
  test(`a script fails when it should: ${JSON.stringify(text)}`, async () => {
    const root = await mkdtemp(join(tmpdir(), "writ-script-"));
    try {
      await assert.rejects(new Stage(root, parseScript(text), uid).play(), complaint);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
}
