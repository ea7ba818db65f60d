/** The levels of fences that the operating system can put around a worker, weakest first. */

export const FENCE_LEVELS = ["L0", "L1", "L2", "L3"] as const;

export type FenceLevel = (typeof FENCE_LEVELS)[number];

/** Whether `level` holds a worker at least as well as `wanted`. */
export function isAtLeast(level: FenceLevel, wanted: FenceLevel): boolean {
  return FENCE_LEVELS.indexOf(level) >= FENCE_LEVELS.indexOf(wanted);
}
