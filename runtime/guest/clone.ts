/** structuredClone: the standard's serialisable types, with transfer of ArrayBuffers. */
import {
  getterOf,
  isArrayBuffer,
  isDate,
  isError,
  isMap,
  isRegExp,
  isSet,
  unbox,
  viewName,
} from "./brand.ts";
import { AbortController } from "./abort.ts";
import { DOMException, Event, EventTarget } from "./events.ts";

const { apply, defineProperty, get, getPrototypeOf } = Reflect;
const { hasOwn, keys, prototype: objectPrototype } = Object;
const { isPrototypeOf } = objectPrototype;
const { isArray } = Array;
const { isView, prototype: bufferPrototype } = ArrayBuffer;
const isDetached = getterOf(bufferPrototype, "detached");
const { getTime } = Date.prototype;
const { forEach: forEachEntry, set: setEntry } = Map.prototype;
const { forEach: forEachMember, add: addMember } = Set.prototype;
const regExpSource = getterOf(RegExp.prototype, "source");
const regExpFlags = getterOf(RegExp.prototype, "flags");

declare global {
  interface ArrayBuffer {
    transfer(): ArrayBuffer;
  }
  var Float16Array: typeof Float32Array | undefined;
}
const { transfer } = bufferPrototype;

/** Errors that keep their kind; any other becomes a plain Error. */
const ERRORS: ReadonlyMap<unknown, ErrorConstructor> = new Map(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((kind) => [kind.name, kind]),
);

interface ViewConstructor {
  readonly name: string;
  readonly BYTES_PER_ELEMENT?: number;
  new (buffer: ArrayBuffer, offset: number, length: number): ArrayBufferView;
}

const VIEWS: ReadonlyMap<string | undefined, ViewConstructor> = new Map(
  [
    DataView,
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    BigInt64Array,
    BigUint64Array,
    Float32Array,
    Float64Array,
    // Missing while a snapshot is made.
    ...(globalThis.Float16Array === undefined ? [] : [globalThis.Float16Array]),
  ].map((kind: ViewConstructor) => [kind.name, kind]),
);

/** Prototypes of what has a state that properties do not show. */
const uncloneable: unknown[] = [
  Promise.prototype,
  WeakMap.prototype,
  WeakSet.prototype,
  WeakRef.prototype,
  FinalizationRegistry.prototype,
  getPrototypeOf(getPrototypeOf([][Symbol.iterator]()) ?? {}),
  getPrototypeOf(getPrototypeOf(async function* nothing() {}.prototype) ?? {}),
  Event.prototype,
  EventTarget.prototype,
  AbortController.prototype,
];

/** Makes structuredClone() refuse the instances of a class instead of giving an empty object. */
export function markUncloneable({ prototype }: { readonly prototype: unknown }): void {
  uncloneable.push(prototype);
}

/** A transferred buffer, or a view of one: made only once nothing can fail any more. */
class Pending<T extends object = object> {
  #value: T | undefined;
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  value(): T {
    this.#value ??= this.#make();
    return this.#value;
  }
}

export interface CloneOptions {
  readonly transfer?: Iterable<unknown>;
}

/** Throws DataCloneError, leaving every buffer as it was, when a part of `value` can not be cloned or transferred. */
export function structuredClone(value: unknown, options?: CloneOptions | null): unknown {
  if (arguments.length === 0) throw new TypeError("structuredClone() takes a value");
  const cloner = new Cloner();
  cloner.move(transferList(options));
  const result = cloner.clone(value);
  cloner.finish();
  return made(result);
}

class Cloner {
  /** What each object met so far has become. */
  readonly #copies = new Map<object, unknown>();
  readonly #moved = new Map<ArrayBuffer, Pending<ArrayBuffer>>();
  /** Puts in place what was pending. */
  readonly #later: (() => void)[] = [];

