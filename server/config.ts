/** writ.yaml: found, checked to the last key, defaults filled in. */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import { AppError, formatPosition } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { quote } from "../base/text.ts";
import { toEditorSchema } from "../manifest/json-schema.ts";
import type { ProjectRules } from "../manifest/load.ts";
import type { Locate, Problem } from "../manifest/problem.ts";
import { isRecord, parseWith, renderProblem, sortProblems } from "../manifest/problem.ts";
import { schemeOf } from "../manifest/secret-ref.ts";
import { parseDuration, parseSize } from "../manifest/units.ts";
import { parseYaml } from "../manifest/yaml.ts";
import type { providerSchema, RawConfig } from "./config-schema.ts";
import { configSchema, MAX_LIMITS, scalarsOf, secretOf } from "./config-schema.ts";

const CONFIG_FILE = "writ.yaml";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the master key of the vault comes from. */
export type KeySource = "auto" | "env" | "credential" | "passphrase" | { readonly file: string };

export type ProviderConfig =
  | { readonly type: "local"; readonly name: string; readonly chain: boolean }
  | { readonly type: "env"; readonly name: string; readonly chain: boolean }
  /** Answers URIs only, for regular files below `roots`. */
  | { readonly type: "file"; readonly name: string; readonly roots: readonly string[] };

export interface Config {
  /** undefined = there is no writ.yaml and everything is a default. */
  readonly file: string | undefined;
  /** The project's folder, absolute; relative paths of the file start here. */
  readonly root: string;
  /** Tasks roots, absolute. */
  readonly tasks: readonly string[];
  readonly dataDir: string;
  readonly timezone: string;
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly tls: { readonly cert: string; readonly key: string } | undefined;
    readonly trustedProxy: readonly string[];
    readonly insecure: boolean;
    readonly hooksHost: string | undefined;
  };
  readonly secrets: {
    readonly key: KeySource;
    /** The vault's store id, when the operator pinned it. */
    readonly store: string | undefined;
    /** In the order of the chain. */
    readonly providers: readonly ProviderConfig[];
    readonly watch: { readonly enabled: boolean; readonly pollIntervalMs: number };
  };
  /** What every manifest is held against. */
  readonly project: ProjectRules;
  readonly sandbox: {
    /** undefined = nobody wrote one: `start` then wants L2. */
    readonly minLevel: "L0" | "L1" | "L2" | "L3" | undefined;
    readonly workers: "auto" | number;
    readonly memoryBytes: number;
  };
  readonly runs: {
    readonly concurrency: "auto" | number;
    readonly shutdownGraceMs: number;
    readonly durability: "normal" | "full";
    readonly keep: { readonly days: number; readonly perTask: number };
    readonly keepInputs: boolean;
  };
  readonly approval: "off" | "permissions" | "required";
  readonly notify: { readonly task: string } | undefined;
  readonly allowRunUnfenced: boolean;
  /** Folders beside the tasks root that tasks may import from, absolute. */
  readonly imports: readonly string[];
  /** What the file names for the daemon's own use, and tasks therefore never see. */
  readonly own: {
    readonly variables: readonly string[];
    readonly files: readonly string[];
    readonly secretKeys: readonly string[];
  };
  /** Dotted path of a scalar → `writ.yaml:3:7` or the variable it came from; what is absent is a default. */
  readonly origins: ReadonlyMap<string, string>;
}

export interface ConfigSource {
  /** The working folder, absolute. */
  readonly cwd: string;
  /** `--config`. */
  readonly explicit?: string | undefined;
  readonly env: Environment;
  /** Whose files are trusted besides root's; default: this process's user. */
  readonly uid?: number | undefined;
}

/** For editors. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return toEditorSchema(configSchema, "writ configuration (writ.yaml)");
}

/**
 * `--config`, `WRIT_CONFIG`, then upwards from `cwd` to writ.yaml; undefined = there is none.
 *
 * Throws `CONFIG_INVALID` for a file found above `cwd` that belongs to somebody else: it would decide what this
 * user runs.
 */
