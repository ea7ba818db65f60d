/** Values as text for the console, bounded in depth, items and bytes. Runs no code of the task but traps and toJSON. */
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

const { apply, get, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { stringify } = JSON;
const { isArray } = Array;
const { toString: sourceOf } = Function.prototype;
const { getTime, toISOString } = Date.prototype;
const { entries: entriesOf } = Map.prototype;
const mapSize = getterOf(Map.prototype, "size");
const setSize = getterOf(Set.prototype, "size");
const { values: valuesOf } = Set.prototype;
const stackOf = getterOf(new Error("any"), "stack");
const patternOf = getterOf(RegExp.prototype, "source");
const flagsOf = getterOf(RegExp.prototype, "flags");

/** Objects below objects. */
const MAX_DEPTH = 4;
/** Items or properties of one object. */
const MAX_ITEMS = 100;
/** UTF-16 units of one string, name or stack inside a value. */
const MAX_STRING = 10_000;
/** The whole text, in bytes of UTF-8. */
const MAX_TEXT_BYTES = 60 * 1024;
const CUT_MARK = "… [cut at 60 KiB]";
/** An object is on one line if it fits in this many columns. */
const LINE_COLUMNS = 72;
/** A property that is an item of an array, or a character of a String object. */
const INDEX = /^\d+$/;
/** Array items up to this length share lines. */
const SHORT_ITEM = 16;

/** Strings as they are, anything else in the manner of source code. Never throws. */
export function inspect(value: unknown): string {
  return cut(show(value));
}

/** The text of a console call: `%s %d %i %f %j %o %O %c %%` in the first string, then the rest with spaces. */
export function format(args: readonly unknown[]): string {
  const [first] = args;
  let used = 0;
  let text = "";
  if (typeof first === "string" && args.length > 1) {
    used = 1;
    text = first.slice(0, MAX_TEXT_BYTES).replaceAll(/%[sdifjoOc%]/g, (directive) => {
      if (directive === "%%") return "%";
      return used < args.length ? substitute(directive, args[used++]) : directive;
    });
  }
  for (let index = used; index < args.length && text.length <= MAX_TEXT_BYTES; index++) {
    text += `${index > 0 ? " " : ""}${show(args[index])}`;
  }
  return cut(text);
}

/** At most 60 KiB of `text`, marked where it was cut. */
export function cut(text: string): string {
  if (text.length * 3 <= MAX_TEXT_BYTES) return text;
  let bytes = 0;
  let end = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (bytes <= MAX_TEXT_BYTES - 3 * CUT_MARK.length) end = index + 1;
    if (bytes > MAX_TEXT_BYTES) return `${text.slice(0, end).toWellFormed()}${CUT_MARK}`;
  }
  return text;
}

function show(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT_BYTES + 1) : new Printer().print(value, 0);
}

function substitute(directive: string, value: unknown): string {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  switch (directive) {
    case "%d":
    case "%i":
    case "%f":
      if (typeof value === "symbol" || isObject) return "NaN";
      if (typeof value === "bigint") return `${value}n`;
      if (directive === "%d") return show(Number(value));
      return show(directive === "%i" ? parseInt(String(value), 10) : parseFloat(String(value)));
    case "%j":
      try {
        return show(stringify(value) ?? "undefined");
      } catch {
        return show(value);
      }
    case "%c":
      return "";
    default:
      return directive === "%s" ? show(value) : new Printer().print(value, 0);
  }
}

/** Prints one value; `#left` bounds the work, not only the text. */
class Printer {
  #left = MAX_TEXT_BYTES;
  /** The objects around the present one. */
  readonly #path: object[] = [];

  print(value: unknown, depth: number): string {
    if (typeof value === "string") return this.#quote(value);
    if (typeof value === "bigint") return this.#leaf(`${value}n`);
    if (typeof value === "function") return this.#enter(value, depth);
    if (typeof value === "object" && value !== null) return this.#enter(value, depth);
    return this.#leaf(Object.is(value, -0) ? "-0" : String(value));
  }

