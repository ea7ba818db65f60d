/** The guest's web platform in a real isolate, with a host the test holds. */
import { join } from "node:path";
import vm from "node:vm";
import { domainToASCII } from "node:url";
import { build } from "esbuild";
import ivm from "isolated-vm";

const GUEST = join(import.meta.dirname, "../../../runtime/guest");

const ENTRY = `
  export * from "./events.ts"; export * from "./abort.ts"; export * from "./clone.ts"; export * from "./encoding.ts";
  export * from "./base64.ts"; export * from "./url.ts"; export * from "./tr46.ts"; export * from "./crypto.ts";
  export * from "./inspect.ts"; export * from "./console.ts"; export * from "./timers.ts"; export * from "./lazy.ts";
  export * from "./performance.ts";`;

/** One script that leaves `guest`, the exports of `entry`; by default of every module. */
export async function bundleGuest(entry: string = ENTRY): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: GUEST, loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "guest",
    platform: "neutral",
    target: "es2024",
    keepNames: true,
    conditions: ["react-native"],
    mainFields: ["main"],
    alias: {
      tr46: join(GUEST, "tr46.ts"),
      "@exodus/bytes/encoding.js": "@exodus/bytes/encoding-lite.js",
    },
    tsconfigRaw: {},
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

const SETUP = `
  const host = {
    timer: (id, ms) => $0(id, ms), clearTimer: (id) => $1(id), random: (bytes) => $2(bytes),
    toAscii: (domain) => $3(domain),
  };
  const emit = (level, text) => $4(level, text);
  guest.setHostToAscii(host.toAscii);
  const timers = guest.makeTimers(host);
  guest.setAbortTimer(timers.setTimeout);
  Object.assign(globalThis, guest, timers, { crypto: guest.makeCrypto(host), console: guest.makeConsole(emit) });`;

/** Both worlds give their answers in this form; what JSON can not say is spelt out. */
const ENCODE = `(value) => JSON.stringify(value, (key, value) =>
  value === undefined ? "<undefined>" : typeof value === "bigint" ? value + "n" : Object.is(value, -0) ? "-0"
  : typeof value === "number" && !Number.isFinite(value) ? String(value) : value) ?? "undefined"`;

const attempt = (code: string): string =>
  `(() => { const encode = ${ENCODE}; try { return encode((() => { ${body(code)} })()); } catch (e) { return "threw " + e?.name; } })()`;

const attemptLater = (code: string): string =>
  `(async () => { const encode = ${ENCODE}; try { return encode(await (async () => { ${body(code)} })()); } catch (e) { return "threw " + e?.name; } })()`;

/** An expression, or statements that end in `;` or `}` and return. */
function body(code: string): string {
  return /[;}]$/.test(code) ? code : `return (${code});`;
}

let script: Promise<string> | undefined;

export class GuestIsolate implements Disposable {
  readonly #isolate = new ivm.Isolate({ memoryLimit: 128 });
  readonly #context = this.#isolate.createContextSync();
  /** Timers the guest has asked for and not cleared, by id, with their wait. */
  readonly timers = new Map<number, number>();
  /** What the console has emitted. */
  readonly lines: string[] = [];
  /** Names the guest has asked the host about. */
  readonly asked: string[] = [];

  private constructor(code: string) {
    this.#context.evalSync(`var ${code.slice(code.indexOf("guest"))}`);
    this.#context.evalClosureSync(SETUP, [
      new ivm.Callback((id: number, ms: number) => void this.timers.set(id, ms)),
      new ivm.Callback((id: number) => void this.timers.delete(id)),
      new ivm.Callback((bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))),
      new ivm.Callback((domain: string) => (this.asked.push(domain), domainToASCII(domain))),
      new ivm.Callback((level: string, text: string) => void this.lines.push(`${level} ${text}`)),
    ]);
  }

  static async create(): Promise<GuestIsolate> {
    script ??= bundleGuest();
    return new GuestIsolate(await script);
  }

  /** The answer of `code`, encoded, or "threw NAME". */
  eval(code: string): string {
    return String(this.#context.evalSync(attempt(code)));
  }

  async evalLater(code: string): Promise<string> {
    return String(await this.#context.eval(attemptLater(code), { promise: true }));
  }

  /** The same as `eval`, for a string. */
  text(code: string): string {
    return String(JSON.parse(this.eval(code)));
  }

  /** Lets a timer end; what the callback throws is thrown. */
  fire(id: number): void {
    this.timers.delete(id);
    this.#context.evalSync(`fire(${id})`);
  }

  [Symbol.dispose](): void {
    this.#isolate.dispose();
  }
}

/** What `code` answers here in Node, encoded as by `GuestIsolate.eval`. */
export function evalInNode(code: string): string {
  return String(vm.runInThisContext(attempt(code)));
}

export async function evalInNodeLater(code: string): Promise<string> {
  return String(await vm.runInThisContext(attemptLater(code)));
}
