/** Accepts, starts and ends runs until it is killed, and says so after each step: run-forever DATA_DIR. */
import { writeSync } from "node:fs";
import { systemClock } from "../../../base/clock.ts";
import { newRunId } from "../../../base/id.ts";
import { Store } from "../../../store/store.ts";
import { newRun, runFinish } from "../run-values.ts";

const [dataDir = ""] = process.argv.slice(2);
const store = await Store.open(dataDir, systemClock);
const owner = store.own();
const say = (text: string): number => writeSync(1, `${text}\n`);
for (;;) {
  const id = newRunId(Date.now());
  await store.runs.accept(newRun({ id, owner: owner.id }));
  say(`accepted ${id}`);
  const claim = await store.runs.start(id, { owner: owner.id, node: "test", at: Date.now() });
  if (claim === undefined) throw new Error("could not start");
  say(`started ${id}`);
  await store.runs.finish(id, claim.fence, runFinish("success"));
  say(`ended ${id}`);
}
