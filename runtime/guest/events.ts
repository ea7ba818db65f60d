/** DOMException, Event, CustomEvent, ErrorEvent and EventTarget. */
import { performance } from "./performance.ts";

const { apply, deleteProperty } = Reflect;
const { defineProperty } = Object;
const { reject } = Promise;

declare global {
  interface ErrorConstructor {
    captureStackTrace(error: object, above: unknown): void;
  }
}
const { captureStackTrace } = Error;

/** Legacy codes, at their number; later names have code 0. */
const LEGACY_NAMES = [
  ["IndexSizeError", "INDEX_SIZE_ERR"],
  ["", "DOMSTRING_SIZE_ERR"],
  ["HierarchyRequestError", "HIERARCHY_REQUEST_ERR"],
  ["WrongDocumentError", "WRONG_DOCUMENT_ERR"],
  ["InvalidCharacterError", "INVALID_CHARACTER_ERR"],
  ["", "NO_DATA_ALLOWED_ERR"],
  ["NoModificationAllowedError", "NO_MODIFICATION_ALLOWED_ERR"],
  ["NotFoundError", "NOT_FOUND_ERR"],
  ["NotSupportedError", "NOT_SUPPORTED_ERR"],
  ["InUseAttributeError", "INUSE_ATTRIBUTE_ERR"],
  ["InvalidStateError", "INVALID_STATE_ERR"],
  ["SyntaxError", "SYNTAX_ERR"],
  ["InvalidModificationError", "INVALID_MODIFICATION_ERR"],
  ["NamespaceError", "NAMESPACE_ERR"],
  ["InvalidAccessError", "INVALID_ACCESS_ERR"],
  ["", "VALIDATION_ERR"],
  ["TypeMismatchError", "TYPE_MISMATCH_ERR"],
  ["SecurityError", "SECURITY_ERR"],
  ["NetworkError", "NETWORK_ERR"],
  ["AbortError", "ABORT_ERR"],
  ["URLMismatchError", "URL_MISMATCH_ERR"],
  ["QuotaExceededError", "QUOTA_EXCEEDED_ERR"],
  ["TimeoutError", "TIMEOUT_ERR"],
  ["InvalidNodeTypeError", "INVALID_NODE_TYPE_ERR"],
  ["DataCloneError", "DATA_CLONE_ERR"],
] as const;

export class DOMException extends Error {
  readonly #name: string;
  readonly #message: string;

  constructor(message: unknown = "", name: unknown = "Error") {
    const text = String(message);
    super(text);
    this.#message = text;
    this.#name = String(name);
    // Once more, now that there is a name. V8 puts only an own message in the head of a stack.
    captureStackTrace(this, DOMException);
    deleteProperty(this, "message");
  }

  override get name(): string {
    // V8 also asks while the constructor runs.
    return #name in this ? this.#name : "Error";
  }

  override get message(): string {
    return #message in this ? this.#message : "";
  }

  get code(): number {
    return this.#name === "" ? 0 : LEGACY_NAMES.findIndex(([name]) => name === this.#name) + 1;
  }

  get [Symbol.toStringTag](): string {
    return "DOMException";
  }

  static {
    for (const [index, [, constant]] of LEGACY_NAMES.entries()) {
      const descriptor = { value: index + 1, enumerable: true };
      defineProperty(this, constant, descriptor);
      defineProperty(this.prototype, constant, descriptor);
    }
  }
}

export interface EventInit {
  readonly bubbles?: boolean;
  readonly cancelable?: boolean;
  readonly composed?: boolean;
}

interface EventState {
  target: EventTarget | null;
  dispatching: boolean;
  stopped: boolean;
  stoppedNow: boolean;
  canceled: boolean;
  /** A passive listener is running: preventDefault() has no effect. */
  passive: boolean;
  trusted: boolean;
}

const NONE = 0;
const AT_TARGET = 2;

/** Throws TypeError for what is not an Event. */
let stateOf: (event: Event) => EventState;

