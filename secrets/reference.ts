/** From what a manifest says to whom is asked for what. Offline: no provider is touched. */
import { AppError } from "../base/error.ts";
import { didYouMean, orList, quote } from "../base/text.ts";
import type { EnvSource } from "../manifest/manifest.ts";
import { secretKeyProblem } from "../manifest/names.ts";

export type SecretSource = Extract<EnvSource, { readonly kind: "secret" | "uri" | "provider" }>;

export type Reference =
  /** A bare key, for the chain. */
  | { readonly kind: "chain"; readonly key: string }
  /** Exactly one provider, by its name or its scheme. */
  | {
      readonly kind: "direct";
      readonly provider: string;
      readonly key: string;
      readonly options: Readonly<Record<string, string>>;
    };

interface Target {
  readonly key: string;
  readonly options: Readonly<Record<string, string>>;
}

/** A scheme of the design, whether or not a provider of it is configured. */
interface Scheme {
  readonly form: string;
  /** undefined = malformed. */
  parse(rest: string): Target | undefined;
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["env", { form: "env://VARIABLE", parse: matching(/^(?<key>[A-Za-z_]\w*)$/) }],
  ["file", { form: "file:///run/secrets/name or file:///run/secrets/name?trim=newline", parse: fileTarget }],
  [
    "vault",
    {
      form: "vault://mount/path#field",
      parse: matching(/^(?<key>[^/#?]+(?:\/[^/#?]+)+)(?:#(?<field>[^#]+))?$/),
    },
  ],
  ["k8s", { form: "k8s://namespace/secret/key", parse: matching(/^(?<key>[^/#?]+\/[^/#?]+\/[^/#?]+)$/) }],
  ["keepass", { form: "keepass://alias#entry/path:field", parse: matching(/^(?<key>[^#]+#[^#]+:[^:#]+)$/) }],
  [
    "op",
    {
      form: "op://vault/item[/section]/field",
      parse: matching(/^(?<key>[^/#?]+\/[^/#?]+(?:\/[^/#?]+){1,2})$/),
    },
  ],
  [
    "doppler",
    { form: "doppler://project/config/KEY", parse: matching(/^(?<key>[^/#?]+\/[^/#?]+\/[^/#?]+)$/) },
  ],
  ["api", { form: "api://alias/path", parse: matching(/^(?<key>[^/#?]+(?:\/[^/#?]+)+)$/) }],
]);

/** Names the long form may give that are no scheme; `kubernetes` is another name of `k8s`. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["local", "local"],
  ["kubernetes", "k8s"],
]);

/** Where *inside* a provider; addresses and credentials are the operator's alone. */
const PLACE_OPTIONS = new Set(["field", "namespace", "secret_name", "name", "secret_key"]);

/**
 * Throws `SECRETS_REF_INVALID`, which nothing softens. The message never repeats the reference: what stands there by
 * mistake is often the value itself.
 *
 * `configured` are names of providers beside the built-in ones.
 */
export function parseReference(source: SecretSource, configured: readonly string[] = []): Reference {
  switch (source.kind) {
    case "secret": {
      const problem = secretKeyProblem(source.key);
      if (problem !== undefined) throw invalid(`the key ${problem}`);
      return { kind: "chain", key: source.key };
    }
    case "uri":
      return parseUri(source.uri);
    case "provider":
      return parseLongForm(source, configured);
  }
}

function parseUri(uri: string): Reference {
  const [, name, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.+)$/.exec(uri) ?? [];
  if (name === undefined || rest === undefined) throw invalid("it is not scheme://place");
  const scheme = SCHEMES.get(name);
  if (scheme === undefined) throw unknown("scheme", name, SCHEMES.keys());
  // oxlint-disable-next-line no-control-regex -- a control character is never part of a reference
  const target = /[\u0000-\u001f\u007f]/.test(rest) ? undefined : scheme.parse(rest);
  if (target === undefined) throw invalid(`it does not have the form ${scheme.form}`);
  return { kind: "direct", provider: name, ...target };
}

function parseLongForm(
  source: Extract<SecretSource, { readonly kind: "provider" }>,
  configured: readonly string[],
): Reference {
  const provider = ALIASES.get(source.provider) ?? source.provider;
  if (!SCHEMES.has(provider) && !ALIASES.has(provider) && !configured.includes(provider)) {
    throw unknown("provider", source.provider, [...SCHEMES.keys(), ...ALIASES.keys(), ...configured]);
  }
  const foreign = Object.keys(source.options).find((option) => !PLACE_OPTIONS.has(option));
  if (foreign !== undefined) {
    throw invalid(`option ${quote(foreign)} does not say where inside a provider`, [
      "addresses, credentials and certificates of a provider stand in writ.yaml alone",
    ]);
  }
  if (source.key === "") throw invalid("the key is empty");
  return { kind: "direct", provider, key: source.key, options: source.options };
}

/** A parser whose named groups are the key and the options. */
function matching(pattern: RegExp): Scheme["parse"] {
  return (rest) => {
    const groups = pattern.exec(rest)?.groups;
    const key = groups?.["key"];
    if (groups === undefined || key === undefined) return undefined;
    const field = groups["field"];
    return { key, options: field === undefined ? {} : { field } };
  };
}

function fileTarget(rest: string): Target | undefined {
  const [, encoded, trim] = /^(\/[^?#]+)(\?trim=newline)?$/.exec(rest) ?? [];
  // An encoded slash or NUL would mean another file than the one a reader sees.
  if (encoded === undefined || /%(?:00|2f)/i.test(encoded)) return undefined;
  try {
    const key = decodeURIComponent(encoded);
    return { key, options: trim === undefined ? {} : { trim: "newline" } };
  } catch {
    return undefined;
  }
}

function unknown(what: string, name: string, known: Iterable<string>): AppError {
  const names = [...known];
  const near = didYouMean(name, names);
  return invalid(`${quote(name, 20)} is no ${what} of writ`, [
    near === undefined ? `use ${orList([...new Set(names)])}` : `did you mean ${near}?`,
  ]);
}

function invalid(problem: string, hints: readonly string[] = []): AppError {
  return new AppError("SECRETS_REF_INVALID", problem, { hints });
}
