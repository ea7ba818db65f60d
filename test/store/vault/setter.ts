/** A process of its own that sets one key and prints how that ended: `setter.ts FOLDER`. */
import { toAppError } from "../../../base/error.ts";
import { ACTOR, CANARY, openVault } from "./harness.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: setter.ts FOLDER");
try {
  await using vault = await openVault(folder);
  await vault.set("global", "K", CANARY, ACTOR);
  process.stdout.write("stored");
} catch (error) {
  const { code, message, hints } = toAppError(error);
  process.stdout.write(JSON.stringify({ code, message, hints }));
}
