/** MessageReader against every cut of an honest stream and every way to break the rules. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import test from "node:test";
import fc from "fast-check";
import {
  jsonDepth,
  MAX_CONTROL_BYTES,
  MAX_CONTROL_DEPTH,
  MAX_DATA_FRAME_BYTES,
  MessageReader,
  ProtocolError,
  writeMessage,
  type FromWorker,
} from "../../runtime/protocol.ts";

const CONTROL = 1;
const DATA = 2;
const MAX_DATA = 4 * 1024 * 1024;

type Message = readonly [control: unknown, data: string];

function frame(kind: number, payload: string | Buffer, announced?: number): Buffer {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(5);
  header.writeUInt32LE(announced ?? body.length, 0);
  header[4] = kind;
  return Buffer.concat([header, body]);
}

const control = (value: unknown): Buffer => frame(CONTROL, JSON.stringify(value));

/** What a reader makes of these chunks. */
function read(chunks: Iterable<Buffer>, maxData = MAX_DATA): Message[] {
  const messages: Message[] = [];
  const reader = new MessageReader(
    (value, data) => messages.push([value, data.toString("latin1")]),
    () => maxData,
  );
  for (const chunk of chunks) reader.push(chunk);
  return messages;
}

/** The bytes `writeMessage` sends. */
function written(messages: readonly (readonly [FromWorker, Buffer | undefined])[]): Buffer {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  for (const [value, data] of messages) writeMessage(sink, value, data);
  return Buffer.concat(chunks);
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const logMessage = fc
  .uint8Array({ maxLength: 300 })
  .map(
    (data) =>
      [
        { type: "log", run: "run_1", level: "info", size: data.length },
        data.length === 0 ? undefined : Buffer.from(data),
      ] as const,
  );

void test("MessageReader gives the same messages for every way a stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(logMessage, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      (messages, sizes) => {
        const bytes = written(messages);
        const expected = messages.map(([value, data]) => [value, data?.toString("latin1") ?? ""]);
        assert.deepEqual(read([bytes]), expected);
        assert.deepEqual(read(cut(bytes, [1])), expected);
        assert.deepEqual(read(cut(bytes, sizes)), expected);
      },
    ),
  );
});

void test("writeMessage() splits data into frames that MessageReader joins, when it is long", () => {
  const data = Buffer.alloc(MAX_DATA_FRAME_BYTES * 2 + 17, "abc");
  const bytes = written([[{ type: "done", run: "run_1", ok: true, size: data.length }, data]]);
  const messages = read(cut(bytes, [65_536]));
  assert.equal(messages.length, 1);
  assert.equal(messages[0]?.[1], data.toString("latin1"));
});

const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

void test("MessageReader takes what lies exactly at a limit", () => {
  const longest = JSON.stringify("x".repeat(MAX_CONTROL_BYTES - 2));
  assert.equal(read([frame(CONTROL, longest)]).length, 1);
  assert.equal(read([frame(CONTROL, nested(MAX_CONTROL_DEPTH))]).length, 1);
  const data = Buffer.alloc(MAX_DATA_FRAME_BYTES);
  assert.equal(read([control({ size: data.length }), frame(DATA, data)], data.length).length, 1);
});

