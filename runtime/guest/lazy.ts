/** Globals whose code is evaluated when a task first touches them. */
const { defineProperty } = Object;

/**
 * Defines accessors that turn into plain data properties on the first read or write. `load` is called at most once for
 * each name and returns the values of all of them; what it throws goes to the reader, and the next read tries again.
 */
export function installLazy(
  target: object,
  names: readonly string[],
  load: () => Readonly<Record<string, unknown>>,
): void {
  for (const name of names) {
    const settle = (value: unknown): void => {
      defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
    };
    defineProperty(target, name, {
      get() {
        const value = load()[name];
        // A module that looks for the global while it is being loaded finds nothing yet: that is not its value.
        if (value !== undefined) settle(value);
        return value;
      },
      set: settle,
      configurable: true,
      enumerable: false,
    });
  }
}
