/** `writ.run`, as far as it acts: the daemon judges every program. */
import type { Call } from "../../runtime/guest/ops.ts";

export function makeRun(call: Call): (program: string, args?: readonly string[]) => Promise<unknown> {
  return (program, args = []) => call("run", { program, args });
}
