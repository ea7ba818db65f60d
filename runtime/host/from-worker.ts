/** The schema of everything a worker may say. A worker that says anything else is ended. */
import { z } from "zod";
import { MAX_OP_BYTES } from "../../sdk/wire.ts";
import { MAX_FAILURE_BYTES, MAX_LOG_LINE_BYTES, ProtocolError, type FromWorker } from "../protocol.ts";

const run = z.string().max(64);
const size = z.int().nonnegative();

const fromWorker = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready") }),
  z.strictObject({ type: z.literal("log"), run, level: z.enum(["debug", "info", "warn", "error"]), size }),
  z.strictObject({ type: z.literal("op"), run, op: z.int().positive(), name: z.string().max(64), size }),
  z.strictObject({ type: z.literal("exhausted"), run }),
  z.strictObject({ type: z.literal("done"), run, ok: z.boolean(), size }),
]) satisfies z.ZodType<FromWorker>;

export function parseFromWorker(control: unknown): FromWorker {
  const parsed = fromWorker.safeParse(control);
  if (!parsed.success) throw new ProtocolError("unknown message");
  return parsed.data;
}

/** How much data a message may announce. */
export function maxDataBytes(control: unknown, outputBytes: number): number {
  const message = parseFromWorker(control);
  switch (message.type) {
    case "log":
      return MAX_LOG_LINE_BYTES;
    // The guest counts characters, which take up to three bytes: what is too large by bytes is refused, not fatal.
    case "op":
      return MAX_OP_BYTES * 3;
    case "done":
      return message.ok ? outputBytes * 3 : MAX_FAILURE_BYTES;
    case "ready":
    case "exhausted":
      return 0;
  }
}

const guestFailure = z.strictObject({
  code: z.string().max(64),
  name: z.string(),
  message: z.string(),
  stack: z.string(),
  hints: z.array(z.string().max(2000)).max(10),
});

export type ParsedFailure = z.output<typeof guestFailure>;

/** What the guest says about its own failure; unreadable = undefined. */
export function parseGuestFailure(json: string): ParsedFailure | undefined {
  try {
    return guestFailure.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}
