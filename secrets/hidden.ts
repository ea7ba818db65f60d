/** What no task may read, whichever door it tries: the daemon's own credentials and the places they lie in. */
import { isAbsolute, relative, resolve, sep } from "node:path";

const HIDDEN_NAME = /^(?:WRIT_|NODE_|LD_)/;
const KERNEL_FOLDERS = ["/proc", "/sys", "/dev"];

/** Judges a variable's name; a hidden one is refused whether or not it is set, so that a refusal tells nothing. */
export type HiddenNames = (name: string) => boolean;

/** `named`: every variable the daemon's own configuration names. */
export function hiddenNames(named: Iterable<string> = []): HiddenNames {
  const exact = new Set(["CREDENTIALS_DIRECTORY", ...named]);
  return (name) => HIDDEN_NAME.test(name) || exact.has(name);
}

export interface OwnPlaces {
  /** Files and folders of the daemon: key file, key folder, data folder, tasks root, token files. */
  readonly paths: readonly string[];
  /** The daemon's environment, for `CREDENTIALS_DIRECTORY`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Every path a reference must not reach. */
export function hiddenPaths(own: OwnPlaces): readonly string[] {
  const credentials = own.environment["CREDENTIALS_DIRECTORY"];
  return [
    ...KERNEL_FOLDERS,
    ...(credentials ? [resolve(credentials)] : []),
    ...own.paths.map((path) => resolve(path)),
  ];
}

/** Whether `path` is `folder` itself or lies below it; both absolute and normal. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
