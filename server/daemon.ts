/**
 * The composition root: the one file that wires writ together. `writ run` makes one for a single run, so that there
 * is no second way to execute a task.
 */
import { hostname } from "node:os";
import type { Clock } from "../base/clock.ts";
import { AppError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import type { Problem } from "../manifest/problem.ts";
import type { Executor } from "../runtime/host/executor.ts";
import type { Runner, StartRequest } from "../runs/execute.ts";
import type { RunRecord } from "../runs/record.ts";
import { Tasks, type LoadedTask, type TaskPlace } from "../runs/tasks.ts";
import { ProviderChain } from "../secrets/chain.ts";
import { hiddenNames, hiddenPaths } from "../secrets/hidden.ts";
import type { HostEnvironment } from "../secrets/host-environment.ts";
import type { SecretProvider } from "../secrets/provider.ts";
import { EnvProvider } from "../secrets/providers/env.ts";
import { FileProvider } from "../secrets/providers/file.ts";
import { LocalProvider } from "../secrets/providers/local.ts";
import { checkEnv, describeEnv, resolveEnv, type ResolveEnvOptions } from "../secrets/resolve-env.ts";
import { unkeyedMac, type AuditMac } from "../store/audit.ts";
import type { Owner } from "../store/owners.ts";
import type { AuditEntry, LogLine } from "../store/ports.ts";
import { Store } from "../store/store.ts";
import { inContainer } from "../store/vault/container.ts";
import { generateKeyText } from "../store/vault/key-text.ts";
import { KEY_VARIABLE, keyPlaces } from "../store/vault/key-source.ts";
import { GLOBAL_SCOPE } from "../store/vault/limits.ts";
import { scrubEnviron } from "../store/vault/scrub-environ.ts";
import { Vault, type SecretMetadata, type SetResult } from "../store/vault/vault.ts";
import type { Config, ProviderConfig } from "./config.ts";

/** The id of the vault this data folder holds, once it has one. */
const VAULT_META = "vault";

export interface DaemonOptions {
  readonly config: Config;
  /** The variables writ was started with; a copy that still holds the master key, if one was given that way. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string | undefined;
  readonly clock: Clock;
  /** Told, once, the path of a master key that was made. */
  readonly onNewKey: (path: string) => void;
  /** Told what an operator should know although it stops nothing. */
  readonly onWarning: (text: string) => void;
}

export type DryRun = Awaited<ReturnType<typeof describeEnv>>;

export interface SecretWrite {
  readonly workspace: string | undefined;
  readonly key: string;
  readonly actor: string;
  readonly ifVersion?: number;
}

export interface SetOptions {
  /** Stores a value that is too short or too common to be masked. */
  readonly unmaskable: boolean;
  /** Gives up a vault that is gone, and begins a new one. A vault that is there is never replaced. */
  readonly newVault?: boolean;
}

/** Everything is opened when it is first needed: a verb that only looks makes nothing. */
export class Daemon implements AsyncDisposable {
  readonly tasks: Tasks;
  readonly #options: DaemonOptions;
  readonly #closing = new AsyncDisposableStack();
  #store: Promise<Store> | undefined;
  #vault: Promise<Vault> | undefined;
  #runner: Promise<Runner> | undefined;
  #storeGivenUp = false;

  constructor(options: DaemonOptions) {
    this.#options = options;
    const { tasks, root, project } = options.config;
    this.tasks = new Tasks({ roots: tasks, projectRoot: root, rules: project });
    if (process.env[KEY_VARIABLE] !== undefined) this.#hideMasterKey();
    keepInspectorClosed();
  }

  /** Runs a task once; see `Runner.run`. */
  async run(request: StartRequest): Promise<RunRecord> {
    this.#runner ??= this.#openRunner();
    return (await this.#runner).run(request);
  }

  /** The lines a run has logged, redacted. */
  async logs(run: string): Promise<readonly LogLine[]> {
    const store = await this.#openStore();
    const lines: LogLine[] = [];
    for (let after = 0; ;) {
      const page = await store.logs.read(run, { after });
      const last = page.at(-1);
      if (last === undefined) return lines;
      lines.push(...page);
      after = last.seq;
    }
  }

  /** Every problem of a task that can be known offline: its manifest's, and references that no run could resolve. */
  async check(place: TaskPlace): Promise<readonly Problem[]> {
    const problems = await this.tasks.check(place);
    if (problems.some(({ severity, code }) => severity === "error" && code !== "MANIFEST_NOT_ACTING"))
      return problems;
    const task = await this.tasks.load(place);
    const file = this.tasks.manifestName(place);
    const { entries, hidden, chain } = this.#resolveOptions(task, new Map(), new AbortController().signal);
    const blocked = checkEnv({ entries, hidden, chain }).map(
      ({ code, name, message, hints, at = { line: 1, column: 1 } }): Problem => ({
        code,
        message: `${name}: ${message}`,
        fix: hints.join("; "),
        at: { file, ...at },
        severity: "error",
      }),
    );
    return [...problems, ...blocked];
  }

  /** What a run of this task would get: each variable with its provider and version, never a value. */
  async dry(task: LoadedTask, overrides: ReadonlyMap<string, string>, signal: AbortSignal): Promise<DryRun> {
    return describeEnv(this.#resolveOptions(task, overrides, signal));
  }

  /** Stores a new version of a secret. The bytes stay the caller's to wipe. */
  async setSecret(write: SecretWrite, bytes: Uint8Array, options: SetOptions): Promise<SetResult> {
    const { workspace, key, actor, ifVersion } = write;
    this.#storeGivenUp = options.newVault === true;
    return this.#audited("secret.set", write, async (vault) =>
      vault.set(workspace ?? GLOBAL_SCOPE, key, bytes, { actor, ifVersion, unmaskable: options.unmaskable }),
    );
  }

  /** Whether there was one. */
  async deleteSecret(write: SecretWrite): Promise<boolean> {
    const { workspace, key, actor, ifVersion } = write;
    return this.#audited("secret.delete", write, async (vault) =>
      vault.delete(workspace ?? GLOBAL_SCOPE, key, { actor, ifVersion }),
    );
  }

  /** Names, versions and dates; undefined = of every scope. */
  async listSecrets(workspace: string | undefined): Promise<readonly SecretMetadata[]> {
    return (await this.#openVault()).list(workspace);
  }

  /** Ends workers, waits for writes under way and zeroes keys. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closing.disposeAsync();
  }

  async #openRunner(): Promise<Runner> {
    const { config, clock } = this.#options;
    // Loaded late: the bundler and the pool are for those who run, not for those who look.
    const [{ WorkerPool }, { Runner }] = await Promise.all([
      import("../runtime/host/pool.ts"),
      import("../runs/execute.ts"),
    ]);
    // Starting a worker takes longest, so it goes first; ending it goes first as well.
    const executor: Executor = new WorkerPool({
      size: 1,
      memoryBytes: config.sandbox.memoryBytes,
      warm: true,
    });
    const store = await this.#openStore();
    const owner: Owner = this.#closing.use(store.own());
    this.#closing.use(executor);
    await store.recover();
    return new Runner({
      tasks: this.tasks,
      store,
      executor,
      vault: () => this.#openVault(),
      resolve: (task, { overrides, signal }) => resolveEnv(this.#resolveOptions(task, overrides, signal)),
      audit: (entry) => this.#audit(entry),
      clock,
      owner: owner.id,
      node: hostname(),
      projectRoot: config.root,
      imports: config.imports,
      forbidden: this.#ownPlaces(),
    });
  }

  /** A variable that is only deleted stays readable in /proc, for whoever may read this process. */
  #hideMasterKey(): void {
    delete process.env[KEY_VARIABLE];
    const scrubbed = scrubEnviron(KEY_VARIABLE);
    if (scrubbed.outcome !== "failed") return;
    this.#options.onWarning(
      `${KEY_VARIABLE} stays readable in this process's environment: ${scrubbed.reason}`,
    );
  }

  #resolveOptions(
    task: LoadedTask,
    overrides: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): ResolveEnvOptions {
    const { config, env } = this.#options;
    const { manifest } = task;
    return {
      entries: manifest.permissions.env,
      taskDir: task.dir,
      dotenv: manifest.dotenv,
      workspace: manifest.workspace,
      chain: (host) =>
        new ProviderChain(config.secrets.providers.map((provider) => this.#provider(provider, host))),
      hostEnv: env,
      hidden: hiddenNames(config.own.variables),
      overrides,
      signal,
    };
  }

  #provider(provider: ProviderConfig, host: HostEnvironment): SecretProvider {
    switch (provider.type) {
      case "local":
        return new LocalProvider(
          { getMany: async (lookups) => (await this.#openVault()).getMany(lookups) },
          { name: provider.name, chained: provider.chain },
        );
      case "env":
        return new EnvProvider(host, { name: provider.name, chained: provider.chain });
      case "file": {
        const { config, env } = this.#options;
        const paths = [...this.#ownPlaces(), ...config.tasks];
        const hidden = hiddenPaths({ paths, environment: env });
        return new FileProvider({ name: provider.name, roots: provider.roots, hidden });
      }
    }
  }

  /** Files and folders of the daemon itself, which no task may reach through any door. */
  #ownPlaces(): string[] {
    const { config, env, home } = this.#options;
    return [config.dataDir, ...config.own.files, ...keyPlaces({ env, home })];
  }

  async #audited<T>(action: string, write: SecretWrite, act: (vault: Vault) => Promise<T>): Promise<T> {
    const { workspace, key, actor } = write;
    const entry = { actor, action, target: key, ...(workspace === undefined ? {} : { workspace }) };
    const vault = await this.#openVault();
    try {
      const result = await act(vault);
      await this.#rememberVault(vault);
      await this.#audit({ ...entry, result: "ok" });
      return result;
    } catch (error) {
      // A request that was wrong in itself changed nothing and tried nothing.
      if (error instanceof AppError && error.code === "SECRETS_CONFLICT")
        await this.#audit({ ...entry, result: "error" });
      throw error;
    }
  }

  async #audit(entry: AuditEntry): Promise<void> {
    const vault = await this.#openVault();
    await this.#rememberVault(vault);
    const mac: AuditMac = {
      // Asked for when the line is sealed: the vault may be made while the line waits for its turn.
      get keyId() {
        return vault.keyId("audit");
      },
      mac: (bytes) => vault.mac("audit", bytes) ?? unkeyedMac.mac(bytes),
    };
    await (await this.#openStore()).audit(mac).append(entry);
  }

  #openStore(): Promise<Store> {
    this.#store ??= (async () => {
      const { config, clock } = this.#options;
      return this.#closing.use(
        await Store.open(config.dataDir, clock, { durability: config.runs.durability }),
      );
    })();
    return this.#store;
  }

  #openVault(): Promise<Vault> {
    this.#vault ??= (async () => {
      const { config, env, home, clock, onNewKey } = this.#options;
      const { key, store } = config.secrets;
      const { dataDir } = config;
      return this.#closing.use(
        await Vault.open({
          dataDir,
          clock,
          onNewKey,
          keySource: typeof key === "string" ? { kind: key } : { kind: "file", path: key.file },
          keyHost: {
            env,
            home,
            uid: process.geteuid?.(),
            container: inContainer(env),
            projectDir: config.file === undefined ? undefined : config.root,
          },
          knownStoreId: store ?? (await this.#knownVault()),
          storeGivenUp: this.#storeGivenUp,
        }),
      );
    })();
    return this.#vault;
  }

  /** The vault that stood here when writ last looked. A look makes no database for the question. */
  async #knownVault(): Promise<string | undefined> {
    const { config, clock } = this.#options;
    const store =
      this.#store === undefined ? await Store.openReadOnly(config.dataDir, clock) : await this.#store;
    if (store === undefined) return undefined;
    try {
      return await store.getMeta(VAULT_META);
    } finally {
      if (this.#store === undefined) await store[Symbol.asyncDispose]();
    }
  }

  /** A vault that was known and is gone must not be taken for one that never was. */
  async #rememberVault({ storeId }: Vault): Promise<void> {
    const store = await this.#openStore();
    if (storeId !== undefined && (await store.getMeta(VAULT_META)) !== storeId)
      await store.setMeta(VAULT_META, storeId);
  }
}

/**
 * On SIGUSR1 Node opens an inspector, to which whoever reaches the port says what this process does. A worker can do
 * both: signal its parent, and connect. A listener of our own takes the place of Node's, for the life of the process.
 */
function keepInspectorClosed(): void {
  if (process.listenerCount("SIGUSR1") === 0) process.on("SIGUSR1", () => undefined);
}

/** How a run by hand is recorded. */
export const MANUAL_TRIGGER: Json = { kind: "manual" };

/** A master key to keep and to hand to writ, as text; nothing is stored. */
export function newMasterKey(): string {
  return generateKeyText();
}
