/**
 * The guest's first code: installs the web platform, keeps the host's functions in its closure, and gives the
 * worker the four functions it may call.
 */
import { makeFetch } from "../../sdk/fetch/guest.ts";
import type { LogLevel } from "../../sdk/wire.ts";
import { AbortController, AbortSignal, setAbortTimer } from "./abort.ts";
import { atob, btoa } from "./base64.ts";
import { structuredClone } from "./clone.ts";
import { makeConsole } from "./console.ts";
import { makeContext, type RunFacts } from "./context.ts";
import { makeCrypto } from "./crypto.ts";
import {
  makeDenoEnvironment,
  makeEnvironment,
  makeProcessEnvironment,
  type Variable,
} from "./environment.ts";
import { describeFailure, failure, PermissionDenied } from "./errors.ts";
import {
  CustomEvent,
  DOMException,
  ErrorEvent,
  Event,
  EventTarget,
  isListenedTo,
  reportError,
} from "./events.ts";
import { restrictGlobals } from "./globals.ts";
import type { Host } from "./host.ts";
import { format } from "./inspect.ts";
import { makeOps } from "./ops.ts";
import { installLazy } from "./lazy.ts";
import { performance, startClock } from "./performance.ts";
import { makeTimers, queueMicrotask } from "./timers.ts";
import { setHostToAscii } from "./tr46.ts";

/** Evaluated by the bundler's loader when it is first called for a module. */
declare const require: {
  (id: "./url.ts"): Readonly<Record<string, unknown>>;
  (id: "./encoding.ts"): {
    readonly TextDecoder: new (
      label: string,
      options: { readonly ignoreBOM: true },
    ) => { decode(bytes: Uint8Array): string };
    readonly TextEncoder: unknown;
  };
};

const { parse, stringify } = JSON;
const { apply } = Reflect;

/** What the worker tells `begin`, as JSON: limits of the run, and where each variable's bytes stand. */
interface Beginning {
  readonly facts: RunFacts;
  readonly limits: { readonly opsInFlight: number; readonly ops: number; readonly outputBytes: number };
  readonly variables: readonly { readonly name: string; readonly hidden: boolean; readonly bytes: number }[];
}

/** The worker's side of the guest. */
export interface Guest {
  /** Prepares context and environment; the entry module then calls the function of this name with the task. */
  begin(json: string, values: ArrayBuffer, hook: string): void;
  settle(id: number, ok: boolean, json: string): void;
  fire(timer: number): void;
  abort(reason: string): void;
  /** What can still wake the task: ops, timers, the abort it listens for. */
  pending(): number;
}

export function boot(host: Host): Guest {
  restrictGlobals(globalThis);
  setHostToAscii(host.toAscii);
  // Half of the bootstrap's time, and most tasks need neither.
  installLazy(globalThis, ["URL", "URLSearchParams"], () => require("./url.ts"));
  installLazy(globalThis, ["TextDecoder", "TextEncoder"], () => ({ ...require("./encoding.ts") }));
  const timers = makeTimers(host);
  setAbortTimer(timers.setTimeout);
  const controller = new AbortController();
  const log = (level: LogLevel, values: readonly unknown[]): void => host.log(level, format(values));
  install({
    AbortController,
    AbortSignal,
    CustomEvent,
    DOMException,
    ErrorEvent,
    Event,
    EventTarget,
    PermissionDenied,
    atob,
    btoa,
    clearInterval: timers.clearInterval,
    clearTimeout: timers.clearTimeout,
    console: makeConsole((level, text) => host.log(level, text)),
    crypto: makeCrypto(host),
    performance,
    queueMicrotask,
    reportError,
    self: globalThis,
    setInterval: timers.setInterval,
    setTimeout: timers.setTimeout,
    structuredClone,
  });
  let ops = makeOps(host, { inFlight: 0, total: 0 });

  return {
    begin(json, values, hook) {
      startClock();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the daemon wrote it
      const { facts, limits, variables: index } = parse(json) as Beginning;
      const variables = decodeVariables(index, values);
      ops = makeOps(host, { inFlight: limits.opsInFlight, total: limits.ops });
      const env = makeEnvironment(variables);
      install({
        Deno: { env: makeDenoEnvironment(env), errors: { NotCapable: PermissionDenied, PermissionDenied } },
        fetch: makeFetch(ops.call),
        process: { env: makeProcessEnvironment(variables) },
      });
      const context = makeContext(facts, { call: ops.call, env, signal: controller.signal, log });
      const main = (task: { readonly default?: unknown }): void => {
        Reflect.deleteProperty(globalThis, hook);
        void run(host, task.default, context, limits.outputBytes);
      };
      Object.defineProperty(globalThis, hook, { value: main, configurable: true });
    },
    settle: (id, ok, json) => ops.settle(id, ok, json),
    fire: timers.fire,
    abort: (reason) => controller.abort(new DOMException(reason, "AbortError")),
    // A task may have nothing left to do but to be told to stop.
    pending: () => ops.pending() + timers.pending() + Number(isListenedTo(controller.signal, "abort")),
  };
}

/** Calls the task and tells the host how it ended, exactly once. */
async function run(host: Host, task: unknown, context: object, outputBytes: number): Promise<void> {
  let ok = true;
  let json: string;
  try {
    if (typeof task !== "function") {
      throw new TypeError(
        `the default export is ${task === undefined ? "missing" : `of type ${typeof task}`}`,
      );
    }
    json = encode(await apply(task, undefined, [context]), outputBytes);
  } catch (error) {
    ok = false;
    const described = typeof task === "function" ? describeFailure(error) : notAFunction(error);
    json = stringify(
      error instanceof OutputError ? failure(error.code, "OutputError", error.message, "", []) : described,
    );
  }
  host.done(ok, json);
}

function notAFunction(error: unknown): object {
  const { name, message } = describeFailure(error);
  const hint = "export one default function: export default async (context) => { … }";
  return failure("TASK_NOT_A_FUNCTION", name, `${message}; a task exports one function`, "", [hint]);
}

/** The output can not be recorded. */
class OutputError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The return value as JSON, "" for undefined. Measured here, so that a huge value never leaves the isolate. */
function encode(value: unknown, maxBytes: number): string {
  if (value === undefined) return "";
  let json: unknown;
  try {
    json = stringify(value);
  } catch (error) {
    throw new OutputError(
      "OUTPUT_INVALID",
      `the return value is not JSON: ${describeFailure(error).message}`,
    );
  }
  if (typeof json !== "string") {
    throw new OutputError("OUTPUT_INVALID", `the return value is not JSON: it is of type ${typeof value}`);
  }
  if (json.length > maxBytes) {
    const message = `the return value has ${json.length} characters of JSON, at most ${maxBytes} bytes are allowed`;
    throw new OutputError("OUTPUT_TOO_LARGE", `${message} (limits.output)`);
  }
  return json;
}

/** The values arrive as bytes: no string of a secret is ever made outside the isolate. */
function decodeVariables(index: Beginning["variables"], values: ArrayBuffer): Variable[] {
  if (index.length === 0) return [];
  // A byte order mark belongs to the value: what the guest prints must be what redaction looks for.
  const decoder = new (require("./encoding.ts").TextDecoder)("utf-8", { ignoreBOM: true });
  let offset = 0;
  return index.map(({ name, hidden, bytes }) => {
    const value = decoder.decode(new Uint8Array(values, offset, bytes));
    offset += bytes;
    return { name, hidden, value };
  });
}

/** Globals as the standard has them: writable, configurable, not enumerable. */
function install(globals: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
