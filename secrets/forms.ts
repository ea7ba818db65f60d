/**
 * The spellings in which a value can turn up in output.
 *
 * A form that merely respells the value keeps the value's own rule on length: it is no likelier to occur by chance.
 * A part of the value, or an encoding of it, needs `MIN_DERIVED_BYTES`.
 */
import { isUtf8 } from "node:buffer";
import { isCommonWord, trimmed, unmaskable } from "../base/maskable.ts";

/** Shorter ones count only as a whole word. */
const MIN_SUBSTRING_BYTES = 6;
const MIN_DERIVED_BYTES = 8;
/** Longer values get the two usual percent-encodings only; each further one costs up to three times the value. */
const MAX_ALL_PERCENT_BYTES = 4096;

export interface Form {
  readonly bytes: Uint8Array;
  readonly bounded: boolean;
}

/** Every form of a value; none for one that is `unmaskable`. The bytes are the caller's to wipe. */
export function formsOf(value: Uint8Array): readonly Form[] {
  if (unmaskable(value) !== undefined) return [];
  const raw = Buffer.from(value);
  const bare = trimmed(raw);
  const bases = distinct([bare, ...lineEndings(bare)]);
  const respelled = distinct([raw, ...bases, ...bases.flatMap((base) => [...spellings(base)])]);
  const derived = [...bases.flatMap((base) => encodings(base)), ...parts(bare)];
  return [
    ...respelled.map((bytes) => ({ bytes, bounded: bytes.length < MIN_SUBSTRING_BYTES })),
    ...distinct(derived)
      .filter((bytes) => bytes.length >= MIN_DERIVED_BYTES)
      .map((bytes) => ({ bytes, bounded: false })),
  ];
}

/** Sorted by length first, so that equal forms are found without comparing all with all. */
function distinct(all: readonly Buffer[]): readonly Buffer[] {
  const byLength = Map.groupBy(all, (bytes) => bytes.length);
  return [...byLength.values()].flatMap((same) => {
    const sorted = same.toSorted((a, b) => a.compare(b));
    return sorted.filter((bytes, index) => index === 0 || !bytes.equals(sorted[index - 1] ?? bytes));
  });
}

/** The value as a Unix and as a Windows file would hold it. */
function lineEndings(bytes: Buffer): readonly Buffer[] {
  if (!bytes.includes(0x0a)) return [];
  const unix = respell(bytes, (byte, next) => (byte === 0x0d && next === 0x0a ? "" : undefined));
  return [unix, respell(unix, (byte) => (byte === 0x0a ? "\r\n" : undefined))];
}

/** What stands for a byte, or undefined for the byte itself. */
type Spelling = (byte: number, next: number | undefined) => string | undefined;

/** The longest stand-ins are such as `\u003c` and `&apos;`. */
const MAX_EXPANSION = 6;

function respell(bytes: Buffer, spelling: Spelling): Buffer {
  const scratch = Buffer.alloc(bytes.length * MAX_EXPANSION);
  let length = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    const other = spelling(byte, bytes[index + 1]);
    if (other === undefined) scratch[length++] = byte;
    else length += scratch.write(other, length, "latin1");
  }
  const respelled = Buffer.from(scratch.subarray(0, length));
  scratch.fill(0);
  return respelled;
}

function* spellings(bytes: Buffer): Generator<Buffer> {
  if (isUtf8(bytes)) {
    for (const spelling of TEXT_SPELLINGS) yield respell(bytes, spelling);
    if (bytes.some((byte) => byte >= 0x80)) yield* asciiJson(bytes);
  }
  const sets = bytes.length <= MAX_ALL_PERCENT_BYTES ? PERCENT_SETS : PERCENT_SETS.slice(0, 2);
  for (const [safe, space] of sets) {
    for (const upper of [true, false]) {
      yield respell(bytes, (byte) => {
        if (byte === 0x20) return space;
        if (byte < 0x80 && safe.has(byte)) return undefined;
        const hex = byte.toString(16).padStart(2, "0");
        return `%${upper ? hex.toUpperCase() : hex}`;
      });
    }
  }
}

/** A lookup by character, over an optional rule for everything else. */
function table(named: Readonly<Record<string, string>>, rest: Spelling = () => undefined): Spelling {
  const byByte = new Map(Object.entries(named).map(([char, text]) => [char.charCodeAt(0), text]));
  return (byte, next) => byByte.get(byte) ?? rest(byte, next);
}

