/**
 * The rules of output, and the functions that obey them. Nothing else in cli/ writes to a stream.
 *
 * - The result goes to stdout, everything else to stderr: logs, notices, warnings, progress, prompts, errors.
 * - Under `--json` stdout is one JSON document, and stderr has one a line: each warning, then the error if any.
 * - Under `--quiet` stderr has warnings and errors only.
 * - Text from outside (names, log text, messages) has its control characters made visible before it is written,
 *   on a terminal or not: a file that is shown later repaints a screen just as well. In JSON they are `\u` escapes.
 *   What follows a newline in it is indented, so that it can not pass for a line of ours.
 * - Colour only on a terminal, never with NO_COLOR, CI or TERM=dumb; FORCE_COLOR overrides all of these.
 * - Progress only when stderr is a terminal and CI is not set, and only for what takes over a second.
 * - A prompt needs a terminal to ask on; without one, and under `--json`, it is an error that names the option to
 *   give instead. Ctrl-C at a prompt ends with 130 and changes nothing.
 * - A reader that goes away (`writ … | head`) is no error.
 */
import { styleText } from "node:util";
import { AppError, formatPosition } from "../base/error.ts";
import { escapeControl, escapeJson, escapeLine } from "../base/text.ts";
import { usageError } from "./args.ts";
import { Interrupted, type Environment, type Output, type World } from "./world.ts";

/** What is typed or pasted at a prompt. */
const MAX_TYPED_BYTES = 64 * 1024;
const PROGRESS_EVERY_MS = 1000;
const ERASE_LINE = "\r\x1b[K";

export interface Mode {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Frames of a task's stack that are worth a line. */
const MAX_FRAMES = 10;

export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly hints?: readonly string[];
  readonly stack?: string;
}

type Style = Parameters<typeof styleText>[0];

export interface Progress extends Disposable {
  /** Ends it; a second call does nothing. */
  stop(): void;
}

export class Terminal {
  readonly mode: Mode;
  readonly #world: World;
  #progress: Progress | undefined;
  /** Why stdout stopped taking data; a reader that went away is no reason. */
  #failure: Error | undefined;

  constructor(world: World, mode: Mode) {
    this.mode = mode;
    this.#world = world;
    world.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") this.#failure ??= error;
    });
    world.stderr.on("error", () => undefined);
  }

  /** A line of the result, for people; its first word may have a colour. */
  line(text: string, style?: Style): void {
    const { stdout, env } = this.#world;
    const shown = escapeControl(text);
    this.#clearProgress();
    const painted =
      style === undefined ? shown : shown.replace(/^\S+/, (word) => paint(stdout, env, style, word));
    stdout.write(`${painted}\n`);
  }

  /** The result as a document. */
  json(value: unknown): void {
    this.#clearProgress();
    this.#world.stdout.write(`${escapeJson(JSON.stringify(value, undefined, 2))}\n`);
  }

  /** What happened, beside the result. */
  note(text: string): void {
    if (!this.mode.quiet && !this.mode.json) this.#tell(block(text));
  }

  /** Also under --json, as a document of its own: "back this key up" must not get lost in a script. */
  warn(text: string): void {
    if (this.mode.json) this.#tell(escapeJson(JSON.stringify({ warning: text })));
    else this.#tell(`${this.#paint("yellow", "warning:")} ${block(text)}`);
  }

  /** A line of a run's log. */
  log(level: "debug" | "info" | "warn" | "error", text: string): void {
    if (this.mode.quiet || this.mode.json) return;
    const style = ({ debug: "dim", info: "cyan", warn: "yellow", error: "red" } as const)[level];
    this.#tell(`${this.#paint(style, level.padEnd(5))}  ${block(text)}`);
  }

  /** How a run ended. Said even when quiet, if it did not end well. */
  verdict(good: boolean, state: string, rest: string): void {
    if (this.mode.json || (good && this.mode.quiet)) return;
    this.#tell(`${this.#paint(good ? "green" : "red", state)} ${block(rest)}`);
  }

  /** Why it did not: an error that is part of a result. */
  reason({ code, message, hints = [], stack }: Reason): void {
    if (this.mode.json) return;
    this.#tell(`${this.#paint("red", escapeLine(code))} ${block(message)}`);
    // The first lines of a stack say the message again.
    const frames = stack?.split("\n").filter((line) => /^(?:\s+at |Caused by: |One of: )/.test(line)) ?? [];
    for (const frame of frames.slice(0, MAX_FRAMES))
      this.#tell(this.#paint("dim", `    ${escapeLine(frame.trim())}`));
    for (const hint of hints) this.#hint(hint);
    this.#tell(this.#paint("dim", `see docs/errors/${escapeLine(code)}.md`));
  }

  /** `CODE file:line:col what happened; what to change`, the hints, and where to read on. */
  error(error: AppError): void {
    const { code, message, at, hints, cause } = error;
    const defect = code === "INTERNAL" ? stackOf(cause ?? error) : undefined;
    if (this.mode.json) {
      const place = at === undefined ? {} : { at };
      const stack = defect === undefined ? {} : { stack: defect };
      this.#tell(escapeJson(JSON.stringify({ code, message, ...place, hints, ...stack })));
      return;
    }
    const place = at === undefined ? "" : `${formatPosition(at)} `;
    this.#tell(`${this.#paint("red", code)} ${block(`${place}${message}`)}`);
    for (const hint of hints) this.#hint(hint);
    if (defect !== undefined) {
      this.#hint("this is a defect of writ; please report it, with what follows");
      this.#tell(block(defect));
    }
    this.#tell(this.#paint("dim", `see docs/errors/${code}.md`));
  }

  /** Says that something is still going on, once it has taken a while. */
  progress(label: string): Progress {
    const { stderr, env } = this.#world;
    const shown = stderr.isTTY === true && !isSet(env, "CI") && !this.mode.quiet && !this.mode.json;
    const started = performance.now();
    const timer = shown
      ? setInterval(() => {
          const seconds = Math.round((performance.now() - started) / 1000);
          stderr.write(`${ERASE_LINE}${this.#paint("dim", `${escapeLine(label)} ${seconds} s`)}`);
        }, PROGRESS_EVERY_MS)
      : undefined;
    const stop = (): void => {
      clearInterval(timer);
      this.#clearProgress();
      this.#progress = undefined;
    };
    const progress: Progress = { stop, [Symbol.dispose]: stop };
    if (shown) this.#progress = progress;
    return progress;
  }

  /**
   * Asks for a value without echoing it. `instead` says what to give where nobody can be asked. The answer is the
   * caller's to wipe; it may be empty.
   */
  async askHidden(question: string, instead: string): Promise<Buffer> {
    const { stdin, stderr } = this.#world;
    if (this.mode.json) throw usageError(`--json does not ask for ${question}`, instead);
    if (stdin.isTTY !== true || stderr.isTTY !== true || stdin.setRawMode === undefined) {
      throw usageError(`there is no terminal to ask for ${question}`, instead);
    }
    // In this order: who answers at once must not be echoed.
    stdin.setRawMode(true);
    stderr.write(`${escapeLine(question)} (not shown): `);
    const typed = new Typed();
    try {
      for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
        if (typed.take(Buffer.from(chunk))) break;
      }
      return typed.value();
    } finally {
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
    }
  }

  /** Waits until stdout has taken everything. Throws `FILE_UNUSABLE` when it could not. */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#world.stdout.write("", () => resolve());
    });
    if (this.#failure !== undefined) {
      throw new AppError("FILE_UNUSABLE", `could not write to stdout: ${this.#failure.message}`, {
        cause: this.#failure,
        hints: ["what stands there is not complete"],
      });
    }
  }

  #hint(text: string): void {
    // The other problems of a file are in the form of an error already.
    if (/^[A-Z][A-Z0-9_]+ \S+:\d+:\d+ /.test(text)) this.#tell(block(text));
    else this.#tell(`${this.#paint("cyan", "hint:")} ${block(text)}`);
  }

  /** The one way to stderr; `text` is safe. */
  #tell(text: string): void {
    this.#clearProgress();
    this.#world.stderr.write(`${text}\n`);
  }

  #clearProgress(): void {
    if (this.#progress !== undefined) this.#world.stderr.write(ERASE_LINE);
  }

  #paint(style: Style, text: string): string {
    return paint(this.#world.stderr, this.#world.env, style, text);
  }
}

