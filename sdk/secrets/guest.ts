/** `writ.secrets_set` and `writ.secrets_delete`: written, never read back. */
import type { Call } from "../../runtime/guest/ops.ts";

type Value = string | Uint8Array;

interface One {
  if_version?: number;
}

interface Many {
  if_version?: Record<string, number>;
}

export function makeSecrets(call: Call): object {
  return {
    secrets_set: (key: string | Record<string, Value>, value?: Value | Many, options?: One) =>
      typeof key === "string"
        ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked in the daemon
          call("secrets.set", { values: { [key]: wire(value as Value) }, if_version: versions(key, options) })
        : call("secrets.set", {
            values: Object.fromEntries(Object.entries(key).map(([name, item]) => [name, wire(item)])),
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked in the daemon
            if_version: (value as Many | undefined)?.if_version ?? {},
          }),
    secrets_delete: (key: string | readonly string[], options?: One & Many) =>
      call("secrets.delete", {
        keys: typeof key === "string" ? [key] : key,
        if_version: typeof key === "string" ? versions(key, options) : (options?.if_version ?? {}),
      }),
  };
}

function versions(key: string, options: { if_version?: unknown } | undefined): object {
  return options?.if_version === undefined ? {} : { [key]: options.if_version };
}

/** Text travels as it is, bytes as a list of numbers' hex: JSON has no bytes. */
function wire(value: Value): unknown {
  if (!(value instanceof Uint8Array)) return value;
  let hex = "";
  for (const byte of value) hex += byte.toString(16).padStart(2, "0");
  return { hex };
}
