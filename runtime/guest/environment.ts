/** The run's environment: three views of the variables the manifest declares, and of nothing else. */

/** `hidden` variables (secrets) are readable by name and never listed. */
export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly hidden: boolean;
}

export type Environment = Readonly<Record<string, string>>;

/** The context's `env`: read-only, without a prototype, so that no inherited name can be mistaken for a variable. */
export function makeEnvironment(variables: readonly Variable[]): Environment {
  return Object.freeze(define(variables, false));
}

/** `process.env`: the same, but assignments stay inside the run, as programs expect. */
export function makeProcessEnvironment(variables: readonly Variable[]): Record<string, string> {
  return define(variables, true);
}

/** `Deno.env`: the read-only part. */
export function makeDenoEnvironment(environment: Environment): object {
  return Object.freeze({
    get: (name: string): string | undefined => environment[name],
    has: (name: string): boolean => name in environment,
    toObject: (): Record<string, string> => ({ ...environment }),
  });
}

function define(variables: readonly Variable[], writable: boolean): Record<string, string> {
  const target: Record<string, string> = Object.create(null);
  for (const { name, value, hidden } of variables) {
    Object.defineProperty(target, name, { value, enumerable: !hidden, writable, configurable: writable });
  }
  return target;
}
