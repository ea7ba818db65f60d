/** What a task may ask of the world around it: its dotenv files, then the daemon's variables, minus hidden names. */
import type { HiddenNames } from "./hidden.ts";

export type HostAnswer =
  | { readonly kind: "found"; readonly value: string; readonly from: "dotenv" | "daemon" }
  /** Refused by name; says nothing on whether it is set. */
  | { readonly kind: "hidden" }
  | { readonly kind: "missing" };

export interface HostEnvironmentOptions {
  readonly dotenv: ReadonlyMap<string, string>;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly hidden: HiddenNames;
}

/** The one place that reads a variable for a task. */
export class HostEnvironment {
  readonly #dotenv: ReadonlyMap<string, string>;
  readonly #variables: Readonly<Record<string, string | undefined>>;
  readonly #hidden: HiddenNames;

  constructor(options: HostEnvironmentOptions) {
    this.#dotenv = options.dotenv;
    this.#variables = options.variables;
    this.#hidden = options.hidden;
  }

  /** A variable that is set but empty is found; whether that counts is the asker's choice. */
  lookup(name: string): HostAnswer {
    if (this.#hidden(name)) return { kind: "hidden" };
    const noted = this.#dotenv.get(name);
    if (noted !== undefined) return { kind: "found", value: noted, from: "dotenv" };
    const value = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
    return value === undefined ? { kind: "missing" } : { kind: "found", value, from: "daemon" };
  }
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function isVariableName(text: string): boolean {
  return VARIABLE_NAME.test(text);
}
