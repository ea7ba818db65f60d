/** The lines of `permissions.net`: read strictly, explained in words. */
import { orList } from "../../base/text.ts";
import { lineProblem } from "../names.ts";
import type { AddressRange } from "./address.ts";
import { isLoopback, parseAddress, parseRange, rangeContains } from "./address.ts";

/** One line. Everything it leaves open is `undefined`. */
export interface NetRule {
  readonly methods: ReadonlySet<string> | undefined;
  readonly target: NetTarget;
}

export type NetTarget =
  /** Every public host over https. */
  | { readonly kind: "any" }
  | {
      readonly kind: "host";
      readonly scheme: "https" | "http";
      /** Lower case; for a wildcard what follows `*.`. */
      readonly host: string;
      /** One or more labels before `host`, never `host` itself. */
      readonly wildcard: boolean;
      /** undefined = the scheme's default. */
      readonly port: number | undefined;
      /** Segments of the pattern after the first `/`; undefined = every path. */
      readonly path: readonly string[] | undefined;
    }
  | {
      readonly kind: "ip";
      readonly range: AddressRange;
      readonly port: number | undefined;
      readonly text: string;
    };

export type NetParse =
  | { readonly ok: true; readonly rule: NetRule }
  | { readonly ok: false; readonly message: string; readonly fix: string };

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const MAX_NET_CHARACTERS = 1024;

class Refused extends Error {
  readonly fix: string;
  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}

export function parseNetRule(line: string): NetParse {
  try {
    return { ok: true, rule: parseLine(line) };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, message: error.message, fix: error.fix };
    throw error;
  }
}

function parseLine(line: string): NetRule {
  const bad = lineProblem(line, MAX_NET_CHARACTERS);
  if (bad !== undefined) throw new Refused(bad, "write a host such as api.example.com");
  const words = line.split(" ");
  const target = words.at(-1) ?? "";
  if (words.length > 2 || words.includes("")) {
    throw new Refused("has too many words", 'write "METHOD,METHOD target" or only the target');
  }
  // As a host it would be one nobody means.
  if (METHODS.includes(target))
    throw new Refused("names a method and no target", `write "${target} https://…"`);
  const methods = words.length === 2 ? parseMethods(words[0] ?? "") : undefined;
  if (target === "*") return { methods, target: { kind: "any" } };
  if (target.startsWith("ip:")) return { methods, target: parseIp(target.slice(3)) };
  const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/.exec(target);
  if (url === null) {
    if (target.includes("/")) throw new Refused("has a path but no scheme", `write https://${target}`);
    return { methods, target: { kind: "host", scheme: "https", ...parseHost(target), path: undefined } };
  }
  const [, scheme = "", rest = ""] = url;
  if (scheme !== "https" && scheme !== "http") {
    throw new Refused(`has the scheme ${scheme}, only https and http are there`, "write https://");
  }
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? undefined : parsePath(rest.slice(slash));
  return { methods, target: { kind: "host", scheme, ...parseHost(authority), path } };
}

function parseMethods(text: string): ReadonlySet<string> {
  const methods = text.split(",");
  for (const method of methods) {
    if (METHODS.includes(method)) continue;
    const upper = method.toUpperCase();
    const fix = METHODS.includes(upper) ? `write ${upper}` : `write ${orList(METHODS)}, joined by commas`;
    throw new Refused("has an unknown method before the target", fix);
  }
  return new Set(methods);
}

function parseIp(text: string): NetTarget {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  const colons = text.split(":").length - 1;
  const [range = "", port] =
    bracketed !== null ? [bracketed[1], bracketed[2]] : colons === 1 ? text.split(":") : [text, undefined];
  const parsed = parseRange(range);
  if (parsed === undefined) {
    throw new Refused(
      "is not an address or a range whose low bits are zero",
      "write ip:10.0.0.0/8, ip:10.0.0.5:8080 or ip:[fd00::1]:8080",
    );
  }
  return { kind: "ip", range: parsed, port: parsePort(port), text };
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,4}$/.test(text) || Number(text) > 65_535) {
    throw new Refused("has a bad port", "a port is 1 to 65535");
  }
  return Number(text);
}

