/** `writ.fs`, as far as it acts: the daemon judges every path. */
import type { Call } from "../../runtime/guest/ops.ts";

export function makeFs(call: Call): object {
  return Object.freeze({
    read: (path: string) => call("fs.read", { path }),
    write: (path: string, text: string) => call("fs.write", { path, text }),
    list: (path: string) => call("fs.list", { path }),
    stat: (path: string) => call("fs.stat", { path }),
    remove: (path: string) => call("fs.remove", { path }),
  });
}
