/** Stack traces of the guest, mapped from the bundle back to the author's files. */
import { SourceMap } from "node:module";
import type { Bundle } from "./bundle.ts";

const FRAME = /file:\/\/\/task\.js:(\d+):(\d+)/g;
/** Frames of the runtime itself say nothing to an author. */
const OURS = /^ +at .*(?:writ:(?:bootstrap|entry)|<isolated-vm|node:internal).*$\n?/gm;

const maps = new WeakMap<Bundle, SourceMap>();

/** `stack` is the guest's own text: it is searched for positions, never believed. Other text stays as it is. */
export function mapStack(stack: string, bundle: Bundle): string {
  if (!stack.includes("file:///task.js:")) return stack;
  return stack
    .replace(OURS, "")
    .trimEnd()
    .replace(FRAME, (frame, line: string, column: string) => {
      const at = originalPosition(bundle, Number(line), Number(column));
      return at === undefined ? frame : `${at.file}:${at.line}:${at.column}`;
    });
}

interface OriginalPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

function originalPosition(bundle: Bundle, line: number, column: number): OriginalPosition | undefined {
  let map = maps.get(bundle);
  if (map === undefined) {
    map = new SourceMap(JSON.parse(bundle.map));
    maps.set(bundle, map);
  }
  const entry = map.findEntry(line - 1, column - 1);
  if (!("originalSource" in entry)) return undefined;
  return { file: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}
