/** What the worker gives the bootstrap: seven plain functions, kept in its closure and never reachable by the task. */
import type { LogLevel } from "../../sdk/wire.ts";

export interface Host {
  /** Submits an op; its answer arrives through `settle`. */
  op(id: number, name: string, args: string): void;
  log(level: LogLevel, text: string): void;
  /** Calls `fire(id)` once after `ms` milliseconds. */
  timer(id: number, ms: number): void;
  clearTimer(id: number): void;
  /** At most 65,536 random bytes. */
  random(bytes: number): Uint8Array;
  /** IDNA ToASCII of a host name; "" when it has none. */
  toAscii(domain: string): string;
  /** Ends the run: output or GuestFailure as JSON; "" = returned nothing. */
  done(ok: boolean, json: string): void;
}