  #leaf(text: string): string {
    const rest = text.length - MAX_STRING;
    const shown = rest > 0 ? `${text.slice(0, MAX_STRING)}… ${rest} more characters` : text;
    this.#left -= shown.length;
    return shown;
  }

  #quote(text: string): string {
    const rest = text.length - MAX_STRING;
    if (rest <= 0) return this.#leaf(stringify(text));
    this.#left -= MAX_STRING;
    return `${stringify(text.slice(0, MAX_STRING))}… ${rest} more characters`;
  }

  #enter(value: object, depth: number): string {
    if (this.#path.includes(value)) return this.#leaf("[Circular]");
    this.#path.push(value);
    try {
      return this.#object(value, depth);
    } catch {
      return this.#leaf("[uninspectable]");
    } finally {
      this.#path.pop();
    }
  }

  #object(value: object, depth: number): string {
    const name = className(value);
    const list = isArray(value);
    const view = viewName(value);
    if (depth > MAX_DEPTH && !isError(value) && typeof value !== "function")
      return this.#leaf(`[${name ?? "Object"}]`);
    if (list || (view !== undefined && view !== "DataView")) {
      const length = Number(get(value, "length"));
      const head = name === "Array" ? "" : `${name}(${length}) `;
      return layout(this.#leaf(head), "[", this.#indexed(value, length, list, depth), "]");
    }
    return layout(this.#leaf(this.#head(value, name)), "{", this.#contents(value, depth), "}");
  }

  /** What stands before the braces; for a value that rarely has properties, all of it. */
  #head(value: object, name: string | undefined): string {
    if (typeof value === "function") return functionHead(value);
    if (isError(value)) return errorHead(value, name);
    if (isDate(value))
      return Number.isNaN(apply(getTime, value, [])) ? "Invalid Date" : apply(toISOString, value, []);
    if (isRegExp(value))
      return `/${String(apply(patternOf, value, []))}/${String(apply(flagsOf, value, []))}`;
    const primitive = unbox(value);
    if (primitive !== undefined) return `[${name}: ${new Printer().print(primitive, 0)}]`;
    if (isMap(value)) return `${name}(${String(apply(mapSize, value, []))}) `;
    if (isSet(value)) return `${name}(${String(apply(setSize, value, []))}) `;
    if (name === undefined) return "[null prototype] ";
    return name === "Object" ? "" : `${name} `;
  }

  #contents(value: object, depth: number): string[] {
    const items: string[] = [];
    if (isMap(value)) {
      for (const [key, item] of apply(entriesOf, value, [])) {
        if (this.#full(items, Number(apply(mapSize, value, [])))) break;
        items.push(`${this.print(key, depth + 1)} => ${this.print(item, depth + 1)}`);
      }
    } else if (isSet(value)) {
      for (const item of apply(valuesOf, value, [])) {
        if (this.#full(items, Number(apply(setSize, value, [])))) break;
        items.push(this.print(item, depth + 1));
      }
    } else if (isArrayBuffer(value) || ArrayBuffer.isView(value)) {
      items.push(`byteLength: ${value.byteLength}`);
    }
    this.#properties(items, value, depth, typeof unbox(value) === "string" ? INDEX : undefined);
    return items;
  }

  #indexed(value: object, length: number, list: boolean, depth: number): string[] {
    const items: string[] = [];
    let holes = 0;
    const flush = (): void => {
      if (holes > 0) items.push(this.#leaf(`<${holes} empty item${holes > 1 ? "s" : ""}>`));
      holes = 0;
    };
    let index = 0;
    for (; index < length && index < MAX_ITEMS && this.#left > 0; index++) {
      const descriptor = getOwnPropertyDescriptor(value, index);
      if (descriptor === undefined) holes++;
      else {
        flush();
        items.push(this.#slot(descriptor, depth));
      }
    }
    flush();
    if (index < length) items.push(this.#leaf(`… ${length - index} more`));
    // The keys of a long array alone would be many.
    else if (list) this.#properties(items, value, depth, INDEX);
    return items;
  }

  /** Appends the own enumerable properties, and what an error hides. */
  #properties(items: string[], value: object, depth: number, skip?: RegExp): void {
    const error = isError(value);
    const all = ownKeys(value);
    for (const key of all) {
      const descriptor = getOwnPropertyDescriptor(value, key);
      const hidden = error && (key === "cause" || key === "errors");
      if (descriptor === undefined || !(descriptor.enumerable === true || hidden)) continue;
      if (typeof key === "string" && skip?.test(key) === true) continue;
      if (this.#full(items, all.length)) return;
      items.push(`${hidden ? `[${key}]` : this.#key(key)}: ${this.#slot(descriptor, depth)}`);
    }
  }

  #key(key: string | symbol): string {
    if (typeof key === "symbol") return this.#leaf(`[${String(key)}]`);
    return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key) ? this.#leaf(key) : this.#quote(key);
  }

  #slot({ get, set, value }: PropertyDescriptor, depth: number): string {
    if (get !== undefined) return this.#leaf(set === undefined ? "[Getter]" : "[Getter/Setter]");
    return set === undefined ? this.print(value, depth + 1) : this.#leaf("[Setter]");
  }

  /** Says so in `items` when no more fit. */
  #full(items: string[], total: number): boolean {
    if (items.length < MAX_ITEMS && this.#left > 0) return false;
    items.push(this.#leaf(`… ${total - items.length} more`));
    return true;
  }
}

