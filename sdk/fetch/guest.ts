/** `fetch`, as far as it acts: the daemon judges every request. */
import type { Call } from "../../runtime/guest/ops.ts";

export function makeFetch(call: Call): (input: string, init?: { method?: string }) => Promise<unknown> {
  return async (input, init) => call("fetch", { url: `${input}`, method: init?.method ?? "GET" });
}
