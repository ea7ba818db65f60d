/** The one argument of a task: its params and input, its environment, and the ops it may try. */
import { makeFs } from "../../sdk/fs/guest.ts";
import { makeKv } from "../../sdk/kv/guest.ts";
import { makeRun } from "../../sdk/run/guest.ts";
import { makeSecrets } from "../../sdk/secrets/guest.ts";
import { makeTasks } from "../../sdk/tasks/guest.ts";
import type { LogLevel } from "../../sdk/wire.ts";
import type { Environment } from "./environment.ts";
import { WritError } from "./errors.ts";
import type { Call } from "./ops.ts";

/** What the daemon says about the run, as JSON. */
export interface RunFacts {
  readonly params: object;
  readonly input: unknown;
  readonly task: object;
  readonly run: object;
}

export interface ContextParts {
  readonly call: Call;
  readonly env: Environment;
  readonly signal: unknown;
  readonly log: (level: LogLevel, values: readonly unknown[]) => void;
}

export function makeContext(facts: RunFacts, parts: ContextParts): object {
  const { call, log } = parts;
  const writ = Object.freeze({
    ...makeSecrets(call),
    ...makeTasks(call),
    run: makeRun(call),
    fs: makeFs(call),
    mask: notYet("writ.mask"),
    lock: notYet("writ.lock"),
  });
  return {
    env: parts.env,
    params: facts.params,
    input: facts.input,
    request: undefined,
    kv: makeKv(call),
    log: Object.freeze({
      debug: (...values: unknown[]) => log("debug", values),
      info: (...values: unknown[]) => log("info", values),
      warn: (...values: unknown[]) => log("warn", values),
      error: (...values: unknown[]) => log("error", values),
    }),
    signal: parts.signal,
    task: facts.task,
    run: facts.run,
    writ,
    dicode: writ,
  };
}

function notYet(member: string): () => never {
  return () => {
    throw new WritError({
      code: "NOT_YET",
      message: `"${member}" does not act in this version of writ`,
      hints: [],
    });
  };
}
