/** How the bench measures: after a warm-up, medians of single calls. */

export interface BenchRow {
  readonly name: string;
  readonly median: number;
  readonly unit: string;
}

export interface Times {
  readonly p50: number;
  readonly p99: number;
}

/** Milliseconds per call. */
export async function time(
  n: number,
  act: (index: number) => Promise<unknown>,
  warmUp = Math.ceil(n / 10),
): Promise<Times> {
  for (let index = 0; index < warmUp; index++) await act(index);
  const times: number[] = [];
  for (let index = 0; index < n; index++) {
    const begin = performance.now();
    await act(index);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(n / 2)] ?? 0, p99: times[Math.floor(n * 0.99)] ?? 0 };
}
