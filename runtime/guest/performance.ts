/** performance: the wall clock of the run, in whole milliseconds and never backwards. */
const { now } = Date;

let origin = now();
let latest = 0;

/** Sets the origin. Called as a run starts: this module may have been evaluated long before. */
export function startClock(): void {
  origin = now();
  latest = 0;
}

class Performance {
  now(): number {
    latest = Math.max(latest, now() - origin);
    return latest;
  }

  get timeOrigin(): number {
    return origin;
  }

  toJSON(): { readonly timeOrigin: number } {
    return { timeOrigin: origin };
  }

  get [Symbol.toStringTag](): string {
    return "Performance";
  }
}

export const performance = new Performance();
