/** Takes `count` runs through their life and writes to kv and audit beside each: write-many DATA_DIR COUNT. */
import { systemClock } from "../../../base/clock.ts";
import { newRunId } from "../../../base/id.ts";
import { unkeyedMac } from "../../../store/audit.ts";
import { Store } from "../../../store/store.ts";
import { newRun, runFinish } from "../run-values.ts";

const [dataDir = "", count = ""] = process.argv.slice(2);
await using store = await Store.open(dataDir, systemClock);
using owner = store.own();
const audit = store.audit(unkeyedMac);
const one = async (): Promise<void> => {
  const id = newRunId(Date.now());
  await store.runs.accept(newRun({ id, owner: owner.id }));
  const claim = await store.runs.start(id, { owner: owner.id, node: "test", at: Date.now() });
  if (claim === undefined) throw new Error("could not start");
  await store.logs.append(id, claim.attempt, [{ t: Date.now(), level: "info", text: id }]);
  await store.kv("shared").increment("count");
  await audit.append({ actor: "test", run: id, action: "run.end", target: "hello", result: "ok" });
  if (!(await store.runs.finish(id, claim.fence, runFinish("success")))) throw new Error("could not finish");
};
// Two at a time: commits are shared, and other processes are met often.
for (let index = 0; index < Number(count); index += 2) await Promise.all([one(), one()]);
