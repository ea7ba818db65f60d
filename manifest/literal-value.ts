/** Recognises a literal `value:` that was probably meant as something else. A guess, so only ever a warning. */

const CREDENTIALS = [
  /^gh[pousr]_[A-Za-z0-9]{20,}$/,
  /^github_pat_[A-Za-z0-9_]{20,}$/,
  /^glpat-[A-Za-z0-9_-]{16,}$/,
  /^xox[abeprs]-[A-Za-z0-9-]{10,}$/,
  /^[rs]k_(live|test)_[A-Za-z0-9]{10,}$/,
  /^sk-[A-Za-z0-9_-]{20,}$/,
  /^(AKIA|ASIA)[A-Z0-9]{16}$/,
  /^AIza[A-Za-z0-9_-]{30,}$/,
  /^npm_[A-Za-z0-9]{30,}$/,
  /^hvs\.[A-Za-z0-9_-]{20,}$/,
  /^whsec_[A-Za-z0-9+/=]{16,}$/,
  /^eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\./,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]+:[^/\s@]+@/,
];

const CREDENTIAL_NAME = /(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY)$/i;
const DENSE = /^(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_=.-]{16,}$/;

/** `reference`: it looks like `${…}` or `secret:…`, which mean nothing here. */
export function literalLooksLike(name: string, value: string): "reference" | "credential" | undefined {
  if (value.includes("${") || value.startsWith("secret:")) return "reference";
  if (CREDENTIALS.some((shape) => shape.test(value))) return "credential";
  return CREDENTIAL_NAME.test(name) && DENSE.test(value) ? "credential" : undefined;
}
