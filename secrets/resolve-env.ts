/** The whole environment of one run, from the manifest's entries: all of it, or a list of everything that failed. */
import { AppError, toAppError } from "../base/error.ts";
import type { ErrorCode } from "../base/error.ts";
import { Secret } from "../base/secret.ts";
import { quote } from "../base/text.ts";
import type { At, EnvEntry, EnvSource } from "../manifest/manifest.ts";
import type { ProviderChain, SecretAnswer } from "./chain.ts";
import { isDebugTrace, unsafeDebugging } from "./debug-trace.ts";
import { loadDotenv } from "./dotenv.ts";
import type { HiddenNames } from "./hidden.ts";
import { HostEnvironment, isVariableName } from "./host-environment.ts";
import { hiddenVariable, secretFromText } from "./providers/env.ts";
import { parseReference } from "./reference.ts";
import type { Reference } from "./reference.ts";

export interface ResolveEnvOptions {
  readonly entries: readonly EnvEntry[];
  readonly taskDir: string;
  /** The manifest's list, relative to the task's folder. */
  readonly dotenv: readonly string[];
  /** undefined = global secrets only. */
  readonly workspace: string | undefined;
  /** Made per run, because what the `env` provider sees differs with the dotenv files. */
  readonly chain: (host: HostEnvironment) => ProviderChain;
  /** The daemon's variables. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly hidden: HiddenNames;
  /** Values of declared entries for this run alone (`-e NAME=value`). */
  readonly overrides: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

export interface ResolvedVariable {
  readonly name: string;
  /** A Secret is the caller's to wipe. */
  readonly value: string | Secret;
  /** Whether the guest meets it only by name: secrets and `sensitive` variables. */
  readonly hidden: boolean;
  readonly source: EnvSource["kind"];
  /** Who answered: a provider, `dotenv`, `daemon` or `override`; undefined for literals and empty stand-ins. */
  readonly provider: string | undefined;
  readonly version: number | undefined;
}

export interface ResolveFailure {
  readonly code: ErrorCode;
  /** The entry; of a dotenv file or an override, its name. */
  readonly name: string;
  readonly message: string;
  readonly hints: readonly string[];
  readonly at: At | undefined;
}

export type Resolution =
  | { readonly ok: true; readonly variables: readonly ResolvedVariable[] }
  /** In the manifest's order; never empty. Nothing was kept. */
  | { readonly ok: false; readonly failures: readonly ResolveFailure[] };

/** What became of one entry; neither a variable nor a failure = the run does not have it. */
interface Settled {
  readonly entry: EnvEntry;
  readonly variable?: ResolvedVariable;
  readonly failure?: ResolveFailure;
}

/**
 * Rejects only with `RUN_CANCELLED`; everything a person can mend is a failure in the answer. When there is one,
 * every value that had been found is wiped before this returns.
 */
export async function resolveEnv(options: ResolveEnvOptions): Promise<Resolution> {
  const { settled, failures } = await settle(options);
  const variables = settled.flatMap((entry) => entry.variable ?? []);
  if (failures.length === 0) return { ok: true, variables };
  wipe(variables);
  return { ok: false, failures };
}

/**
 * What blocks every run of these entries, whatever providers and variables hold: references that are wrong, hidden
 * names, providers that are not configured. Nothing is looked up.
 */
export function checkEnv(
  options: Pick<ResolveEnvOptions, "entries" | "hidden" | "chain">,
): readonly ResolveFailure[] {
  const host = new HostEnvironment({ dotenv: new Map(), variables: {}, hidden: options.hidden });
  const chain = options.chain(host);
  return options.entries.flatMap((entry) => {
    // What does not act yet is said elsewhere, and what is only missing here may be there at run time.
    if (entry.deliver !== "env") return [];
    const planned = plan(entry, new Map(), host, chain);
    const unanswerable = "ask" in planned ? chain.unanswerable(planned.ask) : undefined;
    const { failure } =
      unanswerable === undefined ? { failure: undefined, ...planned } : failed(entry, unanswerable);
    return failure === undefined || failure.code === "SECRETS_REQUIRED_MISSING" ? [] : [failure];
  });
}

/** One line of `run --dry`: where a value would come from, never the value. */
export interface DescribedEntry {
  readonly name: string;
  readonly source: EnvSource["kind"];
  /** `absent`: the run would not have the variable. `empty`: a stand-in for a missing value. */
  readonly state: "found" | "empty" | "absent" | "failed";
  readonly provider: string | undefined;
  readonly version: number | undefined;
}

/** Resolves like a run would, reports, and wipes; failures do not hide what was found. */
export async function describeEnv(
  options: ResolveEnvOptions,
): Promise<{ readonly entries: readonly DescribedEntry[]; readonly failures: readonly ResolveFailure[] }> {
  const { settled, failures } = await settle(options);
  const entries = settled.map(({ entry, variable, failure }): DescribedEntry => {
    const stoodIn = variable?.provider === undefined && entry.source.kind !== "value";
    const found = stoodIn ? "empty" : "found";
    return {
      name: entry.name,
      source: entry.source.kind,
      state: failure === undefined ? (variable === undefined ? "absent" : found) : "failed",
      provider: variable?.provider,
      version: variable?.version,
    };
  });
  wipe(settled.flatMap((entry) => entry.variable ?? []));
  return { entries, failures };
}

function wipe(variables: readonly ResolvedVariable[]): void {
  for (const { value } of variables) if (value instanceof Secret) value.wipe();
}

async function settle(
  options: ResolveEnvOptions,
): Promise<{ readonly settled: readonly Settled[]; readonly failures: readonly ResolveFailure[] }> {
  const failures: ResolveFailure[] = [];
  const dotenv = await readDotenv(options, failures);
  const host = new HostEnvironment({ dotenv, variables: options.hostEnv, hidden: options.hidden });
  const chain = options.chain(host);
  failures.push(...strayOverrides(options));

  const planned = options.entries.map((entry) => plan(entry, options.overrides, host, chain));
  const questions = planned.flatMap((step) => ("ask" in step ? [step] : []));
  const answers = await chain
    .resolve(
      questions.map((question) => question.ask),
      { workspace: options.workspace, signal: options.signal },
    )
    .catch((cancelled: unknown) => {
      wipe(planned.flatMap((step) => ("variable" in step ? (step.variable ?? []) : [])));
      throw cancelled;
    });
  const answered = new Map(questions.map((question, index) => [question.entry, answers[index]]));
  const settled = planned.map((step) =>
    "ask" in step ? concludeSecret(step.entry, step.ask, answered.get(step.entry), options) : step,
  );

  failures.push(...settled.flatMap((step) => step.failure ?? []));
  const trace = debugTrace(settled, options);
  if (trace !== undefined) failures.push(trace);
  return { settled, failures };
}

async function readDotenv(
  options: ResolveEnvOptions,
  failures: ResolveFailure[],
): Promise<ReadonlyMap<string, string>> {
  try {
    return await loadDotenv(options.taskDir, options.dotenv);
  } catch (thrown) {
    const { code, message, hints } = toAppError(thrown);
    failures.push({ code, name: "dotenv", message, hints, at: undefined });
    return new Map();
  }
}

function strayOverrides(options: ResolveEnvOptions): readonly ResolveFailure[] {
  const declared = new Set(options.entries.map((entry) => entry.name));
  return [...options.overrides.keys()]
    .filter((name) => !declared.has(name))
    .map((name) => ({
      code: "USAGE",
      name,
      message: `override ${quote(name)} names no entry of permissions.env; it must name a declared one`,
      hints: [],
      at: undefined,
    }));
}

type Planned = Settled | { readonly entry: EnvEntry; readonly ask: Reference };

/** Everything that can be said without asking a provider. */
function plan(
  entry: EnvEntry,
  overrides: ReadonlyMap<string, string>,
  host: HostEnvironment,
  chain: ProviderChain,
): Planned {
  if (entry.deliver !== "env") {
    return failed(
      entry,
      new AppError("NOT_YET", `"deliver: ${entry.deliver}" is not available yet; use "deliver: env"`),
    );
  }
  const { source } = entry;
  const override = overrides.get(entry.name);
  switch (source.kind) {
    case "value":
      return found(entry, override ?? source.value, override === undefined ? undefined : "override");
    case "host":
      return override === undefined ? readHost(entry, source, host) : found(entry, override, "override");
    case "secret":
    case "uri":
    case "provider":
      try {
        const ask = parseReference(source, chain.names);
        const problem = chain.check(ask);
        if (problem !== undefined) return failed(entry, problem);
        return override === undefined ? { entry, ask } : found(entry, override, "override");
      } catch (thrown) {
        return failed(entry, toAppError(thrown));
      }
  }
}

function readHost(
  entry: EnvEntry,
  source: Extract<EnvSource, { readonly kind: "host" }>,
  host: HostEnvironment,
): Settled {
  const answer = host.lookup(source.variable);
  switch (answer.kind) {
    case "found":
      return found(entry, answer.value, answer.from);
    case "hidden":
      return failed(entry, hiddenVariable(source.variable));
    case "missing":
      if (source.bare) return { entry };
      return missing(
        entry,
        new AppError(
          "SECRETS_REQUIRED_MISSING",
          `variable ${quote(source.variable)} is not set; it must be set for the daemon or in a dotenv file of the task`,
        ),
      );
  }
}

function concludeSecret(
  entry: EnvEntry,
  reference: Reference,
  answer: SecretAnswer | undefined,
  options: ResolveEnvOptions,
): Settled {
  if (answer === undefined || answer.kind === "missing") {
    return missing(entry, nobodyHasIt(reference, answer?.asked ?? [], options.workspace));
  }
  if (answer.kind === "failed") {
    // Only an outage: a record that is disabled, broken or forbidden never counts as absent.
    const softened =
      answer.error.code === "SECRETS_PROVIDER_UNAVAILABLE" && entry.onUnavailable === "as_missing";
    return softened ? missing(entry, answer.error) : failed(entry, answer.error);
  }
  // The same bytes under the entry's name, which is the one that shows when they are redacted.
  return deliver(entry, new Secret(entry.name, answer.value.bytes), answer.provider, answer.version);
}

function isHidden(entry: EnvEntry): boolean {
  return entry.source.kind === "host" ? entry.source.sensitive : entry.source.kind !== "value";
}

function found(entry: EnvEntry, text: string, provider: string | undefined): Settled {
  const value = isHidden(entry) && text !== "" ? secretFromText(entry.name, text) : text;
  return deliver(entry, value, provider, undefined);
}

function deliver(
  entry: EnvEntry,
  value: string | Secret,
  provider: string | undefined,
  version: number | undefined,
): Settled {
  if (value instanceof Secret && !value.isText) {
    value.wipe();
    return failed(
      entry,
      new AppError("SECRETS_NOT_TEXT", "the value is not UTF-8 text without NUL; a variable must be", {
        hints: ["store it as base64 and decode it in the task"],
      }),
    );
  }
  const { name, source } = entry;
  return {
    entry,
    variable: { name, value, hidden: isHidden(entry), source: source.kind, provider, version },
  };
}

function missing(entry: EnvEntry, error: AppError): Settled {
  switch (entry.onMissing) {
    case "block":
      return failed(entry, error);
    case "empty":
      return found(entry, "", undefined);
    case "omit":
      return { entry };
  }
}

function failed(entry: EnvEntry, error: AppError): Settled {
  const { code, message, hints } = error;
  return { entry, failure: { code, name: entry.name, message, hints, at: entry.at } };
}

/** How a URI reads is the provider's map, so only its scheme is named; a bare key is the author's own word. */
function nobodyHasIt(
  reference: Reference,
  asked: readonly string[],
  workspace: string | undefined,
): AppError {
  if (reference.kind === "direct") {
    return new AppError(
      "SECRETS_REF_NOT_FOUND",
      `provider ${quote(reference.provider)} answered that there is no such secret; it must have one`,
    );
  }
  const { key } = reference;
  const hints = [`writ secrets set ${key}${workspace === undefined ? "" : ` --workspace ${workspace}`}`];
  if (workspace !== undefined && key.startsWith(`${workspace}/`)) {
    hints.unshift(
      `the task is in workspace ${quote(workspace)} already; write ${quote(key.slice(workspace.length + 1))}`,
    );
  }
  if (isVariableName(key) && asked.includes("env")) hints.push(`or set the variable ${key} for the daemon`);
  const present = asked.length === 0 ? "no provider answers bare keys" : `looked in ${asked.join(", ")}`;
  return new AppError(
    "SECRETS_REQUIRED_MISSING",
    `secret ${quote(key)} is not there (${present}); it must be stored`,
    {
      hints,
    },
  );
}

/** One failure for the run: a trace would print the variables next to what uses them. */
function debugTrace(settled: readonly Settled[], options: ResolveEnvOptions): ResolveFailure | undefined {
  const secret = settled.find(({ entry }) => entry.deliver === "env" && isHidden(entry));
  if (secret === undefined) return undefined;
  const given = settled.find(
    ({ variable }) => variable !== undefined && isDebugTrace(variable.name, textOf(variable)),
  );
  const reason =
    given === undefined
      ? unsafeDebugging(options.hostEnv)
      : `entry ${quote(given.entry.name)} is true for this run`;
  if (reason === undefined) return undefined;
  return {
    code: "SECRETS_UNSAFE_DEBUG_TRACE",
    name: (given ?? secret).entry.name,
    message: `${reason} while secret ${quote(secret.entry.name)} is delivered as a variable; only one of the two may be`,
    hints: ["turn debugging off for this run"],
    at: (given ?? secret).entry.at,
  };
}

function textOf(variable: ResolvedVariable): string {
  return variable.value instanceof Secret ? variable.value.text() : variable.value;
}
