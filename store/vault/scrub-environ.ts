/** Takes a variable's value out of what `/proc/<pid>/environ` shows. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

const BLOCK = "/proc/self/environ";

/** `absent`: it was not there. `failed`: it still is, for everybody who may read this process's files in /proc. */
export type ScrubResult =
  | { readonly outcome: "scrubbed" | "absent" }
  | { readonly outcome: "failed"; readonly reason: string };

/**
 * Zeroes the value of every `name=` this process was started with, through its own memory, and reads back.
 *
 * Deleting the variable from `process.env` only drops a pointer. Read the value and delete it first: afterwards
 * the variable, if it is still set, is empty.
 */
export function scrubEnviron(name: string): ScrubResult {
  if (process.platform !== "linux") return failed("only Linux lets a process rewrite its own environment");
  try {
    const spans = spansOf(readFileSync(BLOCK), Buffer.from(`${name}=`));
    if (spans.length === 0) return { outcome: "absent" };
    overwrite(spans);
    const after = readFileSync(BLOCK);
    const blank = spans.every(({ start, end }) => after.subarray(start, end).every((byte) => byte === 0));
    return blank ? { outcome: "scrubbed" } : failed("the system kept the old bytes");
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function failed(reason: string): ScrubResult {
  return { outcome: "failed", reason };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where in the block the values are that are not empty. */
function spansOf(block: Buffer, prefix: Buffer): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < block.length;) {
    const zero = block.indexOf(0, at);
    const end = zero < 0 ? block.length : zero;
    const start = at + prefix.length;
    if (start < end && block.subarray(at, start).equals(prefix)) spans.push({ start, end });
    at = end + 1;
  }
  block.fill(0);
  return spans;
}

function overwrite(spans: readonly Span[]): void {
  const base = blockAddress();
  const memory = openSync("/proc/self/mem", "r+");
  try {
    for (const { start, end } of spans)
      writeSync(memory, Buffer.alloc(end - start), 0, end - start, base + start);
  } finally {
    closeSync(memory);
  }
}

/** Field 50 of /proc/self/stat, `env_start`; the second field, the program's name, may hold anything, brackets too. */
function blockAddress(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const address = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[50 - 3]);
  if (!Number.isSafeInteger(address) || address <= 0) throw new Error("the system hides where it is");
  return address;
}
