/** The log of one run on its way out: redacted first, then split into lines, shown and stored in batches. */
import type { Clock } from "../base/clock.ts";
import type { GuestLogLine } from "../runtime/host/executor.ts";
import type { Redactor } from "../secrets/redact.ts";
import type { LogStore } from "../store/logs.ts";
import type { LogLine } from "../store/ports.ts";

/** Lines wait this long for company before they are written. */
const BATCH_MS = 50;

export interface RunLogOptions {
  readonly run: string;
  readonly attempt: number;
  readonly logs: LogStore;
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** Told of each line at once, for whoever is watching. */
  readonly onLine: ((line: LogLine) => void) | undefined;
}

export class RunLog {
  readonly #options: RunLogOptions;
  #waiting: LogLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: RunLogOptions) {
    this.#options = options;
  }

  write({ level, text }: GuestLogLine): void {
    const { redactor, clock, onLine } = this.#options;
    const t = clock.now();
    for (const line of redactor.redactText(text).split("\n")) {
      const stored = { t, level, text: line };
      this.#waiting.push(stored);
      onLine?.(stored);
    }
    this.#timer ??= setTimeout(() => this.#write(), BATCH_MS);
  }

  /** Redacts again what is stored, after a value became known; what a watcher has seen can not be recalled. */
  async redactStored(): Promise<void> {
    const { run, logs, redactor } = this.#options;
    await this.flush();
    await logs.rewrite(run, (text) => redactor.redactText(text));
  }

  /** Resolves when every line so far is stored; rejects when one could not be. */
  async flush(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    const { run, attempt, logs } = this.#options;
    this.#writing = this.#writing.then(() => logs.append(run, attempt, lines));
    // The failure belongs to whoever flushes, which happens before the run can end.
    this.#writing.catch(() => undefined);
  }
}
