/** `fetch`, as far as it acts: the daemon judges every request. */
import type { Call } from "../../runtime/guest/ops.ts";

interface Printable {
  toString(): string;
}

export function makeFetch(call: Call): (input: Printable, init?: { method?: string }) => Promise<unknown> {
  return async (input, init) => call("fetch", { url: input.toString(), method: init?.method ?? "GET" });
}
