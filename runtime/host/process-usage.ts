/** What the kernel says about a process: `/proc/<pid>/stat`. Used by the daemon and by its watchdog thread. */
import { existsSync, readFileSync } from "node:fs";

export interface ProcessUsage {
  /** Start time in ticks after boot: tells a process from a later one with the same id. */
  readonly startTicks: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** USER_HZ and the page size of every Linux that Node 24 supports on x64 and arm64 with 4 KiB pages. */
const MS_PER_TICK = 10;
const PAGE_BYTES = 4096;

/** Whether this system has what this file reads; macOS has not. */
export const HAS_PROC = existsSync("/proc/self/stat");

/** Undefined when there is no such process, or no /proc (macOS). */
export function processUsage(pid: number): ProcessUsage | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The command name stands in parentheses and may hold anything, also parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
    startTicks: Number(fields[19]),
    rssBytes: Number(fields[21]) * PAGE_BYTES,
  };
}
