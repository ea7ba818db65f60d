/** What a scope, a key and a value may be. */
import { AppError } from "../../base/error.ts";
import { unmaskable } from "../../base/maskable.ts";
import { quote } from "../../base/text.ts";

/** The scope of secrets that belong to no workspace. */
export const GLOBAL_SCOPE = "global";

const SCOPE_MAX_CHARACTERS = 200;
const KEY_MAX_CHARACTERS = 200;
const VALUE_MAX_BYTES = 64 * 1024;
/** Throws `SECRETS_SCOPE_INVALID` unless it is `global` or the name of a workspace. */
export function checkScope(scope: string): void {
  const wellFormed = scope.length <= SCOPE_MAX_CHARACTERS && /^[a-z0-9_-]+$/.test(scope);
  if (wellFormed && scope !== "all" && scope !== "default") return;
  throw new AppError("SECRETS_SCOPE_INVALID", `${quote(scope)} is no scope of secrets`, {
    hints: [
      `a scope is "${GLOBAL_SCOPE}" or a workspace: small letters, digits, "_" and "-", but not "all" or "default"`,
    ],
  });
}

/** Throws `SECRETS_NAME_INVALID` unless it can name a secret. */
export function checkKey(key: string): void {
  const segment = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
  const wellFormed = key.length <= KEY_MAX_CHARACTERS && key.split("/").every((part) => segment.test(part));
  // As the key of an object it would be dropped on the way, and with it what was said of it.
  if (wellFormed && key !== "__proto__") return;
  throw new AppError("SECRETS_NAME_INVALID", `${quote(key)} can not name a secret`, {
    hints: [
      `a name has at most ${KEY_MAX_CHARACTERS} characters: letters, digits, "_", "." and "-", in parts joined by single "/", ` +
        `none of which begins with "." or "-", and it is not "__proto__"`,
    ],
  });
}

/** Throws `SECRETS_TOO_LARGE` or, unless that was asked for, `SECRETS_UNMASKABLE`. */
export function checkValue(key: string, value: Uint8Array, allowUnmaskable: boolean): void {
  if (value.length === 0) {
    throw new AppError(
      "SECRETS_UNMASKABLE",
      `the value for ${quote(key)} is empty; it needs at least 1 byte`,
      {
        hints: ["delete the secret instead"],
      },
    );
  }
  if (value.length > VALUE_MAX_BYTES) {
    throw new AppError(
      "SECRETS_TOO_LARGE",
      `the value for ${quote(key)} has ${value.length} bytes, at most ${VALUE_MAX_BYTES} are stored`,
    );
  }
  if (allowUnmaskable) return;
  const reason = unmaskable(value);
  if (reason === undefined) return;
  throw new AppError("SECRETS_UNMASKABLE", `the value for ${quote(key)} is ${reason} to be masked in logs`, {
    hints: ["use a longer random value, or store it all the same with `--unmaskable`"],
  });
}