function layout(head: string, open: string, items: readonly string[], close: string): string {
  if (items.length === 0) return head === "" || head.endsWith(" ") ? `${head}${open}${close}` : head;
  const start = head === "" || head.endsWith(" ") ? head : `${head} `;
  const line = `${open} ${items.join(", ")} ${close}`;
  const column = start.length - 1 - start.lastIndexOf("\n");
  if (column + line.length <= LINE_COLUMNS && !line.includes("\n")) return `${start}${line}`;
  const lines = open === "[" && items.every((item) => item.length <= SHORT_ITEM) ? fill(items) : items;
  const body = lines.map((item) => `  ${item.replaceAll("\n", "\n  ")}`).join(",\n");
  return `${start}${open}\n${body}\n${close}`;
}

/** Short items, several to a line. */
function fill(items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const item of items) {
    if (line !== "" && line.length + item.length + 2 > LINE_COLUMNS) {
      lines.push(line);
      line = item;
    } else line = line === "" ? item : `${line}, ${item}`;
  }
  return [...lines, line];
}

/** The name of the nearest constructor; undefined without a prototype. */
function className(value: object): string | undefined {
  for (let prototype = getPrototypeOf(value); prototype !== null; prototype = getPrototypeOf(prototype)) {
    const constructor: unknown = getOwnPropertyDescriptor(prototype, "constructor")?.value;
    const name = typeof constructor === "function" ? ownName(constructor) : "";
    if (name !== "") return name;
  }
  return undefined;
}

function ownName(object: object): string {
  const name: unknown = getOwnPropertyDescriptor(object, "name")?.value;
  return typeof name === "string" ? name : "";
}

function functionHead(value: object): string {
  const name = ownName(value) || "(anonymous)";
  return apply(sourceOf, value, []).startsWith("class") ? `[class ${name}]` : `[Function: ${name}]`;
}

/** The stack, which begins with name and message. */
function errorHead(error: Error, name: string | undefined): string {
  const own = getOwnPropertyDescriptor(error, "stack");
  const stack: unknown = own?.get === stackOf ? apply(stackOf, error, []) : own?.value;
  if (typeof stack === "string" && stack !== "") return stack;
  const message: unknown = getOwnPropertyDescriptor(error, "message")?.value;
  return `[${name ?? "Error"}${typeof message === "string" ? `: ${message}` : ""}]`;
}