const C_ESCAPES = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\\": "\\\\" };
const json = table({ ...C_ESCAPES, '"': '\\"' }, (byte) =>
  byte < 0x20 ? `\\u${byte.toString(16).padStart(4, "0")}` : undefined,
);
/** `util.inspect`, which quotes with the first of ' " ` that does not occur, and else escapes '. */
const inspected = table(C_ESCAPES, (byte) =>
  byte < 0x20 || byte === 0x7f ? `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}` : undefined,
);
const XML = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const TEXT_SPELLINGS: readonly Spelling[] = [
  json,
  table({ "/": "\\/" }, json),
  table({ "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" }, json),
  table({ "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "=": "\\u003d", "'": "\\u0027" }, json),
  inspected,
  table({ "'": "\\'" }, inspected),
  table(XML),
  table({ ...XML, '"': "&quot;" }),
  ...["&#39;", "&apos;", "&#x27;", "&#039;"].map((apostrophe) =>
    table({ ...XML, '"': "&quot;", "'": apostrophe }),
  ),
  table({ ...XML, '"': "&#34;", "'": "&#39;" }),
  table({ "'": "'\\''" }),
  table({ "'": "'\"'\"'" }),
];

/** The characters a percent-encoding leaves alone, and what it makes of a space; the two usual ones first. */
const PERCENT_SETS: readonly (readonly [ReadonlySet<number>, string])[] = [
  percentSet("-_.!~*'()"), // encodeURIComponent
  percentSet("*-._", "+"), // URLSearchParams, forms
  percentSet("-_.~"), // RFC 3986, most other languages
  percentSet("-_.!~*'();/?:@&=+$,#"), // encodeURI
  percentSet("!$&()*+,-./:;=@[\\]^_`{|}~%?"), // a URL's query
  percentSet("!$&'()*+,-./:;=@[\\]_|~%"), // a URL's path
  percentSet("!$&'()*+,-._~%"), // a URL's user and password
];

function percentSet(punctuation: string, space = "%20"): readonly [ReadonlySet<number>, string] {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return [new Set(Buffer.from(letters + punctuation, "latin1")), space];
}

/** JSON as Python and PHP write it: nothing outside ASCII. */
function* asciiJson(bytes: Buffer): Generator<Buffer> {
  const escaped = respell(bytes, json).toString("utf8");
  for (const upper of [true, false]) {
    yield Buffer.from(
      escaped.replaceAll(/[\u0080-\uffff]/g, (unit) => {
        const hex = unit.charCodeAt(0).toString(16).padStart(4, "0");
        return `\\u${upper ? hex.toUpperCase() : hex}`;
      }),
      "latin1",
    );
  }
}

/** Hexadecimal, and base64 in each of the three places a value can begin within a longer text. */
function encodings(bytes: Buffer): readonly Buffer[] {
  const hex = Buffer.from(bytes.toString("hex"), "latin1");
  const found = [hex, Buffer.from(hex.toString("latin1").toUpperCase(), "latin1")];
  for (const lead of [0, 1, 2]) {
    const framed = Buffer.concat([Buffer.alloc(lead), bytes, Buffer.alloc(2)]);
    // Only characters all of whose six bits come from the value.
    const from = Math.ceil((lead * 8) / 6);
    const to = Math.floor(((lead + bytes.length) * 8) / 6);
    for (const alphabet of ["base64", "base64url"] as const) {
      found.push(Buffer.from(framed.toString(alphabet).slice(from, to), "latin1"));
    }
    framed.fill(0);
  }
  return found;
}

const ARMOUR = /^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/;

/** What of a value is worth hiding by itself. */
function parts(bytes: Buffer): readonly Buffer[] {
  if (!isUtf8(bytes)) return [];
  const text = bytes.toString("utf8");
  const leaves = jsonLeaves(text);
  return [text, ...leaves]
    .flatMap((whole) => [...(whole === text ? [] : [whole.trim()]), ...linesOf(whole), ...armoured(whole)])
    .concat(passwordsIn(text))
    .filter((part) => !isCommonWord(part) && !ARMOUR.test(part))
    .map((part) => Buffer.from(part, "utf8"));
}

function linesOf(text: string): readonly string[] {
  return text.includes("\n") ? text.split("\n").map((line) => line.trim()) : [];
}

/** The body of a PEM block without its line breaks. */
function armoured(text: string): readonly string[] {
  return [...text.matchAll(/-----BEGIN [A-Z0-9 ]+-----([^-]+)-----END/g)].map(([, body]) =>
    (body ?? "").replaceAll(/\s/g, ""),
  );
}

function jsonLeaves(text: string): readonly string[] {
  if (!/^[[{]/.test(text)) return [];
  const leaves: string[] = [];
  try {
    const open: unknown[] = [JSON.parse(text)];
    while (open.length > 0) {
      const value = open.pop();
      if (typeof value === "string") leaves.push(value);
      else if (typeof value === "object" && value !== null) open.push(...Object.values(value));
    }
  } catch {
    return [];
  }
  return leaves;
}

/** Of `user:password` and `scheme://user:password@host`, as written and decoded. */
function passwordsIn(text: string): readonly string[] {
  const found =
    /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/]+)@[^\s@]+$/i.exec(text)?.[1] ??
    /^[\w.@+-]{1,128}:(?!\/\/)(\S+)$/.exec(text)?.[1];
  if (found === undefined) return [];
  try {
    return [found, decodeURIComponent(found)];
  } catch {
    return [found];
  }
}
