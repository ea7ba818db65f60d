/** What would copy a run's memory or trace its variables, and so must not meet a secret. */
import { url as inspectorUrl } from "node:inspector";

const HEAP_FLAG = /--heap-prof(?=\s|$)|--heapsnapshot-signal|--heapsnapshot-near-heap-limit[= ]0*[1-9]/;

/** GitLab's switch; runners and their users set it to `true`. */
const DEBUG_TRACE = "CI_DEBUG_TRACE";

export function isDebugTrace(name: string, value: string): boolean {
  return name === DEBUG_TRACE && value.trim().toLowerCase() === "true";
}

/** Why this process is no place for a secret, or undefined. */
export function unsafeDebugging(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (isDebugTrace(DEBUG_TRACE, environment[DEBUG_TRACE] ?? "")) {
    return `${DEBUG_TRACE} is true in the daemon's environment`;
  }
  if (inspectorUrl() !== undefined) return "an inspector is open on the daemon";
  const flags = [...process.execArgv, environment["NODE_OPTIONS"] ?? ""].join(" ");
  return HEAP_FLAG.test(flags) ? "the daemon runs with a flag that writes its heap out" : undefined;
}
