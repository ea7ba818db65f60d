/** Asks the providers: bare keys along the chain, everything else of exactly one. */
import { AppError } from "../base/error.ts";
import type { Secret } from "../base/secret.ts";
import { quote } from "../base/text.ts";
import type { FoundSecret, SecretProvider, SecretRef } from "./provider.ts";
import type { Reference } from "./reference.ts";

const FILE_PROVIDER_LINE =
  "for example: secrets: { providers: [{ type: local }, { type: env }, { type: file, roots: [/run/secrets] }] }";

/** What one provider may take for all its references together. */
const PROVIDER_LIMIT_MS = 10_000;

export type SecretAnswer =
  /** The value is the caller's to wipe. */
  | {
      readonly kind: "found";
      readonly value: Secret;
      readonly provider: string;
      readonly version: number | undefined;
    }
  | { readonly kind: "missing"; readonly asked: readonly string[] }
  | { readonly kind: "failed"; readonly error: AppError };

export interface ChainOptions {
  /** @default 10 s */
  readonly limitMs?: number;
}

type DirectReference = Extract<Reference, { readonly kind: "direct" }>;
type ProviderAnswers = ReadonlyMap<number, FoundSecret | AppError>;

export class ProviderChain {
  readonly #providers: readonly SecretProvider[];
  readonly #limitMs: number;

  /** `providers` in their configured order, which is the chain's. */
  constructor(providers: readonly SecretProvider[], options: ChainOptions = {}) {
    this.#providers = providers;
    this.#limitMs = options.limitMs ?? PROVIDER_LIMIT_MS;
  }

  get names(): readonly string[] {
    return this.#providers.map((provider) => provider.name);
  }

  /** What is wrong with a reference before anybody is asked: `SECRETS_REF_INVALID`, or undefined. */
  check(reference: Reference): AppError | undefined {
    if (reference.kind === "chain") return undefined;
    const problem = this.#find(reference)?.validate(reference);
    return problem === undefined ? undefined : new AppError("SECRETS_REF_INVALID", problem);
  }

  /** That nobody is there to be asked, whatever there is to find: `SECRETS_PROVIDER_UNAVAILABLE`, or undefined. */
  unanswerable(reference: Reference): AppError | undefined {
    return reference.kind === "direct" && this.#find(reference) === undefined
      ? notConfigured(reference)
      : undefined;
  }

