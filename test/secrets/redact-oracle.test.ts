/** The engine against a search so plain that it can only be right. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { addMatch, Automaton, NO_BYTE } from "../../secrets/automaton.ts";
import type { Match, Pattern } from "../../secrets/automaton.ts";
import { formsOf } from "../../secrets/forms.ts";
import { Redactor, RedactStream } from "../../secrets/redact.ts";

const CASES = 60_000;

/** `SEED=n` repeats a run that failed. */
function newSeed(): number {
  return Number(process.env["SEED"] ?? randomInt(2 ** 31));
}

/** mulberry32: small, and the same everywhere for one seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function isWord(byte: number | undefined): boolean {
  return byte !== undefined && /\w/.test(String.fromCharCode(byte)) && byte < 0x80;
}

/** Every occurrence of every pattern, found by comparing at every place, merged until nothing overlaps. */
function oracle(text: Buffer, patterns: readonly Pattern[]): string {
  let spans: { start: number; end: number; length: number; name: string }[] = [];
  for (const { bytes, bounded, name } of patterns) {
    for (let start = text.indexOf(bytes); start >= 0; start = text.indexOf(bytes, start + 1)) {
      const end = start + bytes.length;
      const cut =
        (isWord(text[start - 1]) && isWord(text[start])) || (isWord(text[end - 1]) && isWord(text[end]));
      if (!bounded || !cut) spans.push({ start, end, length: bytes.length, name });
    }
  }
  for (let before = spans.length + 1; spans.length < before;) {
    before = spans.length;
    const kept: typeof spans = [];
    for (const span of spans) {
      const index = kept.findIndex((other) => other.start < span.end && span.start < other.end);
      const other = kept[index];
      if (other === undefined) {
        kept.push(span);
        continue;
      }
      const [named = span] = [other, span].sort((a, b) => b.length - a.length || (a.name < b.name ? -1 : 1));
      kept[index] = {
        ...named,
        start: Math.min(other.start, span.start),
        end: Math.max(other.end, span.end),
      };
    }
    spans = kept;
  }
  let at = 0;
  let out = "";
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    out += `${text.toString("latin1", at, span.start)}[REDACTED:SECRET_${span.name}]`;
    at = span.end;
  }
  return out + text.toString("latin1", at);
}

function streamOf(groups: readonly (readonly Pattern[])[]): RedactStream {
  const made = groups.map((patterns) => ({ weight: 1, patterns, automaton: new Automaton(patterns) }));
  return new RedactStream(() => ({ groups: made, generation: 1 }));
}

function throughChunks(stream: RedactStream, text: Buffer, random: (below: number) => number): string {
  let out = "";
  for (let at = 0; at < text.length;) {
    const size = random(4) === 0 ? random(text.length) : random(3);
    out += stream.push(text.subarray(at, at + size)).toString("latin1");
    at += size;
  }
  return out + stream.end().toString("latin1");
}

/** Patterns that share prefixes, suffixes and insides, over few letters, and a text made mostly of their pieces. */
function randomCase(random: (below: number) => number): { patterns: Pattern[]; text: Buffer } {
  const letters = ["ab", "abc", "ab-", "a\u00e9 b"][random(4)] ?? "ab";
  const word = (max: number): Buffer => {
    const source = Array.from({ length: 1 + random(max) }, () => letters[random(letters.length)] ?? "a").join(
      "",
    );
    return Buffer.from(random(3) === 0 ? source.repeat(1 + random(3)) : source, "latin1");
  };
  const patterns: Pattern[] = [];
  for (let count = 1 + random(6); count > 0; count--) {
    const last = patterns.at(-1)?.bytes;
    const bytes =
      last !== undefined && random(3) === 0
        ? Buffer.concat([last.subarray(random(last.length)), word(3)])
        : word(8);
    patterns.push({ name: `N${random(4)}`, bytes, bounded: (bytes.length + (bytes[0] ?? 0)) % 4 === 0 });
  }
  const pieces: Buffer[] = [];
  for (let count = random(10); count > 0; count--) {
    const bytes = patterns[random(patterns.length)]?.bytes ?? Buffer.alloc(0);
    pieces.push(
      random(2) === 0 ? word(5) : Buffer.from(bytes.subarray(random(3) === 0 ? random(bytes.length) : 0)),
    );
  }
  return { patterns, text: Buffer.concat(pieces) };
}

