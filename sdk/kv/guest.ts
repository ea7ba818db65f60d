/** `kv`, the task's own namespace, as the author calls it. */
import type { Call } from "../../runtime/guest/ops.ts";

export function makeKv(call: Call): object {
  return Object.freeze({
    get: (key: string) => call("kv.get", { key }).then(valueOrUndefined),
    set: (key: string, value: unknown, options?: { ttl?: number }) =>
      call("kv.set", { key, value, ...options }),
    delete: (key: string) => call("kv.delete", { key }),
    list: (prefix = "", options?: { limit?: number }) => call("kv.list", { prefix, ...options }),
    cas: (key: string, version: number, value: unknown, options?: { ttl?: number }) =>
      call("kv.cas", { key, version, value, ...options }),
    increment: (key: string, by = 1) => call("kv.increment", { key, by }),
    entry: (key: string) => call("kv.get", { key }).then((found) => found ?? undefined),
  });
}

function valueOrUndefined(found: unknown): unknown {
  return typeof found === "object" && found !== null && "value" in found ? found.value : undefined;
}
