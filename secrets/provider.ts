/**
 * The contract of a secret provider.
 *
 * "Not there" and "broken" are different answers: only the first lets the chain go on. A locked vault must never
 * fall through to an environment variable.
 */
import type { Secret } from "../base/secret.ts";

/** One thing to look up. `id` only joins question and answer. */
export interface SecretRef {
  readonly id: number;
  /** What the provider understands: a bare key, the decoded path of a URI, or the long form's `key`. */
  readonly key: string;
  /** Where inside the provider, for those that have a choice (`field`, `namespace` …). */
  readonly options: Readonly<Record<string, string>>;
  /** The run's workspace; undefined = global secrets only. */
  readonly workspace: string | undefined;
}

export interface FoundSecret {
  /** Owned by the caller, who wipes it. Its memory is shared with no other value. */
  readonly value: Secret;
  /** Version where the provider has one. */
  readonly version: number | undefined;
}

export interface ResolveOptions {
  /** Aborts when the time limit passes or the run is cancelled. */
  readonly signal: AbortSignal;
}

/** What `writ.yaml` says of any provider. */
export interface ProviderSetting {
  /** @default the provider's type */
  readonly name?: string;
  /** False keeps it for references that name it. @default true, where it can answer bare keys */
  readonly chained?: boolean;
}

export interface SecretProvider {
  /** The name in `writ.yaml`, in records and in messages. */
  readonly name: string;
  /** The URI scheme this provider answers, without `://`; one that has none is reached by key or by name. */
  readonly scheme: string | undefined;
  /** Whether it can answer bare keys, and so takes part in the chain. */
  readonly chained: boolean;

  /**
   * Looks everything up at once.
   *
   * A key that is absent from the answer is not there, and neither is one whose value is empty. An entry that is
   * an `AppError` is mine but broken: `SECRETS_DISABLED`, `SECRETS_DECRYPT_FAILED`, `SECRETS_REF_INVALID`,
   * `SECRETS_ACCESS_DENIED` …  A throw means that no key could be answered (`SECRETS_PROVIDER_UNAVAILABLE`). No
   * message holds a value, nor the text of a provider's answer.
   */
  resolve(
    refs: readonly SecretRef[],
    options: ResolveOptions,
  ): Promise<ReadonlyMap<number, FoundSecret | Error>>;

  /** Offline check of one reference; returns what is wrong with it, or undefined. */
  validate(ref: Pick<SecretRef, "key" | "options">): string | undefined;
}
