/** URL and URLSearchParams: whatwg-url, with `tr46` replaced by tr46.ts (an alias of the bundler). */
import { markUncloneable } from "./clone.ts";
import { TextDecoder, TextEncoder } from "./encoding.ts";

const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;

export interface URLSearchParams extends Iterable<[string, string]> {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
}

export interface URL {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toJSON(): string;
  toString(): string;
}

interface Classes {
  readonly URL: {
    new (url: string | URL, base?: string | URL): URL;
    parse(url: string | URL, base?: string | URL): URL | null;
    canParse(url: string | URL, base?: string | URL): boolean;
  };
  readonly URLSearchParams: new (
    init?: string | Iterable<readonly [string, string]> | Readonly<Record<string, string>>,
  ) => URLSearchParams;
}

interface Installer {
  /** Defines the class as a property of `target`. */
  install(target: object, exposure: readonly string[]): void;
}

// The package has no declarations. This entry leaves out its URL validator.
declare const require: (id: "whatwg-url/webidl2js-wrapper.js") => Readonly<Record<keyof Classes, Installer>>;

/** The guest has no shared memory; whatwg-url only asks whether a value is of it. */
class NoSharedArrayBuffer {
  get byteLength(): number {
    throw new TypeError("not a SharedArrayBuffer");
  }

  get growable(): boolean {
    throw new TypeError("not a SharedArrayBuffer");
  }
}

export const { URL, URLSearchParams } = load();

markUncloneable(URL);
markUncloneable(URLSearchParams);

function load(): Classes {
  const installers = withGlobals({ TextDecoder, TextEncoder, SharedArrayBuffer: NoSharedArrayBuffer }, () =>
    require("whatwg-url/webidl2js-wrapper.js"),
  );
  const intrinsics = { Array, Object, Promise, String, TypeError };
  const target: Partial<Classes> & typeof intrinsics = intrinsics;
  installers.URL.install(target, ["Worker"]);
  installers.URLSearchParams.install(target, ["Worker"]);
  const { URL, URLSearchParams } = target;
  if (URL === undefined || URLSearchParams === undefined) throw new TypeError("whatwg-url installed nothing");
  return { URL, URLSearchParams };
}

/** Runs `load` with globals that it captures, whatever stands in their place now or is missing. */
function withGlobals<T>(globals: Readonly<Record<string, unknown>>, load: () => T): T {
  const before = Object.keys(globals).map(
    (name) => [name, getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  for (const [name] of before) defineProperty(globalThis, name, { value: globals[name], configurable: true });
  try {
    return load();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) deleteProperty(globalThis, name);
      else defineProperty(globalThis, name, descriptor);
    }
  }
}
