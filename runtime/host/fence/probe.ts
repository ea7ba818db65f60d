/** Which fences this machine can build: each is built once around a real process, and looked at from both sides. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { dirname, extname, join } from "node:path";
import { z } from "zod";
import { escapeLine, truncate } from "../../../base/text.ts";
import { workerCommand } from "../worker-command.ts";
import { spawnFenced, workerPid, type NodeCommand } from "./command.ts";
import { whyNotHeld } from "./inspect.ts";
import { FENCE_LEVELS, isAtLeast, type FenceLevel } from "./levels.ts";

/** From the start of a probe to its end, whatever it meets. */
const PROBE_TIMEOUT_MS = 10_000;
/** Of what a process says, as much as is looked at. */
const MAX_TEXT = 4096;
const MAX_REASON = 200;

const toldSchema = z.strictObject({ isolates: z.boolean(), sockets: z.boolean() });
type Told = z.output<typeof toldSchema>;

/** Why a level can not be had here; undefined = it can, and was. */
export type FenceReport = Readonly<Record<FenceLevel, string | undefined>>;

/** Tries every level at once, in some tenths of a second. Leaves no process, and never rejects. */
export async function probeFences(): Promise<FenceReport> {
  const [L1, L2, L3] = await Promise.all([probe("L1"), probe("L2"), probe("L3")]);
  return { L0: undefined, L1, L2, L3 };
}

/** The strongest level that can be had here, without trying those below it. Never rejects. */
export async function strongestFence(): Promise<FenceLevel> {
  for (const level of FENCE_LEVELS.toReversed()) {
    if (level === "L0" || (await probe(level)) === undefined) return level;
  }
  return "L0";
}

async function probe(level: FenceLevel): Promise<string | undefined> {
  if (process.platform !== "linux") return "it needs Linux";
  let child: ChildProcess;
  try {
    child = spawnFenced(level, probeCommand(), "pipe");
  } catch (error) {
    return reasonFrom(error instanceof Error ? error.message : String(error));
  }
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, PROBE_TIMEOUT_MS);
  const closed = once(child, "close").catch(() => undefined);
  const complaint = new Heard(child.stderr);
  const told = new Heard(child.stdio[3]);
  await Promise.race([told.begun, closed]);
  const verdict = judge(level, told.text, child);
  child.kill("SIGKILL");
  // Closed means that nobody holds the socket or the pipe any more: the processes inside are gone, too.
  await closed;
  clearTimeout(timer);
  if (isLate) return `it did not start within ${PROBE_TIMEOUT_MS} ms`;
  return told.text === "" ? reasonFrom(complaint.text) : verdict;
}

/** A worker's command, with the script beside its own and without the permission model. */
function probeCommand(): NodeCommand {
  const worker = workerCommand();
  return {
    ...worker,
    flags: worker.flags.filter((flag) => !/^--(permission|allow-)/.test(flag)),
    script: join(dirname(worker.script), `probe${extname(worker.script)}`),
  };
}

/** Holds what the child could do, and what the kernel says of it, against what the level promises. */
function judge(level: FenceLevel, text: string, child: ChildProcess): string | undefined {
  const told = parseTold(text);
  if (told?.isolates !== true) return "no isolate can be made in it";
  const pid = workerPid(child, level);
  if (pid === undefined) return "its process can not be found from outside";
  const broken = whyNotHeld(pid, level);
  if (broken !== undefined) return broken;
  if (isAtLeast(level, "L3") && told.sockets) return "its filter of system calls lets sockets be made";
  return undefined;
}

function parseTold(text: string): Told | undefined {
  try {
    return toldSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Of what Node says when it fails, the line with the error; else the first that says something. */
function reasonFrom(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const line = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.find((line) => line !== "");
  return truncate(escapeLine(line ?? "it ended without a word"), MAX_REASON);
}

/** The beginning of what arrives on a stream; one that breaks has said all it will. */
class Heard {
  text = "";
  readonly begun: Promise<void>;

  constructor(stream: unknown) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    if (!(stream instanceof Socket)) return;
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => {
      this.text = (this.text + chunk.toString()).slice(0, MAX_TEXT);
      resolve();
    });
  }
}