function isSet(env: Environment, name: string): boolean {
  return (env[name] ?? "") !== "";
}

function paint(stream: Output, env: Environment, style: Style, text: string): string {
  const forced = isSet(env, "FORCE_COLOR") && env["FORCE_COLOR"] !== "0";
  const plain = isSet(env, "NO_COLOR") || isSet(env, "CI") || env["TERM"] === "dumb" || stream.isTTY !== true;
  return forced || !plain ? styleText(style, text, { validateStream: false }) : text;
}

/** Text from outside on one or more lines of its own. */
function block(text: string): string {
  return escapeControl(text).replaceAll("\n", "\n       ");
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown);
}

/** What the keys of a prompt have made so far. */
class Typed {
  #bytes = Buffer.alloc(MAX_TYPED_BYTES);
  #length = 0;
  /** Where in an arrow or function key (`ESC [ … letter`) we are: behind ESC, or in the rest. */
  #escape: "begun" | "rest" | undefined;

  /** Takes what arrived and wipes it. Returns whether the line is complete. */
  take(chunk: Buffer): boolean {
    try {
      for (const [index, byte] of chunk.entries()) {
        if (this.#key(byte)) {
          if (index === chunk.length - 1) return true;
          throw usageError(
            "what was pasted has more than one line, a prompt takes one",
            "give it through stdin or --from-file",
          );
        }
      }
      return false;
    } catch (error) {
      this.#bytes.fill(0);
      throw error;
    } finally {
      chunk.fill(0);
    }
  }

  value(): Buffer {
    const value = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#bytes.fill(0);
    return value;
  }

  /** Returns whether this key ends the line. */
  #key(byte: number): boolean {
    if (this.#escape === "begun") {
      this.#escape = byte === 0x5b || byte === 0x4f ? "rest" : undefined;
      return false;
    }
    if (this.#escape === "rest") {
      if (byte >= 0x40 && byte <= 0x7e) this.#escape = undefined;
      return false;
    }
    switch (byte) {
      case 0x1b:
        this.#escape = "begun";
        return false;
      case 0x0a:
      case 0x0d:
        return true;
      case 0x03: // Ctrl-C
        throw new Interrupted("interrupted");
      case 0x04: // Ctrl-D
        if (this.#length === 0) throw new Interrupted("interrupted");
        return true;
      case 0x15: // Ctrl-U
        this.#length = 0;
        return false;
      case 0x08:
      case 0x7f:
        // Back over the whole UTF-8 character.
        while (this.#length > 0 && ((this.#bytes[--this.#length] ?? 0) & 0xc0) === 0x80);
        return false;
      default:
        if (this.#length === MAX_TYPED_BYTES) {
          throw new AppError("SECRETS_TOO_LARGE", `a prompt takes at most ${MAX_TYPED_BYTES} bytes`);
        }
        this.#bytes[this.#length++] = byte;
        return false;
    }
  }
}
