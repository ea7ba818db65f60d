/** Really starts one of `programs/` in a process of its own. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export interface Child {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  /** Every line it has printed so far. */
  readonly lines: readonly string[];
  /** Resolves when it has printed this many lines, or has ended. */
  printed(count: number): Promise<void>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

export function startProgram(name: string, ...args: readonly string[]): Child {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const waiting: { readonly count: number; readonly done: () => void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const each of waiting) if (lines.length >= each.count) each.done();
  });
  const ended = once(child, "close").then(([code, signal]: unknown[]) => {
    for (const each of waiting) each.done();
    return typeof code === "number" ? code : String(signal);
  });
  return {
    process: child,
    lines,
    printed: (count) =>
      new Promise((done) => {
        if (lines.length >= count) done();
        else waiting.push({ count, done });
      }),
    ended,
  };
}
