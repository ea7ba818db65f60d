/** What the vault and the resolution of an environment cost. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { loadConfig } from "../../server/config.ts";
import { Daemon } from "../../server/daemon.ts";
import { generateKeyText } from "../../store/vault/key-text.ts";
import { time, type BenchRow } from "./measure.ts";

const OPS = 200;
const SECRETS = 20;

export async function benchVault(): Promise<readonly BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "writ-bench-"));
  try {
    await writeFile(join(folder, "key"), generateKeyText(), { mode: 0o600 });
    await writeFile(join(folder, "writ.yaml"), JSON.stringify({ secrets: { key: { file: "key" } } }));
    const options = {
      config: loadConfig({ cwd: folder, env: {} }),
      env: {},
      home: folder,
      clock: systemClock,
      onNewKey: () => undefined,
      onWarning: () => undefined,
    };
    {
      await using maker = new Daemon(options);
      for (let index = 0; index < SECRETS; index++) await set(maker, index);
    }
    await using daemon = new Daemon(options);
    const begin = performance.now();
    await daemon.listSecrets(undefined);
    const open = performance.now() - begin;
    const write = await time(OPS, (index) => set(daemon, index % SECRETS));
    const names = Array.from({ length: SECRETS }, (_, index) => index);
    await writeTask(folder, names);
    const task = await daemon.tasks.load(await daemon.tasks.find("bench", folder));
    const signal = new AbortController().signal;
    const resolve = await time(OPS, () => daemon.dry(task, new Map(), signal));
    return [
      { name: "vault: open (Argon2id, 64 MiB), once per process", median: open, unit: "ms" },
      { name: "vault: set, with its audit line", median: write.p50, unit: "ms" },
      { name: `environment: resolve ${SECRETS} secrets`, median: resolve.p50, unit: "ms" },
      { name: "vault: get, as a part of that", median: (resolve.p50 / SECRETS) * 1000, unit: "µs" },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

function set(daemon: Daemon, index: number): Promise<unknown> {
  const value = Buffer.from(`bench-value-${index}-not-a-real-secret`);
  return daemon.setSecret({ workspace: undefined, key: `k${index}`, actor: "bench" }, value, {
    unmaskable: false,
  });
}

async function writeTask(folder: string, names: readonly number[]): Promise<void> {
  const dir = join(folder, "tasks", "bench");
  await mkdir(dir, { recursive: true });
  const env = names.map((index) => ({ name: `K${index}`, secret: `k${index}` }));
  await writeFile(join(dir, "task.yaml"), JSON.stringify({ permissions: { env } }));
  await writeFile(join(dir, "task.ts"), "export default () => 1;");
}
