/** Becomes an owner `count` times and prints how often its file was not there: own-often DATA_DIR COUNT. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../base/clock.ts";
import { acquireOwner } from "../../../store/owners.ts";

const [dataDir = "", count = ""] = process.argv.slice(2);
let missing = 0;
for (let index = 0; index < Number(count); index++) {
  using owner = acquireOwner(dataDir, systemClock);
  if (!existsSync(join(dataDir, "owners", `${owner.id}.lock`))) missing++;
}
process.stdout.write(`${missing}\n`);
