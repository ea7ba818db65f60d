/** The offline check of `secret:` and `ref:`: a bare key, or a URI for exactly one provider. */
import { orList } from "../base/text.ts";
import { lineProblem, MAX_PATH_CHARACTERS, secretKeyProblem } from "./names.ts";

/** The schemes of all providers there are, configured or not. */
const SECRET_SCHEMES = ["env", "file", "vault", "k8s", "keepass", "op", "doppler", "api"] as const;

/** `undefined` for a bare key. */
export function schemeOf(reference: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(reference)?.[1];
}

/** What is wrong with the reference, without repeating it: somebody may have pasted a value. */
export function secretRefProblem(reference: string): string | undefined {
  const scheme = schemeOf(reference);
  if (scheme === undefined) return secretKeyProblem(reference);
  if (!(SECRET_SCHEMES as readonly string[]).includes(scheme)) {
    return `has an unknown scheme, known are ${orList(SECRET_SCHEMES.map((known) => `${known}://`))}`;
  }
  const rest = reference.slice(scheme.length + 3);
  if (rest === "") return "names nothing after the scheme";
  return lineProblem(rest, MAX_PATH_CHARACTERS);
}
