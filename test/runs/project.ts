/** A throw-away project with a vault key of its own, and a daemon on it. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import type { RunRecord } from "../../runs/record.ts";
import { loadConfig } from "../../server/config.ts";
import { Daemon, MANUAL_TRIGGER, type DaemonOptions } from "../../server/daemon.ts";
import { generateKeyText } from "../../store/vault/key-text.ts";
import type { GivenParam } from "../../runs/params.ts";
import type { Json } from "../../base/json.ts";

export interface RunOptions {
  readonly params?: Readonly<Record<string, GivenParam>>;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly input?: Json;
  readonly signal?: AbortSignal;
  readonly onLog?: (text: string) => void;
}

export class Project implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "writ-project-"));
  readonly dataDir = join(this.dir, ".writ");

  constructor(yaml: object = {}) {
    writeFileSync(join(this.dir, "key"), generateKeyText(), { mode: 0o600 });
    writeFileSync(
      join(this.dir, "writ.yaml"),
      JSON.stringify({ secrets: { key: { file: "key" } }, ...yaml }),
    );
  }

  /** `code` is the body of the task's function; its context is in scope by its members' names. */
  task(id: string, manifest: object, code: string): void {
    const dir = join(this.dir, "tasks", id);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "task.yaml"), JSON.stringify(manifest));
    const context = "{ env, params, input, kv, log, signal, task, run, writ, dicode }";
    writeFileSync(join(dir, "task.ts"), `export default async (${context}: any) => { ${code} };\n`);
  }

  daemon(options: Partial<DaemonOptions> = {}): Daemon {
    return new Daemon({
      config: loadConfig({ cwd: this.dir, env: {} }),
      env: {},
      home: this.dir,
      clock: systemClock,
      onNewKey: () => undefined,
      onWarning: () => undefined,
      ...options,
    });
  }

  async run(daemon: Daemon, id: string, options: RunOptions = {}): Promise<RunRecord> {
    const {
      params = {},
      overrides = {},
      input = null,
      signal = new AbortController().signal,
      onLog,
    } = options;
    return daemon.run({
      place: await daemon.tasks.find(id, this.dir),
      trigger: MANUAL_TRIGGER,
      params: new Map(Object.entries(params)),
      overrides: new Map(Object.entries(overrides)),
      input,
      actor: "test",
      signal,
      ...(onLog === undefined ? {} : { onLog: ({ text }) => onLog(text) }),
    });
  }

  /** Names of the files below the data folder whose bytes hold `text`. Read after every database is closed. */
  filesWith(text: string): string[] {
    return readdirSync(this.dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => readFileSync(path).includes(text));
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}