const VIOLATIONS: Readonly<Record<string, readonly Buffer[]>> = {
  "an empty control frame": [frame(CONTROL, "")],
  "an empty data frame": [control({ size: 1 }), frame(DATA, "")],
  "kind 0": [frame(0, "{}")],
  "kind 3": [frame(3, "{}")],
  "kind 255": [frame(255, "{}")],
  "data without control": [frame(DATA, "x")],
  "data after a message that announced none": [control({ type: "ready" }), frame(DATA, "x")],
  "control instead of the data announced": [control({ size: 1 }), control({ type: "ready" })],
  "control between two data frames": [control({ size: 2 }), frame(DATA, "x"), control({ type: "ready" })],
  "more data than announced": [control({ size: 1 }), frame(DATA, "xy")],
  "more data than is left": [control({ size: 3 }), frame(DATA, "xy"), frame(DATA, "zz")],
  "a control frame that is too long": [frame(CONTROL, "", MAX_CONTROL_BYTES + 1)],
  "a control frame of 4 GiB": [frame(CONTROL, "", 0xffff_ffff)],
  "a data frame that is too long": [
    control({ size: MAX_DATA_FRAME_BYTES + 1 }),
    frame(DATA, "", MAX_DATA_FRAME_BYTES + 1),
  ],
  "control nested 33 deep": [frame(CONTROL, nested(33))],
  "control nested deep and not JSON": [frame(CONTROL, "[".repeat(60_000))],
  "control that is not JSON": [frame(CONTROL, "{type:1}")],
  "control that is no UTF-8": [frame(CONTROL, Buffer.from([0xff, 0xfe, 0x7b]))],
  "a negative size": [control({ size: -1 })],
  "a fractional size": [control({ size: 1.5 })],
  "a size beyond safe integers": [frame(CONTROL, '{"size":9007199254740993}')],
  "an infinite size": [frame(CONTROL, '{"size":1e999}')],
  "a size of text": [control({ size: "1" })],
  "a size of null": [control({ size: null })],
  "more data than allowed": [control({ size: MAX_DATA + 1 })],
};

for (const [name, chunks] of Object.entries(VIOLATIONS)) {
  void test(`MessageReader throws at ${name}, whole and byte by byte`, () => {
    const bytes = Buffer.concat(chunks);
    assert.throws(() => read([bytes]), ProtocolError);
    assert.throws(() => read(cut(bytes, [1])), ProtocolError);
  });
}

void test("MessageReader throws before it takes a byte of what is too large", () => {
  // Only the header has come: nothing is allocated for a payload that will be refused.
  assert.throws(() => read([frame(CONTROL, "", MAX_CONTROL_BYTES + 1).subarray(0, 5)]), ProtocolError);
  assert.throws(() => read([control({ size: 2 ** 40 })]), ProtocolError);
});

void test("MessageReader hands over nothing of a message whose data never ends", () => {
  assert.deepEqual(read([control({ size: 3 }), frame(DATA, "xy")]), []);
  assert.deepEqual(read([control({ size: 3 }), frame(DATA, "xyz").subarray(0, 7)]), []);
});

void test("MessageReader throws or stays silent on noise, and never gives a message with wrong data", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      try {
        for (const [value, data] of read([Buffer.from(noise)])) {
          const size = typeof value === "object" && value !== null && "size" in value ? value.size : 0;
          assert.equal(data.length, size);
        }
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});

void test("MessageReader's memory does not grow with the number of chunks or frames", () => {
  const size = 2_000_000;
  let received = 0;
  const reader = new MessageReader(
    (_value, data) => (received = data.length),
    () => size,
  );
  reader.push(control({ size }));
  // The dearest way to send two megabytes: one frame and six chunks for each byte.
  const piece = frame(DATA, "x");
  const bytes = cut(piece, [1]);
  for (let index = 0; index < 20_000; index++) for (const byte of bytes) reader.push(byte);
  const before = process.memoryUsage();
  for (let index = 20_000; index < size; index++) reader.push(piece);
  const after = process.memoryUsage();
  assert.equal(received, size);
  assert.ok(after.external + after.arrayBuffers - before.external - before.arrayBuffers < 4_000_000);
});

void test("jsonDepth() counts brackets outside strings only", () => {
  const depth = (text: string): number => jsonDepth(Buffer.from(text));
  assert.equal(depth('"[[[["'), 0);
  assert.equal(depth(String.raw`["\"[[["]`), 1);
  assert.equal(depth(String.raw`{"a\\":[{"b":1}]}`), 3);
  assert.equal(depth("[][][]"), 1);
});

void test("jsonDepth() is never below the nesting that JSON.parse finds", () => {
  const real = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(real)) : 0;
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(jsonDepth(Buffer.from(JSON.stringify(value))), real(value));
    }),
  );
});