export class Event {
  readonly #type: string;
  readonly #init: EventInit;
  readonly #timeStamp = performance.now();
  readonly #state: EventState = {
    target: null,
    dispatching: false,
    stopped: false,
    stoppedNow: false,
    canceled: false,
    passive: false,
    trusted: false,
  };

  constructor(type: unknown, init?: EventInit | null) {
    if (arguments.length === 0) throw new TypeError("Event needs a type");
    this.#type = String(type);
    this.#init = {
      bubbles: Boolean(init?.bubbles),
      cancelable: Boolean(init?.cancelable),
      composed: Boolean(init?.composed),
    };
  }

  get type(): string {
    return this.#type;
  }

  get target(): EventTarget | null {
    return this.#state.target;
  }

  get srcElement(): EventTarget | null {
    return this.#state.target;
  }

  get currentTarget(): EventTarget | null {
    return this.#state.dispatching ? this.#state.target : null;
  }

  composedPath(): EventTarget[] {
    const { dispatching, target } = this.#state;
    return dispatching && target !== null ? [target] : [];
  }

  get eventPhase(): number {
    return this.#state.dispatching ? AT_TARGET : NONE;
  }

  stopPropagation(): void {
    this.#state.stopped = true;
  }

  get cancelBubble(): boolean {
    return this.#state.stopped;
  }

  set cancelBubble(value: boolean) {
    if (value) this.#state.stopped = true;
  }

  stopImmediatePropagation(): void {
    this.#state.stopped = true;
    this.#state.stoppedNow = true;
  }

  get bubbles(): boolean {
    return this.#init.bubbles === true;
  }

  get cancelable(): boolean {
    return this.#init.cancelable === true;
  }

  get returnValue(): boolean {
    return !this.#state.canceled;
  }

  set returnValue(value: boolean) {
    if (!value) this.preventDefault();
  }

  preventDefault(): void {
    if (this.cancelable && !this.#state.passive) this.#state.canceled = true;
  }

  get defaultPrevented(): boolean {
    return this.#state.canceled;
  }

  get composed(): boolean {
    return this.#init.composed === true;
  }

  get isTrusted(): boolean {
    return this.#state.trusted;
  }

  get timeStamp(): number {
    return this.#timeStamp;
  }

  get [Symbol.toStringTag](): string {
    return "Event";
  }

  static {
    stateOf = (event) => event.#state;
    for (const [value, constant] of ["NONE", "CAPTURING_PHASE", "AT_TARGET", "BUBBLING_PHASE"].entries()) {
      const descriptor = { value, enumerable: true };
      defineProperty(this, constant, descriptor);
      defineProperty(this.prototype, constant, descriptor);
    }
  }
}

export class CustomEvent extends Event {
  readonly #detail: unknown;

  constructor(type: unknown, init?: (EventInit & { readonly detail?: unknown }) | null) {
    super(type, init);
    this.#detail = init?.detail ?? null;
  }

  get detail(): unknown {
    return this.#detail;
  }

  override get [Symbol.toStringTag](): string {
    return "CustomEvent";
  }
}

export interface ErrorEventInit extends EventInit {
  readonly message?: unknown;
  readonly filename?: unknown;
  readonly lineno?: unknown;
  readonly colno?: unknown;
  readonly error?: unknown;
}

export class ErrorEvent extends Event {
  readonly #fault: ErrorEventInit;

  constructor(type: unknown, init?: ErrorEventInit | null) {
    super(type, init);
    this.#fault = { ...init };
  }

  get message(): string {
    const { message = "" } = this.#fault;
    return String(message);
  }

  get filename(): string {
    const { filename = "" } = this.#fault;
    return String(filename);
  }

