/** Opens as a user without rights of its own and prints how that went: open-unprivileged DATA_DIR. */
import { systemClock } from "../../../base/clock.ts";
import { toAppError } from "../../../base/error.ts";
import { Store } from "../../../store/store.ts";

const NOBODY = 65_534;
const [dataDir = ""] = process.argv.slice(2);
if (process.getuid?.() === 0) {
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
try {
  await using store = await Store.open(dataDir, systemClock);
  await store.setMeta("a", "b");
  process.stdout.write("written\n");
} catch (error) {
  const { code, message, hints } = toAppError(error);
  process.stdout.write(`${[code, message, ...hints].join(" | ")}\n`);
}