/** `host`, `host:port`, `*.host`, `[v6]:port`. */
function parseHost(text: string): { host: string; wildcard: boolean; port: number | undefined } {
  if (text.includes("@")) {
    throw new Refused(
      "has credentials in it",
      "remove what stands before the @; a secret is an entry of permissions.env",
    );
  }
  const parts = /^(\*\.)?(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(text);
  if (parts === null) throw new Refused("is not a host", "an IPv6 address stands in brackets: [::1]:8080");
  const [, star, name = "", port] = parts;
  const host = hostProblem(name, star !== undefined);
  if (host !== undefined) throw new Refused(host.message, host.fix);
  return { host: name.toLowerCase(), wildcard: star !== undefined, port: parsePort(port) };
}

/** What is wrong with a host name or literal address, as it stands in `net` and in `hosts`. */
function hostProblem(name: string, wildcard: boolean): { message: string; fix: string } | undefined {
  if (name === "") return { message: "has no host", fix: "write a host such as api.example.com" };
  if (name.includes("*")) {
    return { message: 'has a "*" inside the host', fix: "write *.example.com for every name below it" };
  }
  if (name.length > 253) return { message: "has a host of more than 253 characters", fix: "" };
  let canonical: string;
  try {
    // What a request would make of it: catches 0x7f.1, full-width dots, mixed scripts and the like.
    canonical = new URL(`https://${name}/`).hostname;
  } catch {
    return { message: "is not a host", fix: "write a host such as api.example.com" };
  }
  if (canonical !== name.toLowerCase()) {
    return { message: "has a host that requests would spell otherwise", fix: `write ${canonical}` };
  }
  const literal = parseAddress(canonical.replace(/^\[|\]$/g, ""));
  if (literal !== undefined) {
    return wildcard
      ? { message: "has a wildcard before an address", fix: "write ip: and a range" }
      : undefined;
  }
  const labels = canonical.split(".");
  return labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
    ? undefined
    : {
        message: "is not a host",
        fix: "labels are letters, digits and -, at most 63 each, without a dot at the end",
      };
}

function parsePath(path: string): readonly string[] {
  if (/[?#]/.test(path))
    throw new Refused("has a query or fragment, which is not judged", "end it at the path");
  if (/%2f|%5c|%2e|[;\\]/i.test(path)) {
    throw new Refused(
      'has ";", "\\" or an encoded separator or dot in its path',
      "such requests match only /** from the root",
    );
  }
  const segments = path.slice(1).split("/");
  for (const segment of segments) {
    if (segment.includes("*") && segment !== "*" && segment !== "**") {
      throw new Refused(
        'has a "*" that is part of a segment',
        "* stands for one whole segment, ** for any number",
      );
    }
  }
  const canonical = new URL(path.startsWith("//") ? `/.${path}` : path, "https://h").pathname;
  if (canonical !== path)
    throw new Refused("has a path that requests would spell otherwise", `write ${canonical}`);
  return segments;
}

/** What is wrong with an entry of `hosts`: an exact host, a literal address or `*.example.com`. */
export function hostPatternProblem(text: string): string | undefined {
  const bad = lineProblem(text, 255);
  if (bad !== undefined) return bad;
  const wildcard = text.startsWith("*.");
  return hostProblem(wildcard ? text.slice(2) : text, wildcard)?.message;
}

/**
 * Whether some request that a sealed value may ride on (https, or http to a loopback address) to every name
 * that `pattern` stands for can be granted by `rule`.
 */
export function covers(rule: NetRule, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  const { target } = rule;
  const address = parseAddress(wanted.replace(/^\[|\]$/g, ""));
  const local = wanted === "localhost" || (address !== undefined && isLoopback(address));
  switch (target.kind) {
    case "any":
      return address === undefined && !local;
    case "ip":
      return address !== undefined && rangeContains(target.range, address);
    case "host":
      if (target.scheme === "http" && !local) return false;
      if (!target.wildcard) return target.host === wanted;
      return address === undefined && wanted.endsWith(`.${target.host}`);
  }
}

/** A line in plain words; `broad` when a reader should look twice. */
export function describeNetRule({ methods, target }: NetRule): {
  readonly text: string;
  readonly broad: boolean;
} {
  const verb = methods === undefined ? "send any request to" : `send ${[...methods].join(", ")} to`;
  switch (target.kind) {
    case "any":
      return { text: `${verb} every public host over https`, broad: true };
    case "ip": {
      const port = target.port === undefined ? "" : `, port ${target.port}`;
      const width = target.range.family === 4 ? 24 : 112;
      return { text: `${verb} the addresses ${target.text}${port}`, broad: target.range.prefix < width };
    }
    case "host": {
      const host = target.wildcard ? `every name below ${target.host}` : target.host;
      const port = target.port === undefined ? "" : `, port ${target.port}`;
      const path = target.path === undefined ? "every path" : `the path /${target.path.join("/")}`;
      const plain = target.scheme === "http" ? " over plain http" : "";
      const isSuffix = target.wildcard && !target.host.includes(".");
      return { text: `${verb} ${host}${port}${plain}, ${path}`, broad: isSuffix };
    }
  }
}