  get lineno(): number {
    return Number(this.#fault.lineno ?? 0);
  }

  get colno(): number {
    return Number(this.#fault.colno ?? 0);
  }

  get error(): unknown {
    return this.#fault.error;
  }

  override get [Symbol.toStringTag](): string {
    return "ErrorEvent";
  }
}

/** For an error that has no caller to be thrown at: it becomes an unhandled rejection, which fails the run. */
export function reportError(error: unknown): void {
  void apply(reject, Promise, [error]);
}

/** What AbortSignal adds to listeners. Returns false when `signal` was aborted already; throws if it is no signal. */
let onAbort: (signal: unknown, steps: () => void) => boolean = () => {
  throw new TypeError("signal is not an AbortSignal");
};

/** For abort.ts, which is built on this file. */
export function setOnAbort(hook: typeof onAbort): void {
  onAbort = hook;
}

export type EventHandler = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

export interface ListenerOptions {
  readonly capture?: boolean;
  readonly once?: boolean;
  readonly passive?: boolean;
  readonly signal?: unknown;
}

interface Listener {
  readonly callback: EventHandler;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

/** Whether anybody would hear an event of this type. */
export let isListenedTo: (target: EventTarget, type: string) => boolean;

/** Dispatches an event that says it comes from the runtime. */
export let fireTrusted: (target: EventTarget, event: Event) => void;

export class EventTarget {
  readonly #listeners = new Map<string, readonly Listener[]>();

  addEventListener(
    type: unknown,
    callback: EventHandler | null,
    options?: boolean | ListenerOptions | null,
  ): void {
    const flags = typeof options === "object" ? options : null;
    const { signal } = flags ?? {};
    const listener = {
      capture: captures(options),
      once: Boolean(flags?.once),
      passive: Boolean(flags?.passive),
      removed: false,
    };
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeError("event listener is not a function or an object");
    }
    if (signal !== undefined) {
      if (!onAbort(signal, () => this.removeEventListener(type, callback, listener.capture))) return;
    }
    const name = String(type);
    const list = this.#listeners.get(name) ?? [];
    if (list.some((other) => other.callback === callback && other.capture === listener.capture)) return;
    this.#listeners.set(name, [...list, { callback, ...listener }]);
  }

  removeEventListener(
    type: unknown,
    callback: EventHandler | null,
    options?: boolean | ListenerOptions | null,
  ): void {
    const name = String(type);
    const capture = captures(options);
    for (const listener of this.#listeners.get(name) ?? []) {
      if (listener.callback === callback && listener.capture === capture) this.#remove(name, listener);
    }
  }

  /** Returns false when a listener prevented the default. */
  dispatchEvent(event: Event): boolean {
    const state = stateOf(event);
    if (state.dispatching)
      throw new DOMException("The event is already being dispatched", "InvalidStateError");
    state.trusted = false;
    return this.#dispatch(event, state);
  }

  #remove(type: string, listener: Listener): void {
    listener.removed = true;
    const rest = this.#listeners.get(type)?.filter((other) => other !== listener) ?? [];
    if (rest.length === 0) this.#listeners.delete(type);
    else this.#listeners.set(type, rest);
  }

  #dispatch(event: Event, state: EventState): boolean {
    state.dispatching = true;
    state.target = this;
    // There is no tree: the target itself sees first its capturing, then its other listeners.
    this.#invoke(event, state, true);
    if (!state.stopped) this.#invoke(event, state, false);
    state.dispatching = false;
    state.stopped = false;
    state.stoppedNow = false;
    return !state.canceled;
  }

  #invoke(event: Event, state: EventState, capture: boolean): void {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      if (state.stoppedNow) return;
      if (listener.removed || listener.capture !== capture) continue;
      if (listener.once) this.#remove(event.type, listener);
      state.passive = listener.passive;
      try {
        call(listener.callback, this, event);
      } catch (error) {
        reportError(error);
      }
      state.passive = false;
    }
  }

  get [Symbol.toStringTag](): string {
    return "EventTarget";
  }

  static {
    isListenedTo = (target, type) => target.#listeners.has(type);
    fireTrusted = (target, event) => {
      const state = stateOf(event);
      state.trusted = true;
      target.#dispatch(event, state);
    };
  }
}

function captures(options: boolean | ListenerOptions | null | undefined): boolean {
  return Boolean(typeof options === "object" ? options?.capture : options);
}

function call(callback: EventHandler, target: EventTarget, event: Event): void {
  if (typeof callback === "function") {
    apply(callback, target, [event]);
    return;
  }
  const { handleEvent } = callback;
  if (typeof handleEvent !== "function") throw new TypeError("handleEvent is not a function");
  apply(handleEvent, callback, [event]);
}
