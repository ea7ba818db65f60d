/** The levels of fences that the operating system can put around a worker, weakest first. */

export const FENCE_LEVELS = ["L0", "L1", "L2", "L3"] as const;

export type FenceLevel = (typeof FENCE_LEVELS)[number];

/** Whether `level` holds a worker at least as well as `wanted`. */
export function isAtLeast(level: FenceLevel, wanted: FenceLevel): boolean {
  return FENCE_LEVELS.indexOf(level) >= FENCE_LEVELS.indexOf(wanted);
}

/** What each adds to the one before, in a few words. */
export const FENCE_MEANINGS: Readonly<Record<FenceLevel, string>> = {
  L0: "Node's permission model only",
  L1: "another user if we are root, no capabilities, no new privileges, limits on files",
  L2: "a root with its own files only, no network, no other processes",
  L3: "bubblewrap, and a filter of system calls",
};