export function findConfig({
  cwd,
  explicit,
  env,
  uid = process.getuid?.(),
}: ConfigSource): string | undefined {
  const named = explicit ?? env["WRIT_CONFIG"] ?? "";
  if (named !== "") return resolve(cwd, named);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const file = join(folder, CONFIG_FILE);
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isFile() === true) {
      if (folder === resolve(cwd) || found.uid === uid || found.uid === 0) return file;
      throw new AppError("CONFIG_INVALID", `${quote(file, 500)} belongs to another user (uid ${found.uid})`, {
        hints: [`Name it with --config ${file} if you trust it`],
      });
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** Throws `CONFIG_NOT_FOUND` when there is no file, and `CONFIG_INVALID` (or a secret's code) with every problem. */
export function loadConfig(source: ConfigSource): Config {
  const file = findConfig(source);
  if (file === undefined) {
    throw new AppError(
      "CONFIG_NOT_FOUND",
      `there is no ${CONFIG_FILE} in ${quote(source.cwd, 500)} or above it`,
      {
        hints: ["Run `writ init` to make a project here, or name a file with --config"],
      },
    );
  }
  return configFrom(readConfig(file), file, source.env);
}

/** For a task folder without a project: every default, with `root` as tasks root and `.writ` below it. */
export function bareConfig(root: string, env: Environment): Config {
  const bare = { value: { tasks: "." }, at: () => ({ file: CONFIG_FILE, line: 1, column: 1 }) };
  const config = build(bare, join(resolve(root), CONFIG_FILE), env);
  return {
    ...config,
    file: undefined,
    origins: new Map([...config.origins].filter(([key]) => key !== "tasks")),
  };
}

/** From text; `file` is absolute and does not have to exist. An empty file is every default. */
export function configFrom(bytes: Uint8Array, file: string, env: Environment): Config {
  const { document, problems } = parseYaml(bytes, file);
  const isEmpty = problems.length === 1 && problems[0]?.code === "MANIFEST_EMPTY";
  if (!isEmpty) refuse(problems);
  return build(document ?? { value: {}, at: () => ({ file, line: 1, column: 1 }) }, file, env);
}

function readConfig(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const missing = statSync(file, { throwIfNoEntry: false }) === undefined;
    throw new AppError(
      "CONFIG_INVALID",
      `${quote(file, 500)} ${missing ? "does not exist" : "can not be read"}`,
      { cause },
    );
  }
}

function build(
  document: { readonly value: Json; readonly at: Locate },
  file: string,
  env: Environment,
): Config {
  const value = structuredClone(document.value);
  const variables = new Map<string, string>();
  for (const leaf of leavesOf(configSchema, [])) {
    const variable = `WRIT_${leaf.path.join("_").toUpperCase()}`;
    const given = env[variable];
    if (given === undefined || given === "") continue;
    if (place(value, leaf.path, scalarFor(leaf.schemas, given))) variables.set(leaf.path.join("."), variable);
  }
  const at: Locate = (path, part) => {
    const variable = variables.get(path.join("."));
    return variable === undefined ? document.at(path, part) : { file: variable, line: 1, column: 1 };
  };
  const { data, problems } = parseWith(configSchema, value, at);
  if (data === undefined) throw refusal(problems);
  const origins = new Map<string, string>();
  for (const { path } of scalarsOf(value, [])) {
    const key = path.join(".");
    origins.set(key, variables.get(key) ?? formatPosition(document.at(path)));
  }
  return compile(data, file, env, origins);
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw refusal(problems);
}

/** The first problem is the error, the others are its hints; of the codes, only those of secrets are kept. */
function refusal(problems: readonly Problem[]): AppError {
  const cycles = new Set(
    problems.filter(({ code }) => code === "SECRETS_CYCLE").map(({ at }) => formatPosition(at)),
  );
  const [first, ...rest] = sortProblems(problems)
    // A reference that may not be there is wrong for that reason, whatever else its text is not.
    .filter(({ code, at }) => code === "SECRETS_CYCLE" || !cycles.has(formatPosition(at)))
    .map((problem) =>
      problem.code.startsWith("SECRETS_") ? problem : { ...problem, code: "CONFIG_INVALID" as const },
    );
  if (first === undefined) return new AppError("INTERNAL", "a config was refused without a problem");
  const message = first.fix === "" ? first.message : `${first.message}; ${first.fix}`;
  return new AppError(first.code, message, { at: first.at, hints: rest.map(renderProblem) });
}

interface Leaf {
  readonly path: readonly string[];
  readonly schemas: readonly z.core.$ZodType[];
}

/** Every place of the schema where a scalar may stand: what a variable can set. */
function leavesOf(schema: z.core.$ZodType, path: readonly string[]): readonly Leaf[] {
  if (schema instanceof z.ZodOptional) return leavesOf(schema.unwrap(), path);
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
  }
  if (schema instanceof z.ZodUnion) {
    const inner = schema.options.flatMap((option) => leavesOf(option, path));
    const own = inner.filter((leaf) => leaf.path.length === path.length);
    const below = inner.filter((leaf) => leaf.path.length > path.length);
    return [{ path, schemas: own.flatMap(({ schemas }) => schemas) }, ...below];
  }
  return schema instanceof z.ZodArray || schema instanceof z.ZodRecord ? [] : [{ path, schemas: [schema] }];
}

/** A variable is text; it becomes a number or a boolean where the key takes one. */
function scalarFor(schemas: readonly z.core.$ZodType[], given: string): Json {
  const readings: Json[] = [given];
  if (/^-?[0-9]{1,15}$/.test(given)) readings.push(Number(given));
  if (given === "true" || given === "false") readings.push(given === "true");
  const fits = (reading: Json): boolean => schemas.some((schema) => z.safeParse(schema, reading).success);
  return readings.find(fits) ?? readings.at(-1) ?? given;
}

