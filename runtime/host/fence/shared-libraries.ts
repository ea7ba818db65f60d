/** What the dynamic loader needs to start this Node again in a root that has nothing else. */
import { isAbsolute } from "node:path";

let known: readonly string[] | undefined;

/**
 * The loader and the libraries of this process, by the paths under which the loader finds them. Addons are left out:
 * who needs one names it.
 */
export function sharedLibraries(): readonly string[] {
  known ??= loadedObjects().filter((path) => isAbsolute(path) && !path.endsWith(".node"));
  return known;
}

/** As Node's own report lists them. Of the rest of it, environment and network are never to be collected at all. */
function loadedObjects(): readonly string[] {
  const told = Object.assign(process.report, { excludeEnv: true, excludeNetwork: true }).getReport();
  if (!("sharedObjects" in told) || !Array.isArray(told.sharedObjects)) return [];
  return told.sharedObjects.filter((path: unknown) => typeof path === "string");
}
