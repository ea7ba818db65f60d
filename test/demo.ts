/**
 * `npm run demo`: the main job from the beginning, in a throw-away folder, with the real command line.
 *
 * Every step says what it does, runs, and is checked; a step that does not go as told ends the demo with exit 1.
 */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
/** Neither exists outside this demo. */
const TOKEN = "demo-token-5f2c-not-a-real-secret";
const MINTED = "demo-minted-91be-not-a-real-secret";

const INVENTORY_YAML = `description: Counts the licences of a package-lock.json.
permissions:
  env:
    - { name: REGISTRY_TOKEN, secret: registry_token }
`;

const INVENTORY_TS = `import type { Task } from "writ";

export default (({ env, input, log }) => {
  log.info("the token is", env.REGISTRY_TOKEN, "and base64 of it is", btoa(env.REGISTRY_TOKEN));
  const licences: Record<string, number> = {};
  for (const { license = "unknown" } of Object.values(input.packages) as { license?: string }[]) {
    licences[license] = (licences[license] ?? 0) + 1;
  }
  return licences;
}) satisfies Task;
`;

interface Result {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

const folder = await mkdtemp(join(tmpdir(), "writ-demo-"));
const keys = join(folder, "keys");
const project = join(folder, "project");
/** Everything writ printed, for the search at the end. */
let printed = "";
let steps = 0;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function step(title: string): void {
  say(`\n${++steps}. ${title}`);
}

/** Runs `writ …` as a user would; `told` = what is typed into its standard input. */
async function writ(args: readonly string[], told = "", quiet = false): Promise<Result> {
  if (!quiet) say(`   $ writ ${args.join(" ")}${told === "" ? "" : "   # the value comes through stdin"}`);
  const child = spawn(process.execPath, [join(ROOT, "cli", "main.ts"), ...args], {
    cwd: project,
    // A clean environment: nothing of yours is used or changed.
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      NO_COLOR: "1",
      WRIT_MASTER_KEY_FILE: join(keys, "master.key"),
    },
  });
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on("data", (chunk: Buffer) => chunks.stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.stderr.push(chunk));
  child.stdin.end(told);
  const exit = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? 1)));
  const stdout = Buffer.concat(chunks.stdout).toString();
  const stderr = Buffer.concat(chunks.stderr).toString();
  printed += stdout + stderr;
  if (!quiet) for (const line of `${stderr}${stdout}`.trimEnd().split("\n")) say(`     ${line}`);
  return { exit, stdout, stderr };
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the demo went wrong: ${what}`);
}

async function addTask(name: string, yaml: string, ts: string): Promise<void> {
  const dir = join(project, "tasks", name);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "task.yaml"), yaml);
  await writeFile(join(dir, "task.ts"), ts);
}

/** Files below a folder whose bytes hold one of the values, raw or in base64. */
async function filesWith(values: readonly string[], dir: string): Promise<string[]> {
  const needles = values.flatMap((value) => [
    Buffer.from(value),
    Buffer.from(Buffer.from(value).toString("base64")),
  ]);
  const found: string[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    if (needles.some((needle) => bytes.includes(needle))) found.push(path);
  }
  return found;
}

async function main(): Promise<void> {
  await mkdir(project);
  await mkdir(keys, { mode: 0o700 });

  step("A new project, and its example task");
  expect((await writ(["init"])).exit === 0, "init failed");
  const hello = await writ(["run", "hello"]);
  expect(hello.exit === 0, "the example task failed");

  step(
    "A task that wants a secret. Nothing of it runs while the secret is missing, and the message has the fix",
  );
  await addTask("inventory", INVENTORY_YAML, INVENTORY_TS);
  const input = ["--input", join(ROOT, "package-lock.json")];
  const blocked = await writ(["run", "inventory", ...input]);
  expect(blocked.exit === 3, `a missing secret must block the run, exit 3, not ${blocked.exit}`);

  step("The master key of the vault, kept apart from the data, and the secret, which never is an argument");
  const key = await writ(["secrets", "keygen"], "", true);
  await writeFile(join(keys, "master.key"), key.stdout, { mode: 0o600 });
  say("   $ writ secrets keygen > ../keys/master.key");
  expect(
    (await writ(["secrets", "set", "registry_token"], `${TOKEN}\n`)).exit === 0,
    "the secret was not stored",
  );

  step(
    "The same run on real input, writ's own package-lock.json. The task prints its token twice; you do not see it",
  );
  const run = await writ(["run", "inventory", ...input]);
  expect(run.exit === 0 && run.stdout.includes("Apache-2.0"), "the run failed");
  expect(run.stderr.includes("[REDACTED:SECRET_REGISTRY_TOKEN]"), "the token was not redacted");

  step("A hostile task, with a manifest that grants nothing, tries five things");
  await cp(join(ROOT, "tasks", "denied"), join(project, "tasks", "denied"), { recursive: true });
  const denied = await writ(["run", "denied"]);
  expect(denied.stdout.split("PERMISSION_DENIED").length === 6, "something was not denied");

  step("A task stores the tokens of an OAuth answer. It can write them, and never read them back");
  await cp(join(ROOT, "tasks", "oauth-refresh"), join(project, "tasks", "oauth-refresh"), {
    recursive: true,
  });
  const answer = join(folder, "answer.json");
  await writeFile(
    answer,
    JSON.stringify({ access_token: MINTED, refresh_token: `${MINTED}-2`, expires_in: 3600 }),
  );
  expect((await writ(["run", "oauth-refresh", "--input", answer])).exit === 0, "the tokens were not stored");
  await rm(answer);
  const list = await writ(["secrets", "list"]);
  expect(list.stdout.includes("oauth/access"), "the token is not in the vault");

  step("Proof: neither the database files nor anything printed holds a value, raw or in base64");
  const values = [TOKEN, MINTED];
  const found = await filesWith(values, folder);
  expect(found.length === 0, `found a value in ${found.join(", ")}`);
  expect(
    values.every((value) => !printed.includes(value)),
    "a value was printed",
  );
  const data = await readdir(join(project, ".writ"));
  say(
    `   searched ${data.filter((name) => name.includes(".db")).join(", ")}, every other file of the project,`,
  );
  say(`   and ${printed.length} characters of output, for both values: not found`);
}

const begin = performance.now();
try {
  await main();
  say(
    `\nDone in ${((performance.now() - begin) / 1000).toFixed(1)} s. The folder ${folder} is removed again.`,
  );
} catch (error) {
  say(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true });
}
