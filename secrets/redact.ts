/**
 * Replaces the run's secrets in whatever leaves it. One engine for every sink.
 *
 * A safety net and no boundary: a task that holds a value can disguise it.
 */
import { AppError } from "../base/error.ts";
import { sha256 } from "../base/hash.ts";
import { isJsonArray } from "../base/json.ts";
import type { Json } from "../base/json.ts";
import { addMatch, Automaton, NO_BYTE } from "./automaton.ts";
import type { Match, Pattern } from "./automaton.ts";
import { unmaskable } from "../base/maskable.ts";
import { formsOf } from "./forms.ts";

/** Of all forms together: what a run's values may cost the daemon is 18 times as much. */
const MAX_PATTERN_BYTES = 8 * 1024 * 1024;
/** What a long value grows by at the least: itself, hexadecimal in both cases, base64 in three phases. */
const LEAST_GROWTH = 6;
const MAX_JSON_DEPTH = 1000;
const MAX_NAME_LENGTH = 200;
/** What everything in writ that shortens a text puts in place of the rest. */
const CUT_MARK = "…";
/** Less of a value's beginning may stand before a cut. */
const MIN_BEGINNING_BYTES = 8;
/** Stands for the beginning of some value: of which one, nobody can tell. */
const BEGINNING_TOKEN = "[REDACTED:PARTIAL]";

export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Values that came together; `weight` is how many. */
interface Group {
  readonly weight: number;
  readonly patterns: readonly Pattern[];
  readonly automaton: Automaton;
}

/** The secrets of one run. Keeps copies in many forms until it is disposed of. */
export class Redactor implements Disposable {
  /** Oldest and heaviest first: a late value is merged with its equals, so that n of them cost n log n. */
  readonly #groups: Group[] = [];
  /** SHA-256 of each value. That a value is part of another one, or an encoding of it, says nothing of its forms. */
  readonly #known = new Set<string>();
  readonly #unmaskable = new Set<string>();
  #patternBytes = 0;
  #generation = 0;

