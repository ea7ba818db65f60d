/** Judges a task's writes to secrets by the key globs of `permissions.writ.secrets_write`. */
import { matchesGlob } from "../glob.ts";
import { secretKeyProblem } from "../names.ts";

/** `true` = every key. A key that is no valid name is never covered. */
export function mayWriteSecret(granted: true | readonly string[], key: string): boolean {
  if (secretKeyProblem(key) !== undefined) return false;
  return granted === true || granted.some((glob) => matchesGlob(glob, key));
}
