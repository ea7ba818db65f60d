/** Durations (`500ms 30s 5m 2h 7d`) and sizes (`64KB 128MB`, powers of 1024). */

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 } as const;

export const DURATION_PATTERN = "^[0-9]{1,9}(ms|s|m|h|d)$";
export const SIZE_PATTERN = "^[0-9]{1,9}(B|KB|MB|GB)$";

/** Milliseconds, or undefined when `text` is no duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_PATTERN, MILLISECONDS);
}

/** Bytes, or undefined when `text` is no size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_PATTERN, BYTES);
}

/** The shortest exact form: 90000 → `90s`. */
export function formatDuration(ms: number): string {
  return format(ms, MILLISECONDS);
}

/** The shortest exact form: 1536 → `1536B`, 2048 → `2KB`. */
export function formatSize(bytes: number): string {
  return format(bytes, BYTES);
}

function parse(text: string, pattern: string, units: Readonly<Record<string, number>>): number | undefined {
  if (!new RegExp(pattern).test(text)) return undefined;
  const digits = /^[0-9]+/.exec(text)?.[0] ?? "";
  const unit = units[text.slice(digits.length)];
  return unit === undefined ? undefined : Number(digits) * unit;
}

function format(amount: number, units: Readonly<Record<string, number>>): string {
  let best = "";
  for (const [unit, size] of Object.entries(units)) {
    if (best === "" || (amount !== 0 && amount % size === 0)) best = `${amount / size}${unit}`;
  }
  return best;
}