  /** Announces the buffers to transfer. */
  move(list: readonly unknown[]): void {
    for (const item of list) {
      if (typeof item !== "object" || item === null) throw new TypeError("transfer takes objects");
      if (!isArrayBuffer(item)) throw refusal("A value in the transfer list");
      if (this.#moved.has(item)) throw refusal("A buffer that is twice in the transfer list");
      this.#moved.set(item, this.#keep(item, new Pending(() => apply(transfer, item, []))));
    }
  }

  clone(value: unknown): unknown {
    if (typeof value === "symbol" || typeof value === "function") throw refusal(String(value));
    if (typeof value !== "object" || value === null) return value;
    if (this.#copies.has(value)) return this.#copies.get(value);
    if (isArray(value)) return this.#fill(value, Object.assign([], { length: value.length }));
    const prototype = getPrototypeOf(value);
    if (prototype === objectPrototype || prototype === null) return this.#fill(value, {});
    return this.#cloneSpecial(value) ?? this.#fill(value, {});
  }

  /** Transfers the buffers and completes the copies. */
  finish(): void {
    for (const buffer of this.#moved.keys())
      if (apply(isDetached, buffer, [])) throw refusal("A detached ArrayBuffer");
    for (const pending of this.#moved.values()) pending.value();
    for (const step of this.#later) step();
  }

  /** A copy of an object with internal slots; undefined for any other. */
  #cloneSpecial(source: object): object | undefined {
    const primitive = unbox(source);
    if (typeof primitive === "symbol") throw refusal("A Symbol object");
    if (primitive !== undefined) return this.#keep(source, Object(primitive));
    if (isDate(source)) return this.#keep(source, new Date(apply(getTime, source, [])));
    if (isRegExp(source)) {
      const [pattern, flags] = [apply(regExpSource, source, []), apply(regExpFlags, source, [])];
      return this.#keep(source, new RegExp(String(pattern), String(flags)));
    }
    if (isArrayBuffer(source)) return this.#cloneBuffer(source);
    if (isView(source)) return this.#cloneView(source);
    if (isMap(source)) return this.#cloneMap(source);
    if (isSet(source)) return this.#cloneSet(source);
    if (source instanceof DOMException)
      return this.#cloneError(source, new DOMException(source.message, source.name));
    if (isError(source)) return this.#cloneError(source, new (ERRORS.get(source.name) ?? Error)());
    if (uncloneable.some((prototype) => apply(isPrototypeOf, prototype, [source]))) {
      throw refusal(apply(objectPrototype.toString, source, []));
    }
    return undefined;
  }

  #cloneBuffer(source: ArrayBuffer): ArrayBuffer {
    const known = this.#copies.get(source);
    if (known instanceof ArrayBuffer) return known;
    if (apply(isDetached, source, [])) throw refusal("A detached ArrayBuffer");
    const copy = new ArrayBuffer(source.byteLength);
    new Uint8Array(copy).set(new Uint8Array(source));
    return this.#keep(source, copy);
  }

  #cloneView(source: ArrayBufferView): object {
    const View = VIEWS.get(viewName(source));
    const { buffer, byteOffset, byteLength } = source;
    if (View === undefined || !isArrayBuffer(buffer)) throw refusal("A view of this kind");
    const length = byteLength / (View.BYTES_PER_ELEMENT ?? 1);
    const moved = this.#moved.get(buffer);
    if (moved !== undefined) {
      return this.#keep(source, new Pending(() => new View(moved.value(), byteOffset, length)));
    }
    return this.#keep(source, new View(this.#cloneBuffer(buffer), byteOffset, length));
  }

  #cloneMap(source: Map<unknown, unknown>): object {
    const copy = this.#keep(source, new Map<unknown, unknown>());
    const entries: [unknown, unknown][] = [];
    apply(forEachEntry, source, [(value: unknown, key: unknown) => void entries.push([key, value])]);
    for (const entry of entries) {
      entry[0] = this.clone(entry[0]);
      entry[1] = this.clone(entry[1]);
    }
    this.#later.push(() => {
      for (const [key, value] of entries) apply(setEntry, copy, [made(key), made(value)]);
    });
    return copy;
  }

  #cloneSet(source: Set<unknown>): object {
    const copy = this.#keep(source, new Set());
    const members: unknown[] = [];
    apply(forEachMember, source, [(member: unknown) => void members.push(member)]);
    const copies = members.map((member) => this.clone(member));
    this.#later.push(() => {
      for (const member of copies) apply(addMember, copy, [made(member)]);
    });
    return copy;
  }

  #cloneError(source: Error, copy: Error): object {
    this.#keep(source, copy);
    if (!(copy instanceof DOMException) && hasOwn(source, "message"))
      this.#put(copy, "message", source.message, false);
    if (typeof source.stack === "string") this.#put(copy, "stack", source.stack, false);
    if (hasOwn(source, "cause")) this.#put(copy, "cause", this.clone(source.cause), false);
    return copy;
  }

  /** Copies the own enumerable properties. */
  #fill(source: object, copy: object): object {
    this.#keep(source, copy);
    // A getter may delete a later property.
    for (const key of keys(source))
      if (hasOwn(source, key)) this.#put(copy, key, this.clone(get(source, key)), true);
    return copy;
  }

  #put(copy: object, key: string, value: unknown, enumerable: boolean): void {
    defineProperty(copy, key, { value, enumerable, writable: true, configurable: true });
    if (value instanceof Pending) this.#later.push(() => defineProperty(copy, key, { value: value.value() }));
  }

  #keep<T>(source: object, copy: T): T {
    this.#copies.set(source, copy);
    return copy;
  }
}

function made(value: unknown): unknown {
  return value instanceof Pending ? value.value() : value;
}

function transferList(options: unknown): readonly unknown[] {
  if (options === undefined || options === null) return [];
  if (typeof options !== "object" && typeof options !== "function") {
    throw new TypeError("the options of structuredClone() are not an object");
  }
  const list: unknown = get(options, "transfer");
  if (list === undefined) return [];
  if (!isIterable(list)) throw new TypeError("transfer is not a list");
  return [...list];
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

function refusal(what: string): DOMException {
  return new DOMException(`${what} could not be cloned`, "DataCloneError");
}
