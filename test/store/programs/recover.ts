/** Recovers once and prints what it ended: recover DATA_DIR. */
import { systemClock } from "../../../base/clock.ts";
import { Store } from "../../../store/store.ts";

const [dataDir = ""] = process.argv.slice(2);
await using store = await Store.open(dataDir, systemClock);
for (const id of await store.recover()) process.stdout.write(`${id}\n`);
