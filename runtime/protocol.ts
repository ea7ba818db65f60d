/**
 * What daemon and worker say to each other: framed messages over one socket pair.
 *
 * A message is one control frame (JSON, small, shallow) followed by the data frames it announced. Everything that
 * can be large, or is a value, travels as data. The reader accepts nothing else: whatever breaks a rule throws
 * ProtocolError, and the daemon then ends the worker. V8's deserialiser never sees a byte the other side wrote.
 */
import type { Writable } from "node:stream";
import type { LogLevel } from "../sdk/wire.ts";

/** Control frames are JSON of at most this many bytes … */
export const MAX_CONTROL_BYTES = 64 * 1024;
/** … nested at most this deep, counted before parsing. */
export const MAX_CONTROL_DEPTH = 32;
/** One data frame; longer data is split. */
export const MAX_DATA_FRAME_BYTES = 1024 * 1024;

/** Data of one log message; the rest of a longer line is cut by the guest, with a visible mark. */
export const MAX_LOG_LINE_BYTES = 64 * 1024;
/** Lines of one run, whatever their length: an empty line costs as much to store as a short one. */
export const MAX_LOG_LINES = 20_000;
/** A GuestFailure as JSON. */
export const MAX_FAILURE_BYTES = 256 * 1024;

const HEADER_BYTES = 5;
const CONTROL = 1;
const DATA = 2;

/** Descriptor of the socket in the worker. */
export const SOCKET_FD = 3;

/** Daemon → worker. The worker trusts its daemon: shapes are not checked again. */
export type ToWorker =
  /** Once, first: the bootstrap's source. */
  | { readonly type: "boot"; readonly memoryMb: number; readonly size: number }
  /** Data = code, what the guest's `begin` takes (JSON), and the variables' values, in this order. */
  | {
      readonly type: "run";
      readonly run: string;
      readonly memoryMb: number;
      readonly logBytes: number;
      /** Bytes of the first two parts; the rest is values. */
      readonly parts: readonly [number, number];
      readonly size: number;
    }
  /** Data = the result, or an OpError, as JSON. */
  | {
      readonly type: "answer";
      readonly run: string;
      readonly op: number;
      readonly ok: boolean;
      readonly size: number;
    }
  | { readonly type: "abort"; readonly run: string; readonly reason: string };

/** Worker → daemon. Parsed with a schema in `runtime/host/`; the run id is a check, never a selector. */
export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "log"; readonly run: string; readonly level: LogLevel; readonly size: number }
  | {
      readonly type: "op";
      readonly run: string;
      readonly op: number;
      readonly name: string;
      readonly size: number;
    }
  /** The isolate ran into its memory limit and is gone. */
  | { readonly type: "exhausted"; readonly run: string }
  /** Data = the output, or a GuestFailure, as JSON; empty = returned nothing. */
  | { readonly type: "done"; readonly run: string; readonly ok: boolean; readonly size: number };

/** The other side broke the protocol; there is no way back. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/**
 * Turns bytes into messages. One per connection; after a throw it must not be used again.
 *
 * Bytes are copied on arrival into the one buffer they belong to, so that a sender of tiny pieces costs no memory.
 */
export class MessageReader {
  readonly #onMessage: (control: unknown, data: Buffer) => void;
  readonly #maxData: (control: unknown) => number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  /** Where the next bytes go: the header, a control frame, or a part of `#data`. */
  #target: Buffer = this.#header;
  #filled = 0;
  #control: unknown;
  /** The data announced by `#control`, and how much of it has been placed. */
  #data: Buffer | undefined;
  #placed = 0;

  /** `maxData` says how many bytes of data a parsed control may announce; it may throw ProtocolError itself. */
  constructor(onMessage: (control: unknown, data: Buffer) => void, maxData: (control: unknown) => number) {
    this.#onMessage = onMessage;
    this.#maxData = maxData;
  }

  push(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length;) {
      const copied = chunk.copy(this.#target, this.#filled, offset);
      offset += copied;
      this.#filled += copied;
      if (this.#filled < this.#target.length) continue;
      const full = this.#target;
      this.#filled = 0;
      if (full === this.#header) this.#target = this.#frame();
      else {
        this.#target = this.#header;
        if (this.#data === undefined) this.#takeControl(full);
        else this.#takeData(this.#data);
      }
    }
  }

  /** Judges a header and says where its payload goes. */
  #frame(): Buffer {
    const length = this.#header.readUInt32LE(0);
    const kind = this.#header[4];
    if (length === 0) throw new ProtocolError("empty frame");
    if (kind === CONTROL && this.#data === undefined) {
      if (length > MAX_CONTROL_BYTES) throw new ProtocolError("control frame is too large");
      return Buffer.allocUnsafeSlow(length);
    }
    if (kind !== DATA || this.#data === undefined) throw new ProtocolError("frame out of order");
    if (length > MAX_DATA_FRAME_BYTES) throw new ProtocolError("data frame is too large");
    if (length > this.#data.length - this.#placed) throw new ProtocolError("more data than announced");
    this.#placed += length;
    return this.#data.subarray(this.#placed - length, this.#placed);
  }

  #takeControl(payload: Buffer): void {
    const control = parseControl(payload);
    const size = announcedSize(control);
    if (size === 0) return this.#onMessage(control, Buffer.alloc(0));
    if (size > this.#maxData(control)) throw new ProtocolError(`${size} bytes of data are too many`);
    this.#control = control;
    this.#data = Buffer.allocUnsafeSlow(size);
    this.#placed = 0;
  }

  #takeData(data: Buffer): void {
    if (this.#placed < data.length) return;
    const control = this.#control;
    this.#data = undefined;
    this.#control = undefined;
    this.#onMessage(control, data);
  }
}

/**
 * Writes one message. `control.size`, where there is one, must be the length of `data`; `sent` is called when the
 * bytes have left the process, or never will.
 */
export function writeMessage(
  socket: Writable,
  control: ToWorker | FromWorker,
  data?: Uint8Array,
  sent?: () => void,
): void {
  socket.cork();
  writeFrame(socket, CONTROL, Buffer.from(JSON.stringify(control)));
  if (data !== undefined) writeData(socket, data, sent);
  socket.uncork();
}

function writeData(socket: Writable, data: Uint8Array, sent?: () => void): void {
  for (let start = 0; start < data.length; start += MAX_DATA_FRAME_BYTES) {
    const end = Math.min(start + MAX_DATA_FRAME_BYTES, data.length);
    writeFrame(socket, DATA, data.subarray(start, end), end === data.length ? sent : undefined);
  }
}

function writeFrame(socket: Writable, kind: number, payload: Uint8Array, sent?: () => void): void {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header[4] = kind;
  socket.write(header);
  socket.write(payload, sent);
}

function parseControl(payload: Buffer): unknown {
  if (jsonDepth(payload) > MAX_CONTROL_DEPTH) throw new ProtocolError("control frame is nested too deep");
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    throw new ProtocolError("control frame is not JSON");
  }
}

function announcedSize(control: unknown): number {
  if (typeof control !== "object" || control === null || !("size" in control)) return 0;
  const { size } = control;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw new ProtocolError("bad size");
  return size;
}

/** Greatest nesting of brackets outside strings; the text need not be valid JSON. */
export function jsonDepth(json: Buffer): number {
  let deepest = 0;
  let level = 0;
  let inString = false;
  for (let index = 0; index < json.length; index++) {
    const byte = json[index];
    if (inString) {
      if (byte === 0x5c) index++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++level);
    else if (byte === 0x7d || byte === 0x5d) level--;
  }
  return deepest;
}
