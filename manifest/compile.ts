/** From checked YAML to a Manifest: defaults filled in, short forms spelled out, units resolved. */
import type { z } from "zod";
import type {
  At,
  Concurrency,
  EnvEntry,
  EnvSource,
  Limits,
  Manifest,
  Permissions,
  Retry,
  Trigger,
  WebhookTrigger,
  WebhookVerify,
  WritPermissions,
} from "./manifest.ts";
import { paramOf } from "./params.ts";
import type { concurrencySchema, limitsSchema, notifySchema, RawManifest, retrySchema } from "./schema.ts";
import { schemeOf } from "./secret-ref.ts";
import { parseInstant } from "./trigger-schema.ts";
import { parseDuration, parseSize } from "./units.ts";

/** What `defaults` of writ.yaml lays under every manifest; it can not hold authority. */
export interface ManifestDefaults {
  readonly limits?: z.output<typeof limitsSchema> | undefined;
  readonly retry?: z.output<typeof retrySchema> | undefined;
  readonly concurrency?: Omit<z.output<typeof concurrencySchema>, "key"> | undefined;
  readonly notify?: z.output<typeof notifySchema> | undefined;
}

/** The most a manifest may ask for. */
export type MaxLimits = Pick<Limits, "timeoutMs" | "cpuMs" | "memoryBytes" | "logBytes" | "outputBytes">;

type RawEnvEntry = Exclude<NonNullable<NonNullable<RawManifest["permissions"]>["env"]>[number], string>;
type RawTrigger = Exclude<NonNullable<RawManifest["trigger"]>, readonly unknown[]>;
type RawVerify = NonNullable<RawTrigger["verify"]>;

/** The result is frozen to the bottom: it is read by everything that judges. */
export function compileManifest(
  raw: RawManifest,
  id: string,
  workspace: string | undefined,
  defaults: ManifestDefaults,
  max: MaxLimits | undefined,
  locate: (path: readonly PropertyKey[]) => At,
): Manifest {
  const { on_failure: onFailure } = raw;
  const notify = merged(defaults.notify, raw.notify);
  const retry = merged(defaults.retry, raw.retry);
  const concurrency = merged(defaults.concurrency, raw.concurrency);
  return deepFreeze<Manifest>({
    name: raw.name ?? id,
    description: raw.description,
    entry: raw.entry,
    triggers: asList(raw.trigger).map(compileTrigger),
    params: new Map(Object.entries(raw.params ?? {}).map(([name, spec]) => [name, paramOf(spec)])),
    permissions: compilePermissions(raw.permissions ?? {}, locate),
    dotenv: raw.dotenv ?? [],
    workspace,
    isolation: raw.isolation,
    limits: compileLimits({ ...defaults.limits, ...raw.limits }, max),
    retry: retry && compileRetry(retry),
    concurrency: concurrency && compileConcurrency(concurrency),
    onFailure: onFailure && { task: onFailure.task, params: onFailure.params ?? {} },
    notify: notify && { on: notify.on ?? ["failure", "recovery"] },
    acceptFrom: raw.accept_from ?? [],
  });
}

function compileLimits(limits: z.output<typeof limitsSchema>, max: MaxLimits | undefined): Limits {
  // Only what nobody wrote is cut to the maximum; what a manifest asks for was checked against it.
  const cap = (given: number | undefined, fallback: number, most: number | undefined): number =>
    given ?? Math.min(fallback, most ?? fallback);
  return {
    timeoutMs: cap(ms(limits.timeout), 60_000, max?.timeoutMs),
    cpuMs: cap(ms(limits.cpu), 30_000, max?.cpuMs),
    memoryBytes: cap(bytes(limits.memory), 128 * 1024 ** 2, max?.memoryBytes),
    logBytes: cap(bytes(limits.log), 1024 ** 2, max?.logBytes),
    outputBytes: cap(bytes(limits.output), 1024 ** 2, max?.outputBytes),
    opsInFlight: limits.ops_in_flight ?? 64,
    ops: limits.ops ?? 100_000,
  };
}

function compileRetry(retry: z.output<typeof retrySchema>): Retry {
  return {
    attempts: retry.attempts ?? 3,
    backoff: retry.backoff ?? "exponential",
    delayMs: ms(retry.delay) ?? 1000,
    maxDelayMs: ms(retry.max_delay) ?? 5 * 60_000,
    on: retry.on ?? ["failure", "timeout", "crashed"],
  };
}

function compileConcurrency(concurrency: z.output<typeof concurrencySchema>): Concurrency {
  return { limit: concurrency.limit ?? 1, overlap: concurrency.overlap ?? "queue", key: concurrency.key };
}