  /** Throws `SECRETS_TOO_LARGE` when the values are more than one run may have. */
  constructor(secrets: Iterable<NamedBytes> = []) {
    const all = [...secrets];
    const patterns = all.flatMap((secret) => this.#patternsOf(secret));
    if (patterns.length > 0) this.#push({ weight: all.length, patterns, automaton: new Automaton(patterns) });
  }

  /** Names of the values that are too short or too common to replace; they pass unchanged. */
  get unmaskable(): readonly string[] {
    return [...this.#unmaskable];
  }

  /**
   * Adds a value that became known during the run; streams look for it from their next byte on, and in what they hold
   * back. A value that is there already keeps its name. Throws `SECRETS_TOO_LARGE`, and then does not know the value.
   */
  add(name: string, bytes: Uint8Array): void {
    if (this.#known.has(digest(bytes))) return;
    const fresh = this.#patternsOf({ name, bytes });
    if (fresh.length === 0) return;
    const joined = [fresh];
    let weight = 1;
    for (;;) {
      const last = this.#groups.at(-1);
      if (last === undefined || last.weight > weight) break;
      this.#groups.pop();
      last.automaton.wipe();
      joined.push(last.patterns);
      weight += last.weight;
    }
    const patterns = joined.flat();
    this.#push({ weight, patterns, automaton: new Automaton(patterns) });
  }

  /** One stream of bytes, such as a program's output; each needs its own. */
  stream(): RedactStream {
    return new RedactStream(() => ({ groups: this.#groups, generation: this.#generation }));
  }

  redactText(text: string): string {
    if (this.#groups.length === 0 || text === "") return text;
    const bytes = Buffer.from(text, "utf8");
    const stream = this.stream();
    const parts = [stream.push(bytes), stream.end()];
    // Untouched text is returned as it was: UTF-8 can not hold a lone surrogate.
    const redacted = stream.replaced ? Buffer.concat(parts).toString("utf8") : text;
    return redacted.includes(CUT_MARK) ? this.#redactCuts(redacted) : redacted;
  }

  /** Messages, and what the guest prints, are shortened before they get here: half a value stands before the mark. */
  #redactCuts(text: string): string {
    const pieces = text.split(CUT_MARK);
    const rest = pieces.pop() ?? "";
    return [...pieces.map((piece) => this.#withoutBeginning(piece)), rest].join(CUT_MARK);
  }

  /** The text without the longest beginning of a value it ends with. A quote before the mark belongs to the mark. */
  #withoutBeginning(piece: string): string {
    const text = piece.endsWith('"') ? piece.slice(0, -1) : piece;
    const bytes = Buffer.from(text);
    const depths = this.#groups.map(({ automaton }) =>
      automaton.depth(automaton.scan(bytes, 0, 0, NO_BYTE, [])),
    );
    const beginning = Math.max(...depths);
    if (beginning < MIN_BEGINNING_BYTES) return piece;
    return `${bytes.toString("utf8", 0, bytes.length - beginning)}${BEGINNING_TOKEN}${piece.slice(text.length)}`;
  }

  /**
   * Strings, keys, and numbers whose text holds a value. Two keys that become equal are told apart by a number.
   * Throws `OUTPUT_INVALID` for a value that nests too deep to be walked.
   */
  redactJson(value: Json): Json {
    return this.#groups.length === 0 ? value : this.#redactValue(value, 0);
  }

  /** Message, stack and hints; everything else of the error is kept. */
  redactError<
    E extends {
      readonly message: string;
      readonly stack?: string | undefined;
      readonly hints?: readonly string[];
    },
  >(error: E): E {
    if (this.#groups.length === 0) return error;
    return {
      ...error,
      message: this.redactText(error.message),
      ...(error.stack === undefined ? {} : { stack: this.redactText(error.stack) }),
      ...(error.hints === undefined ? {} : { hints: error.hints.map((hint) => this.redactText(hint)) }),
    };
  }

  /** Whether redaction would change it; storage refuses what output replaces. */
  contains(value: Uint8Array | Json): boolean {
    if (this.#groups.length === 0) return false;
    if (value instanceof Uint8Array) return this.#containsBytes(value);
    const open: Json[] = [value];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (typeof next === "string" || typeof next === "number") {
        if (this.#containsBytes(Buffer.from(String(next), "utf8"))) return true;
      } else if (typeof next === "object" && next !== null) {
        for (const [key, item] of Object.entries(next)) open.push(key, item);
      }
    }
    return false;
  }

  /** Overwrites every copy. Nothing is replaced afterwards, so only when nothing of the run can come any more. */
  [Symbol.dispose](): void {
    for (const group of this.#groups) {
      group.automaton.wipe();
      for (const pattern of group.patterns) pattern.bytes.fill(0);
    }
    this.#groups.length = 0;
    this.#known.clear();
    this.#generation++;
  }

  #push(group: Group): void {
    this.#groups.push(group);
    this.#generation++;
  }

  #patternsOf({ name, bytes }: NamedBytes): readonly Pattern[] {
    if (unmaskable(bytes) !== undefined) {
      this.#unmaskable.add(name);
      return [];
    }
    // Making the forms of a value takes many times their memory: what can not fit is refused before.
    if (this.#patternBytes + LEAST_GROWTH * bytes.length > MAX_PATTERN_BYTES) throw tooLarge();
    const label = name.slice(0, MAX_NAME_LENGTH).replaceAll(/[^A-Za-z0-9_./-]/g, "_");
    const patterns = formsOf(bytes).map((form) => ({ name: label, ...form }));
    const size = patterns.reduce((sum, pattern) => sum + pattern.bytes.length, 0);
    if (this.#patternBytes + size > MAX_PATTERN_BYTES) throw tooLarge();
    this.#patternBytes += size;
    this.#known.add(digest(bytes));
    return patterns;
  }

  #containsBytes(bytes: Uint8Array): boolean {
    const found: Match[] = [];
    return this.#groups.some(({ automaton }) => {
      const state = automaton.scan(bytes, 0, 0, NO_BYTE, found);
      automaton.finish(bytes, state, NO_BYTE, found);
      return found.length > 0;
    });
  }

  #redactValue(value: Json, depth: number): Json {
    if (typeof value === "string") return this.redactText(value);
    if (typeof value === "number") {
      const text = String(value);
      const redacted = this.redactText(text);
      return redacted === text ? value : redacted;
    }
    if (value === null || typeof value !== "object") return value;
    if (depth === MAX_JSON_DEPTH) {
      throw new AppError(
        "OUTPUT_INVALID",
        `the value nests deeper than ${MAX_JSON_DEPTH} levels; it must not`,
      );
    }
    if (isJsonArray(value)) return value.map((item) => this.#redactValue(item, depth + 1));
    const redacted: Record<string, Json> = Object.create(null);
    const twins = new Map<string, number>();
    for (const [key, item] of Object.entries(value)) {
      const shown = this.redactText(key);
      const twin = (twins.get(shown) ?? 0) + 1;
      twins.set(shown, twin);
      redacted[twin === 1 ? shown : `${shown} (${twin})`] = this.#redactValue(item, depth + 1);
    }
    return redacted;
  }
}

interface Current {
  readonly groups: readonly Group[];
  readonly generation: number;
}

/**
 * Bytes in, bytes out, cut anywhere. Holds back no more than could still become a match, and never more than the
 * longest form.
 */
export class RedactStream {
  readonly #current: () => Current;
  #generation = -1;
  #states: number[] = [];
  /** What could still become a match. */
  #held: Buffer = Buffer.alloc(0);
  /** The byte in front of `#held`. */
  #before = NO_BYTE;
  /** Matches not yet written, counted from the start of `#held`; what they cover before it is dropped. */
  #open: Match[] = [];
  #replaced = false;

  constructor(current: () => Current) {
    this.#current = current;
  }

  /** Whether anything was replaced so far. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** What is certain by now; the rest follows with later calls. */
  push(bytes: Uint8Array): Buffer {
    return this.#advance(bytes, false);
  }

  /** The rest. The stream is then as new. */
  end(): Buffer {
    const rest = this.#advance(new Uint8Array(0), true);
    this.#before = NO_BYTE;
    this.#states.fill(0);
    return rest;
  }

  #advance(bytes: Uint8Array, last: boolean): Buffer {
    const { groups, generation } = this.#current();
    let from = this.#held.length;
    const text = from === 0 ? asBuffer(bytes) : Buffer.concat([this.#held, bytes]);
    if (generation !== this.#generation) {
      // Another set of values: what is held back is read again, all of it.
      this.#generation = generation;
      this.#states = groups.map(() => 0);
      from = 0;
    }

    let matches = this.#open;
    let certain = text.length;
    for (const [index, { automaton }] of groups.entries()) {
      const found: Match[] = [];
      const state = automaton.scan(text, from, this.#states[index] ?? 0, this.#before, found);
      this.#states[index] = state;
      if (last) automaton.finish(text, state, this.#before, found);
      else certain = Math.min(certain, text.length - automaton.depth(state));
      matches = merge(matches, found);
    }
    return this.#emit(text, matches, certain);
  }

  /** Writes up to the first match that may still grow, and drops the bytes it covers for certain. */
  #emit(text: Buffer, matches: readonly Match[], certain: number): Buffer {
    const pieces: Buffer[] = [];
    let at = 0;
    let done = 0;
    for (const { start, end, pattern } of matches) {
      if (end > certain) break;
      pieces.push(text.subarray(at, Math.max(at, start)), Buffer.from(`[REDACTED:SECRET_${pattern.name}]`));
      at = end;
      done++;
    }
    this.#replaced ||= done > 0;
    const growing = matches[done];
    pieces.push(text.subarray(at, Math.max(at, Math.min(certain, growing?.start ?? certain))));
    this.#open = matches.slice(done).map(({ start, end, pattern }) => ({
      start: Math.max(0, start - certain),
      end: end - certain,
      pattern,
    }));
    if (certain > 0) this.#before = text[certain - 1] ?? NO_BYTE;
    this.#held = Buffer.from(text.subarray(certain));
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }
}

function tooLarge(): AppError {
  return new AppError(
    "SECRETS_TOO_LARGE",
    "the secrets of the run are together too large to be redacted; give the task fewer or smaller ones",
  );
}

function digest(bytes: Uint8Array): string {
  return Buffer.from(sha256(bytes)).toString("base64");
}

/** Two lists of merged matches as one. */
function merge(some: Match[], others: readonly Match[]): Match[] {
  if (others.length === 0) return some;
  if (some.length === 0) return [...others];
  const merged: Match[] = [];
  for (const match of [...some, ...others].sort((a, b) => a.start - b.start || a.end - b.end)) {
    addMatch(merged, match);
  }
  return merged;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
