/** A process for the command line that is no process: what it reads is given, what it writes is kept. */
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import type { Input, Output, World } from "../../cli/world.ts";

class FakeOutput extends PassThrough implements Output {
  readonly isTTY: boolean;
  #text = "";

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
    this.on("data", (chunk: Buffer) => (this.#text += chunk.toString()));
  }

  get text(): string {
    return this.#text;
  }
}

class FakeInput extends PassThrough implements Input {
  readonly isTTY: boolean;
  raw = false;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  setRawMode(on: boolean): void {
    this.raw = on;
  }
}

export interface FakeWorld extends World {
  readonly stdin: FakeInput;
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  readonly signals: EventEmitter;
}

export function fakeWorld(
  argv: readonly string[],
  given: { readonly tty?: boolean; readonly env?: World["env"]; readonly cwd?: string } = {},
): FakeWorld {
  const { tty = false, env = {}, cwd = "/" } = given;
  return {
    argv,
    stdin: new FakeInput(tty),
    stdout: new FakeOutput(tty),
    stderr: new FakeOutput(tty),
    env,
    cwd,
    home: "/nowhere",
    signals: new EventEmitter(),
  };
}