  /**
   * One answer per reference, in their order. Rejects only with `RUN_CANCELLED`, after wiping what had come in;
   * whatever a provider does, throwing and hanging included, is an answer.
   */
  async resolve(
    references: readonly Reference[],
    options: { readonly workspace: string | undefined; readonly signal: AbortSignal },
  ): Promise<readonly SecretAnswer[]> {
    const answers = new Map<number, SecretAnswer>();
    const refs: { readonly reference: Reference; readonly ref: SecretRef }[] = references.map(
      (reference, id) => ({
        reference,
        ref: {
          id,
          key: reference.key,
          options: reference.kind === "direct" ? reference.options : {},
          workspace: options.workspace,
        },
      }),
    );
    const bare = refs.filter(({ reference }) => reference.kind === "chain").map(({ ref }) => ref);
    const direct = Map.groupBy(
      refs.filter(({ reference }) => reference.kind === "direct"),
      ({ reference }) => (reference.kind === "direct" ? this.#find(reference) : undefined),
    );

    await Promise.all([
      this.#walk(bare, options.signal, answers),
      ...[...direct].map(async ([provider, group]) => {
        if (provider === undefined) {
          for (const { reference, ref } of group)
            answers.set(ref.id, { kind: "failed", error: notConfigured(reference) });
          return;
        }
        const wanted = group.map(({ ref }) => ref);
        record(provider, wanted, await this.#ask(provider, wanted, options.signal), answers);
        for (const ref of wanted) {
          if (!answers.has(ref.id)) answers.set(ref.id, { kind: "missing", asked: [provider.name] });
        }
      }),
    ]);

    if (options.signal.aborted) {
      for (const answer of answers.values()) if (answer.kind === "found") answer.value.wipe();
      throw new AppError("RUN_CANCELLED", "the run was cancelled while its secrets were looked up");
    }
    return references.map((_, id) => answers.get(id) ?? { kind: "missing", asked: [] });
  }

  /** Bare keys: a provider is asked only for what every one before it said is not there. */
  async #walk(
    refs: readonly SecretRef[],
    signal: AbortSignal,
    answers: Map<number, SecretAnswer>,
  ): Promise<void> {
    const chained = this.#providers.filter((provider) => provider.chained);
    let open = refs;
    for (const provider of chained) {
      if (open.length === 0) return;
      record(provider, open, await this.#ask(provider, open, signal), answers);
      open = open.filter((ref) => !answers.has(ref.id));
    }
    for (const ref of open) {
      answers.set(ref.id, { kind: "missing", asked: chained.map((provider) => provider.name) });
    }
  }

  #find(reference: DirectReference): SecretProvider | undefined {
    return (
      this.#providers.find((provider) => provider.name === reference.provider) ??
      this.#providers.find((provider) => provider.scheme === reference.provider)
    );
  }

  /** Never rejects: a throw, a hang and a cancellation are the error of every reference asked. */
  async #ask(
    provider: SecretProvider,
    refs: readonly SecretRef[],
    signal: AbortSignal,
  ): Promise<ProviderAnswers> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#limitMs);
    const stop = AbortSignal.any([signal, limit.signal]);
    const stopped = Promise.withResolvers<never>();
    const onStop = (): void => stopped.reject(new Error("stopped"));
    stop.addEventListener("abort", onStop, { once: true });
    let abandoned = false;
    try {
      if (stop.aborted) throw new Error("stopped");
      const asked = callProvider(provider, refs, stop).then((answers) => {
        // Late values have no owner left who would wipe them.
        if (abandoned) wipeAll(answers);
        return answers;
      });
      return await Promise.race([asked, stopped.promise]);
    } catch (thrown) {
      abandoned = true;
      const error = stop.aborted ? gaveUp(provider, this.#limitMs) : brokenProvider(provider, thrown);
      return new Map(refs.map((ref) => [ref.id, error]));
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", onStop);
    }
  }
}

/** A provider's answer, with only the entries that were asked for and only errors that are safe to show. */
async function callProvider(
  provider: SecretProvider,
  refs: readonly SecretRef[],
  signal: AbortSignal,
): Promise<ProviderAnswers> {
  const given = await provider.resolve(refs, { signal });
  const asked = new Set(refs.map((ref) => ref.id));
  const answers = new Map<number, FoundSecret | AppError>();
  for (const [id, answer] of given) {
    if (answer instanceof Error) answers.set(id, brokenProvider(provider, answer));
    else if (asked.has(id)) answers.set(id, answer);
    else answer.value.wipe();
  }
  return answers;
}

function record(
  provider: SecretProvider,
  refs: readonly SecretRef[],
  given: ProviderAnswers,
  answers: Map<number, SecretAnswer>,
): void {
  for (const { id } of refs) {
    const answer = given.get(id);
    if (answer === undefined) continue;
    if (answer instanceof AppError) answers.set(id, { kind: "failed", error: answer });
    else if (answer.value.bytes.length > 0) {
      answers.set(id, {
        kind: "found",
        value: answer.value,
        provider: provider.name,
        version: answer.version,
      });
    }
  }
}

function wipeAll(answers: ProviderAnswers): void {
  for (const answer of answers.values()) if (!(answer instanceof AppError)) answer.value.wipe();
}

function notConfigured(reference: Reference): AppError {
  const name = reference.kind === "direct" ? reference.provider : "";
  return new AppError(
    "SECRETS_PROVIDER_UNAVAILABLE",
    `provider ${quote(name)} is not configured; it must stand under secrets.providers in writ.yaml`,
    { hints: name === "file" ? [FILE_PROVIDER_LINE] : [] },
  );
}

function gaveUp(provider: SecretProvider, limitMs: number): AppError {
  return new AppError(
    "SECRETS_PROVIDER_UNAVAILABLE",
    `provider ${quote(provider.name)} did not answer; it must answer within ${limitMs / 1000} s`,
  );
}

/** An AppError is written for people; anything else may repeat what the provider was sent or answered. */
function brokenProvider(provider: SecretProvider, thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError(
    "SECRETS_PROVIDER_UNAVAILABLE",
    `provider ${quote(provider.name)} failed; it must be able to answer`,
  );
}
