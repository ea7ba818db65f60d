/** One run of one task in a throw-away data folder: the real daemon, vault and worker. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import type { Json } from "../../base/json.ts";
import type { RunRecord } from "../../runs/record.ts";
import { loadConfig } from "../../server/config.ts";
import { Daemon, MANUAL_TRIGGER } from "../../server/daemon.ts";
import { generateKeyText } from "../../store/vault/key-text.ts";

export interface RunTaskOptions {
  /**
   * Values of declared params.
   * @default {}
   */
  readonly params?: Readonly<Record<string, Json>>;
  /**
   * The daemon's environment; the task sees what its manifest declares of it. Nothing of the test's own
   * environment is added.
   * @default {}
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Stored in the vault before the run, in the global scope.
   * @default {}
   */
  readonly secrets?: Readonly<Record<string, string>>;
  /**
   * What the run is handed over; `undefined` members are left out, as JSON has it.
   * @default null
   */
  readonly input?: unknown;
  /** Cancels the run. */
  readonly signal?: AbortSignal;
}

/** The record of the run, with its log, and what the vault holds afterwards: names and versions, never a value. */
export interface TestRun extends RunRecord {
  readonly logs: NonNullable<RunRecord["logs"]>;
  readonly vault: readonly { readonly key: string; readonly version: number }[];
}

/**
 * Runs the task in a folder once and answers its record. Rejects, like `writ run` would refuse, when the task does
 * not load or a param is wrong; every end of the run itself is a record.
 *
 * @param dir the task's folder, `import.meta.dirname` in a test beside the task
 * @example
 * ```ts
 * import { runTask } from "writ/testing";
 * const run = await runTask(import.meta.dirname, { params: { name: "Ada" }, secrets: { token: "not-a-real-one" } });
 * assert.equal(run.state, "success");
 * ```
 */
export async function runTask(dir: string, options: RunTaskOptions = {}): Promise<TestRun> {
  const {
    params = {},
    env = {},
    secrets = {},
    input = null,
    signal = new AbortController().signal,
  } = options;
  const folder = await mkdtemp(join(tmpdir(), "writ-test-"));
  try {
    await writeFile(join(folder, "master.key"), generateKeyText(), { mode: 0o600 });
    const yaml = { tasks: dirname(dir), secrets: { key: { file: "master.key" } } };
    await writeFile(join(folder, "writ.yaml"), JSON.stringify(yaml));
    await using daemon = new Daemon({
      config: loadConfig({ cwd: folder, env: {} }),
      env,
      home: folder,
      clock: systemClock,
      onNewKey: () => undefined,
      onWarning: () => undefined,
    });
    for (const [key, value] of Object.entries(secrets)) {
      await daemon.setSecret({ workspace: undefined, key, actor: "test" }, Buffer.from(value), {
        unmaskable: false,
      });
    }
    const record = await daemon.run({
      place: await daemon.tasks.find(basename(dir), dirname(dir)),
      trigger: MANUAL_TRIGGER,
      params: new Map(Object.entries(params).map(([name, value]) => [name, { value }])),
      overrides: new Map(),
      input: JSON.parse(JSON.stringify(input)),
      actor: "test",
      signal,
    });
    return {
      ...record,
      logs: (await daemon.logs(record.id)).map(({ t, level, text }) => ({
        t: new Date(t).toISOString(),
        level,
        text,
      })),
      vault: await daemon.listSecrets(undefined),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