test("RedactStream replaces what a plain search finds, in random cases cut at random places", (t) => {
  const seed = newSeed();
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  let replaced = 0;
  for (let index = 0; index < CASES; index++) {
    const { patterns, text } = randomCase(random);
    const expected = oracle(text, patterns);
    if (expected !== text.toString("latin1")) replaced++;
    // In one automaton, and spread over several as late values are.
    const split = random(3) === 0 ? random(patterns.length) : 0;
    const groups = [patterns.slice(0, split), patterns.slice(split)].filter((group) => group.length > 0);
    const actual = throughChunks(streamOf(groups), text, random);
    if (actual !== expected) {
      const shown = patterns.map(
        (p) => `${p.name}=${Buffer.from(p.bytes).toString("latin1")}${p.bounded ? "!" : ""}`,
      );
      assert.equal(
        actual,
        expected,
        `seed ${seed} case ${index}: ${shown.join(" ")} in ${text.toString("latin1")}`,
      );
    }
  }
  assert.ok(replaced > CASES / 3, "too few cases held a match to mean anything");
});

test("Redactor finds every form of random values, in text cut at random places", (t) => {
  const seed = newSeed();
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  const letters = "abAB01 \"'&/\\\n%+<\u00e9=";
  for (let index = 0; index < 1500; index++) {
    const secrets = Array.from({ length: 1 + random(3) }, (_, number) => ({
      name: `S${number}`,
      bytes: Buffer.from(
        Array.from({ length: 4 + random(12) }, () => letters[random(letters.length)] ?? "a").join(""),
        "utf8",
      ),
    }));
    const patterns = secrets.flatMap(({ name, bytes }) => formsOf(bytes).map((form) => ({ name, ...form })));
    const text = Buffer.concat(
      Array.from({ length: random(8) }, () => {
        const form = patterns[random(patterns.length)];
        return form === undefined || random(3) === 0
          ? Buffer.from(letters.slice(random(letters.length)))
          : Buffer.from(form.bytes.subarray(random(4) === 0 ? random(form.bytes.length) : 0));
      }),
    );
    const expected = oracle(text, patterns);
    using redactor = new Redactor(secrets.slice(0, 1));
    for (const { name, bytes } of secrets.slice(1)) redactor.add(name, bytes);
    const actual = throughChunks(redactor.stream(), text, random);
    if (redactor.contains(text) !== (expected !== text.toString("latin1")) || actual !== expected) {
      assert.equal(actual, expected, `seed ${seed} case ${index}`);
    }
  }
});

test("Automaton gives the same matches whether a text comes whole or byte by byte", () => {
  const patterns = ["hunter2hunter3X", "s3cr3t-AAA", "t-BBBB"].map((value, index) => ({
    name: `N${index}`,
    bytes: Buffer.from(value),
    bounded: false,
  }));
  const automaton = new Automaton(patterns);
  const text = Buffer.from("log hunter2hunter2hunter3X and s3cr3t-BBBB end");
  const whole: Match[] = [];
  automaton.finish(text, automaton.scan(text, 0, 0, NO_BYTE, whole), NO_BYTE, whole);
  assert.deepEqual(
    whole.map(({ start, end }) => text.toString("utf8", start, end)),
    ["hunter2hunter3X", "t-BBBB"],
  );
  const stepped: Match[] = [];
  let state = 0;
  for (let end = 1; end <= text.length; end++) {
    state = automaton.scan(text.subarray(0, end), end - 1, state, NO_BYTE, stepped);
  }
  assert.deepEqual(stepped, whole);
});

test("addMatch() joins what overlaps and keeps apart what only touches", () => {
  const pattern = { name: "A", bytes: Buffer.from("abc"), bounded: false };
  const longer = { name: "B", bytes: Buffer.from("abcd"), bounded: false };
  const found: Match[] = [];
  addMatch(found, { start: 0, end: 3, pattern });
  addMatch(found, { start: 3, end: 6, pattern });
  addMatch(found, { start: 5, end: 9, pattern: longer });
  assert.deepEqual(found, [
    { start: 0, end: 3, pattern },
    { start: 3, end: 9, pattern: longer },
  ]);
});
