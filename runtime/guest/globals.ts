/** Takes away what a task has no use for and an attacker has. Hygiene: the limits are held by the daemon. */

/**
 * Removes shared and unmetered memory: WebAssembly, SharedArrayBuffer and Atomics, and the resizable form of
 * ArrayBuffer, whose growth the engine does not count. (They come back in isolates made from a snapshot, so this
 * runs in every isolate.)
 */
export function restrictGlobals(global: typeof globalThis): void {
  for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics"]) Reflect.deleteProperty(global, name);
  const Native = ArrayBuffer;
  // Deleting `resize` alone is not enough: the constructor's options would still reserve the memory.
  const Fixed = function ArrayBuffer(this: unknown, length: number): object {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    return Reflect.construct(Native, [length], new.target);
  };
  Object.defineProperty(Fixed, "prototype", { value: Native.prototype, writable: false });
  Object.defineProperty(Fixed, "isView", { value: Native.isView, writable: true, configurable: true });
  Object.defineProperty(Fixed, Symbol.species, {
    get(this: unknown) {
      return this;
    },
    configurable: true,
  });
  Object.defineProperty(Native.prototype, "constructor", {
    value: Fixed,
    writable: true,
    configurable: true,
  });
  Reflect.deleteProperty(Native.prototype, "resize");
  Object.defineProperty(global, "ArrayBuffer", { value: Fixed, writable: true, configurable: true });
}
