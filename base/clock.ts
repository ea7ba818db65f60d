/** Time as a port, so that tests can turn it. */

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 in UTC, the one form in which a time leaves writ. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
