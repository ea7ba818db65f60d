/** What redaction costs: text through a stream, and the time to build for a set of values. */
import { randomBytes } from "node:crypto";
import { Redactor } from "../../secrets/redact.ts";
import type { NamedBytes } from "../../secrets/redact.ts";

const ROUNDS = 7;
const TEXT_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

export interface BenchRow {
  readonly name: string;
  readonly median: number;
  readonly unit: string;
}

export function benchRedact(): readonly BenchRow[] {
  const text = logText(TEXT_BYTES);
  return [0, 5, 20, 200].flatMap((count) => {
    const secrets = tokens(count);
    const label = `redact ${count} tokens`;
    const build = median(() => {
      using redactor = new Redactor(secrets);
      return redactor.unmaskable.length;
    });
    using redactor = new Redactor(secrets);
    const pass = median(() => {
      const stream = redactor.stream();
      for (let at = 0; at < text.length; at += CHUNK_BYTES) stream.push(text.subarray(at, at + CHUNK_BYTES));
      stream.end();
    });
    const line = "2026-01-01T00:00:00Z info fetched 12 items from api.example.com in 38 ms";
    const lines = median(() => {
      for (let index = 0; index < 10_000; index++) redactor.redactText(line);
    });
    return [
      { name: `${label}: build`, median: build, unit: "ms" },
      { name: `${label}: stream`, median: TEXT_BYTES / 1024 / 1024 / (pass / 1000), unit: "MiB/s" },
      { name: `${label}: log line`, median: lines / 10, unit: "µs" },
    ];
  });
}

function tokens(count: number): readonly NamedBytes[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `TOKEN_${index}`,
    bytes: Buffer.from(randomBytes(30).toString("base64url")),
  }));
}

/** Words, numbers and punctuation, with no secret in it. */
function logText(length: number): Buffer {
  const words = [
    "GET",
    "/api/v1/items",
    "200",
    "fetched",
    "cache",
    "miss",
    "\n",
    "id=8f14e45f",
    "ms",
    "[info]",
  ];
  const text: string[] = [];
  for (let size = 0, index = 1; size < length; index = (index * 48_271) % 2_147_483_647) {
    const word = `${words[index % words.length]} ${index % 977} `;
    size += word.length;
    text.push(word);
  }
  return Buffer.from(text.join("").slice(0, length));
}

/** Milliseconds. */
function median(work: () => unknown): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
}
