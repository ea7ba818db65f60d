/** What an object really is: judged by its internal slots, so that neither Symbol.toStringTag nor a prototype can lie. */
const { apply, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;
const { isPrototypeOf } = Object.prototype;

declare global {
  interface ErrorConstructor {
    isError(value: unknown): value is Error;
  }
}
export const { isError } = Error;

/** The getter of an accessor property that is known to exist. */
export function getterOf(object: object, key: PropertyKey): (this: unknown) => unknown {
  const get = getOwnPropertyDescriptor(object, key)?.get;
  if (get === undefined) throw new TypeError(`no getter ${String(key)}`);
  return get;
}

/**
 * A check for one built-in type; `probe` throws on anything else. The prototype is looked at first because a throw is
 * slow: what has the slots but not the prototype is taken for a plain object.
 */
function brand<T extends object>(
  { prototype }: { readonly prototype: T },
  probe: (this: T) => unknown,
): (value: object) => value is T {
  return (value): value is T => {
    if (!apply(isPrototypeOf, prototype, [value])) return false;
    try {
      apply(probe, value, []);
      return true;
    } catch {
      return false;
    }
  };
}

export const isMap = brand<Map<unknown, unknown>>(Map, getterOf(Map.prototype, "size"));
export const isSet = brand<Set<unknown>>(Set, getterOf(Set.prototype, "size"));
export const isDate = brand<Date>(Date, Date.prototype.getTime);
export const isRegExp = brand<RegExp>(RegExp, getterOf(RegExp.prototype, "hasIndices"));
export const isArrayBuffer = brand<ArrayBuffer>(ArrayBuffer, getterOf(ArrayBuffer.prototype, "byteLength"));

const boxes = [Boolean, Number, String, BigInt, Symbol].map((constructor) => {
  const { valueOf } = constructor.prototype;
  return { isBox: brand<object>(constructor, valueOf), valueOf };
});

/** The primitive in a Boolean, Number, String, BigInt or Symbol object; undefined for anything else. */
export function unbox(value: object): unknown {
  for (const { isBox, valueOf } of boxes) if (isBox(value)) return apply(valueOf, value, []);
  return undefined;
}

const typedArrayTag = getterOf(getPrototypeOf(Uint8Array.prototype) ?? {}, Symbol.toStringTag);

/** "Uint8Array" and so on, "DataView"; undefined for what is no view of a buffer. */
export function viewName(value: unknown): string | undefined {
  if (!ArrayBuffer.isView(value)) return undefined;
  const tag = apply(typedArrayTag, value, []);
  return typeof tag === "string" ? tag : "DataView";
}