/** Sets a value, making the mappings above it; false when something else stands in the way. */
function place(value: unknown, [key = "", ...below]: readonly string[], scalar: Json): boolean {
  if (!isRecord(value)) return false;
  if (below.length === 0) {
    value[key] = scalar;
    return true;
  }
  if (!Object.hasOwn(value, key)) value[key] = {};
  return place(value[key], below, scalar);
}

function compile(
  raw: RawConfig,
  file: string,
  env: Environment,
  origins: ReadonlyMap<string, string>,
): Config {
  const root = dirname(file);
  const absolute = (path: string): string =>
    path === "~" || path.startsWith("~/")
      ? join(env["HOME"] ?? homedir(), path.slice(1))
      : resolve(root, path);
  const tasks = raw.tasks ?? "./tasks";
  const { server, secrets, sandbox, runs } = raw;
  const key = secrets?.key ?? "auto";
  const keySource: KeySource = typeof key === "string" ? key : { file: absolute(key.file) };
  const tls = server?.tls && { cert: absolute(server.tls.cert), key: absolute(server.tls.key) };
  return {
    file,
    root,
    tasks: (typeof tasks === "string" ? [tasks] : tasks).map(absolute),
    dataDir: absolute(raw.data_dir ?? "./.writ"),
    timezone: raw.timezone ?? "UTC",
    server: {
      host: server?.host ?? "127.0.0.1",
      port: server?.port ?? 8467,
      tls,
      trustedProxy: server?.trusted_proxy ?? [],
      insecure: server?.insecure ?? false,
      hooksHost: server?.hooks_host,
    },
    secrets: {
      key: keySource,
      store: secrets?.store,
      providers: (secrets?.providers ?? [{ type: "local" }, { type: "env" }]).map((one) =>
        compileProvider(one, absolute),
      ),
      watch: {
        enabled: secrets?.watch?.enabled ?? true,
        pollIntervalMs: parseDuration(secrets?.watch?.poll_interval ?? "5m") ?? 0,
      },
    },
    project: compileProject(raw),
    sandbox: {
      minLevel: sandbox?.min_level,
      workers: sandbox?.workers ?? "auto",
      memoryBytes: parseSize(sandbox?.memory ?? "128MB") ?? 0,
    },
    runs: {
      concurrency: runs?.concurrency ?? "auto",
      shutdownGraceMs: parseDuration(runs?.shutdown_grace ?? "30s") ?? 0,
      durability: runs?.durability ?? "normal",
      keep: { days: runs?.keep?.days ?? 30, perTask: runs?.keep?.per_task ?? 1000 },
      keepInputs: runs?.keep_inputs ?? true,
    },
    approval: raw.approval ?? "off",
    notify: raw.notify,
    allowRunUnfenced: raw.allow_run_unfenced ?? false,
    imports: (raw.imports ?? []).map(absolute),
    own: ownNames(raw, [tls?.key, typeof keySource === "string" ? undefined : keySource.file], absolute),
    origins,
  };
}

function compileProvider(
  { type, name, chain, roots }: z.output<typeof providerSchema>,
  absolute: (path: string) => string,
): ProviderConfig {
  return type === "file"
    ? { type, name: name ?? type, roots: (roots ?? []).map(absolute) }
    : { type, name: name ?? type, chain: chain ?? true };
}

function compileProject(raw: RawConfig): ProjectRules {
  const { max } = raw.limits ?? {};
  return {
    defaults: raw.defaults ?? {},
    maxLimits: {
      timeoutMs: parseDuration(max?.timeout ?? MAX_LIMITS.timeout) ?? 0,
      cpuMs: parseDuration(max?.cpu ?? MAX_LIMITS.cpu) ?? 0,
      memoryBytes: parseSize(max?.memory ?? MAX_LIMITS.memory) ?? 0,
      logBytes: parseSize(max?.log ?? MAX_LIMITS.log) ?? 0,
      outputBytes: parseSize(max?.output ?? MAX_LIMITS.output) ?? 0,
    },
    isolation: raw.sandbox?.isolation ?? "task",
    workspaces: raw.workspaces && new Map(Object.entries(raw.workspaces)),
    allowRunAny: raw.allow_run_any ?? false,
  };
}

function ownNames(
  raw: RawConfig,
  files: readonly (string | undefined)[],
  absolute: (path: string) => string,
): Config["own"] {
  const own = { variables: new Set<string>(), files: new Set<string>(), secretKeys: new Set<string>() };
  for (const { value } of scalarsOf(raw.auth, [])) {
    const reference = typeof value === "string" ? secretOf(value) : undefined;
    if (reference === undefined) continue;
    const scheme = schemeOf(reference);
    const rest = reference.slice((scheme?.length ?? 0) + 3);
    if (scheme === undefined) own.secretKeys.add(reference);
    else if (scheme === "env") own.variables.add(rest);
    else if (scheme === "file") own.files.add(absolute(rest.replace(/[?#].*$/, "")));
  }
  for (const file of files) if (file !== undefined) own.files.add(file);
  return { variables: [...own.variables], files: [...own.files], secretKeys: [...own.secretKeys] };
}
