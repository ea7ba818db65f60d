/**
 * Accepts, starts and ends runs until it is killed, and says so after each step; `accepted` or `started` as the
 * second argument makes it stay there: run-forever DATA_DIR [STEP].
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../base/clock.ts";
import { newRunId } from "../../../base/id.ts";
import { Store } from "../../../store/store.ts";
import { newRun, runFinish } from "../run-values.ts";

const [dataDir = "", stay] = process.argv.slice(2);
const store = await Store.open(dataDir, systemClock);
const owner = store.own();
setInterval(() => {}, 60_000);
const say = (step: string, id: string): Promise<void> => {
  writeSync(1, `${step} ${id}\n`);
  return step === stay ? Promise.race([]) : Promise.resolve();
};
for (;;) {
  const id = newRunId(Date.now());
  await store.runs.accept(newRun({ id, owner: owner.id }));
  await say("accepted", id);
  const claim = await store.runs.start(id, { owner: owner.id, node: "test", at: Date.now() });
  if (claim === undefined) throw new Error("could not start");
  await say("started", id);
  await store.runs.finish(id, claim.fence, runFinish("success"));
  await say("ended", id);
}