function compilePermissions(
  raw: NonNullable<RawManifest["permissions"]>,
  locate: (path: readonly PropertyKey[]) => At,
): Permissions {
  return {
    env: (raw.env ?? []).map((entry, index) => compileEntry(entry, locate(["permissions", "env", index]))),
    net: raw.net ?? [],
    fs: (raw.fs ?? []).map(({ path, access, secrets }, index) => ({
      path,
      access,
      secrets: secrets ?? false,
      at: locate(["permissions", "fs", index]),
    })),
    run: (raw.run ?? []).map(({ program, args, env, network }, index) => ({
      program,
      args: args ?? [],
      env: (env ?? []).map((name) =>
        typeof name === "string" ? { name, raw: false } : { name: name.name, raw: name.raw ?? false },
      ),
      network: network ?? false,
      at: locate(["permissions", "run", index]),
    })),
    writ: compileWrit(raw.writ ?? raw.dicode ?? {}),
  };
}

function compileWrit(raw: NonNullable<NonNullable<RawManifest["permissions"]>["writ"]>): WritPermissions {
  const { secrets_write: write } = raw;
  return {
    secretsWrite: write === false ? [] : (write ?? []),
    kv: raw.kv ?? true,
    tasks: raw.tasks ?? [],
    listTasks: raw.list_tasks ?? false,
    getRuns: raw.get_runs ?? false,
  };
}

function compileEntry(entry: string | RawEnvEntry, at: At): EnvEntry {
  if (typeof entry === "string") {
    return {
      name: entry,
      source: { kind: "host", variable: entry, bare: true, sensitive: false },
      onMissing: "omit",
      onUnavailable: "block",
      deliver: "env",
      hosts: [],
      in: [],
      at,
    };
  }
  const deliver = entry.deliver ?? (entry.file === true ? "file" : "env");
  return {
    name: entry.name,
    source: sourceOf(entry),
    onMissing:
      entry.on_missing ?? (entry.optional === true ? "empty" : entry.required === false ? "omit" : "block"),
    onUnavailable: entry.on_unavailable ?? "block",
    deliver,
    hosts: entry.hosts ?? [],
    in: deliver === "sealed" ? (entry.in ?? ["header"]) : [],
    at,
  };
}

/** The schema saw to it that there is exactly one source. */
function sourceOf(entry: RawEnvEntry): EnvSource {
  if (entry.value !== undefined) return { kind: "value", value: entry.value };
  if (entry.from !== undefined) {
    return { kind: "host", variable: entry.from, bare: false, sensitive: entry.sensitive ?? false };
  }
  if (entry.provider !== undefined) {
    const options = Object.entries(entry.options ?? {}).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    );
    return {
      kind: "provider",
      provider: entry.provider,
      key: entry.key ?? "",
      options: Object.fromEntries(options),
    };
  }
  const reference = entry.secret ?? entry.ref ?? "";
  return schemeOf(reference) === undefined
    ? { kind: "secret", key: reference }
    : { kind: "uri", uri: reference };
}

function compileTrigger(raw: RawTrigger): Trigger {
  if (raw.webhook !== undefined) return { kind: "webhook", ...compileWebhook(raw, raw.webhook) };
  if (raw.chain !== undefined)
    return { kind: "chain", after: raw.chain.after, on: raw.chain.on ?? "success" };
  if (raw.secret !== undefined) return { kind: "secret", keys: asList(raw.secret) };
  const schedule = scheduleOf(raw);
  if (schedule === undefined) return { kind: "manual" };
  return {
    kind: "cron",
    id: raw.id,
    schedule,
    timezone: raw.timezone,
    catchup: raw.catchup ?? "latest",
    catchupWindowMs: ms(raw.catchup_window) ?? 86_400_000,
    jitterMs: ms(raw.jitter) ?? 0,
    params: raw.params ?? {},
  };
}

function scheduleOf(raw: RawTrigger): { cron: string } | { everyMs: number } | { at: number } | undefined {
  if (raw.cron !== undefined) return { cron: raw.cron };
  if (raw.every !== undefined) return { everyMs: ms(raw.every) ?? 0 };
  return raw.at === undefined ? undefined : { at: parseInstant(raw.at) ?? 0 };
}

function compileWebhook(raw: RawTrigger, path: string): WebhookTrigger {
  return {
    path,
    methods: raw.methods ?? ["POST"],
    verify: compileVerify(raw.verify ?? "none"),
    respond: raw.respond ?? "wait",
    responseTimeoutMs: ms(raw.response_timeout) ?? 30_000,
    maxBodyBytes: bytes(raw.max_body) ?? 1024 ** 2,
  };
}

function compileVerify(verify: RawVerify): WebhookVerify {
  if (verify === "none") return { scheme: "none" };
  const secrets = asList(verify.secret);
  if (verify.scheme !== "hmac") return { scheme: verify.scheme, secrets };
  const { timestamp } = verify;
  return {
    scheme: "hmac",
    secrets,
    header: verify.header ?? "",
    algorithm: verify.algorithm ?? "sha256",
    encoding: verify.encoding ?? "hex",
    prefix: verify.prefix ?? "",
    timestamp: timestamp && { header: timestamp.header, toleranceMs: ms(timestamp.tolerance) ?? 5 * 60_000 },
  };
}

function merged<T extends object>(under: T | undefined, over: T | undefined): T | undefined {
  return under === undefined ? over : { ...under, ...over };
}

function asList<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return isList(value) ? value : [value];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function ms(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

function bytes(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseSize(text);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
