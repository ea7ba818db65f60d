/** `npm run bench`: prints medians and ratios; nothing here can fail a build. */
import { benchRedact } from "./redact.ts";
import { benchRun } from "./run.ts";
import { benchStore } from "./store.ts";
import { benchVault } from "./vault.ts";
import type { BenchRow } from "./measure.ts";

const STORED_RUNS = 20_000;

const PARTS: Readonly<Record<string, () => Promise<readonly BenchRow[]>>> = {
  vault: benchVault,
  run: benchRun,
  redact: async () => benchRedact(),
  store: async () =>
    (await benchStore(STORED_RUNS)).map(({ name, median_ms }) => ({ name, median: median_ms, unit: "ms" })),
};

const wanted = process.argv.slice(2);
for (const [part, bench] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(part)) continue;
  process.stdout.write(`\n${part}\n`);
  for (const { name, median, unit } of await bench()) {
    process.stdout.write(`  ${name.padEnd(56)} ${median.toFixed(3).padStart(10)} ${unit}\n`);
  }
}
