/** The vault as a provider: the run's workspace first, then global. */
import { AppError } from "../../base/error.ts";
import { secretKeyProblem } from "../../manifest/names.ts";
import { GLOBAL_SCOPE } from "../../store/vault/limits.ts";
import type { FoundSecret, ProviderSetting, SecretProvider, SecretRef } from "../provider.ts";

/** What this provider needs of the vault. */
export interface VaultReader {
  /**
   * The current version of each record, in the order asked; all from one state of the vault.
   *
   * undefined = there is no such record; an `AppError` in its place = it is there and can not be had
   * (`SECRETS_DISABLED`, `SECRETS_DECRYPT_FAILED` …). A throw concerns the vault as a whole
   * (`SECRETS_KEY_MISSING`, `SECRETS_STORE_CORRUPT` …).
   */
  getMany(lookups: readonly VaultLookup[]): Promise<readonly (FoundSecret | AppError | undefined)[]>;
}

export interface VaultLookup {
  /** `global`, or a workspace. */
  readonly scope: string;
  readonly key: string;
}

export class LocalProvider implements SecretProvider {
  readonly name: string;
  readonly scheme = undefined;
  readonly chained: boolean;
  readonly #vault: VaultReader;

  constructor(vault: VaultReader, { name = "local", chained = true }: ProviderSetting = {}) {
    this.#vault = vault;
    this.name = name;
    this.chained = chained;
  }

  async resolve(refs: readonly SecretRef[]): Promise<ReadonlyMap<number, FoundSecret | Error>> {
    const answers = new Map<number, FoundSecret | AppError>();
    try {
      await this.#ask(
        refs.filter((ref) => ref.workspace !== undefined),
        answers,
      );
      // A record of the workspace that is disabled or broken is an answer too: it never uncovers the global one.
      await this.#ask(
        refs.filter((ref) => !answers.has(ref.id)).map((ref) => ({ ...ref, workspace: undefined })),
        answers,
      );
    } catch (error) {
      for (const answer of answers.values()) if (!(answer instanceof AppError)) answer.value.wipe();
      throw error;
    }
    return answers;
  }

  async #ask(refs: readonly SecretRef[], answers: Map<number, FoundSecret | AppError>): Promise<void> {
    if (refs.length === 0) return;
    const found = await this.#vault.getMany(
      refs.map((ref) => ({ scope: ref.workspace ?? GLOBAL_SCOPE, key: ref.key })),
    );
    for (const [index, ref] of refs.entries()) {
      const answer = found[index];
      if (answer !== undefined) answers.set(ref.id, answer);
    }
  }

  validate(ref: Pick<SecretRef, "key" | "options">): string | undefined {
    if (Object.keys(ref.options).length > 0) return "the local vault takes no options";
    const problem = secretKeyProblem(ref.key);
    return problem === undefined ? undefined : `the key ${problem}`;
  }
}
