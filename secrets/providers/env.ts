/** Variables as secrets: dotenv files first, then the daemon's environment. Made anew for each run. */
import { AppError } from "../../base/error.ts";
import { Secret } from "../../base/secret.ts";
import { quote } from "../../base/text.ts";
import { isVariableName } from "../host-environment.ts";
import type { HostEnvironment } from "../host-environment.ts";
import type { FoundSecret, ProviderSetting, SecretProvider, SecretRef } from "../provider.ts";

export class EnvProvider implements SecretProvider {
  readonly name: string;
  readonly scheme = "env";
  readonly chained: boolean;
  readonly #host: HostEnvironment;

  constructor(host: HostEnvironment, { name = "env", chained = true }: ProviderSetting = {}) {
    this.#host = host;
    this.name = name;
    this.chained = chained;
  }

  resolve(refs: readonly SecretRef[]): Promise<ReadonlyMap<number, FoundSecret | Error>> {
    const answers = new Map<number, FoundSecret | Error>();
    for (const ref of refs) {
      // A bare key such as `oauth/access` is no variable: not there, rather than wrong.
      if (!isVariableName(ref.key)) continue;
      const answer = this.#host.lookup(ref.key);
      if (answer.kind === "hidden") answers.set(ref.id, hiddenVariable(ref.key));
      if (answer.kind !== "found" || answer.value === "") continue;
      answers.set(ref.id, { value: secretFromText(ref.key, answer.value), version: undefined });
    }
    return Promise.resolve(answers);
  }

  validate(ref: Pick<SecretRef, "key" | "options">): string | undefined {
    if (Object.keys(ref.options).length > 0) return "a variable takes no options";
    return isVariableName(ref.key) ? undefined : "it must be the name of a variable, as in env://API_KEY";
  }
}

/** The same words at every door a hidden variable is asked for. */
export function hiddenVariable(name: string): AppError {
  return new AppError("SECRETS_ACCESS_DENIED", `variable ${quote(name)} is hidden from tasks`, {
    hints: ["writ keeps its own settings and credentials from every task; use a variable of another name"],
  });
}

/** Text as a Secret in memory of its own, which `wipe()` clears. */
export function secretFromText(name: string, text: string): Secret {
  const bytes = Buffer.alloc(Buffer.byteLength(text));
  bytes.write(text);
  return new Secret(name, bytes);
}
