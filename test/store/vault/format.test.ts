import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../../base/error.ts";
import {
  decodeHeader,
  encodeFields,
  encodeHeader,
  FieldReader,
  type Header,
} from "../../../store/vault/format.ts";
import { open, seal } from "../../../store/vault/seal.ts";

const HEADER: Header = {
  storeId: "0123456789abcdef0123456789abcdef",
  generation: 1,
  createdAt: 1_700_000_000_000,
  wraps: [
    {
      id: 1,
      kdf: { passes: 1, memoryKiB: 65_536, lanes: 4, salt: Buffer.alloc(16, 1) },
      check: Buffer.alloc(32, 2),
    },
    {
      id: 2,
      kdf: { passes: 3, memoryKiB: 65_536, lanes: 1, salt: Buffer.alloc(16, 3) },
      check: Buffer.alloc(32, 4),
    },
  ],
  keys: [
    {
      id: 1,
      purpose: "wrap",
      state: "active",
      wrapped: [{ wrapId: 1, algorithm: 1, nonce: Buffer.alloc(24, 5), ciphertext: Buffer.alloc(48, 6) }],
    },
    { id: 2, purpose: "mac", state: "destroyed", wrapped: [] },
  ],
};

test("encodeFields() writes each field's length and bytes", () => {
  const bytes = encodeFields(["é", 258, Buffer.from([7])]);
  assert.equal(bytes.toString("hex"), "00000002c3a90000000800000000000001020000000107");
});

test("encodeFields() encodes no two lists of texts alike", () => {
  const lists = fc.array(fc.string({ maxLength: 6 }), { maxLength: 5 });
  fc.assert(
    fc.property(lists, lists, (a, b) => {
      assert.equal(encodeFields(a).equals(encodeFields(b)), JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test("FieldReader reads back what encodeFields() wrote and throws RangeError for anything else", () => {
  const reader = new FieldReader(encodeFields(["label", 2 ** 53 - 1, Buffer.from("x")]));
  assert.equal(reader.oneOf(["other", "label"]), "label");
  assert.equal(reader.integer(), 2 ** 53 - 1);
  assert.deepEqual(reader.exactly(1), Buffer.from("x"));
  reader.end();
  assert.throws(() => reader.bytes(), RangeError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const random = new FieldReader(Buffer.from(bytes));
      try {
        for (;;) random.bytes();
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
    }),
  );
});

test("decodeHeader() is the inverse of encodeHeader()", () => {
  assert.deepEqual(decodeHeader(encodeHeader(HEADER)), HEADER);
});

test("decodeHeader() takes one spelling only: a changed header is refused or means something else", () => {
  const body = encodeHeader(HEADER);
  for (let at = 0; at < body.length; at++) {
    const changed = Buffer.from(body);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    try {
      assert.deepEqual(encodeHeader(decodeHeader(changed)), changed, `byte ${at}`);
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "SECRETS_STORE_CORRUPT", `byte ${at}`);
    }
  }
  const corrupt = { code: "SECRETS_STORE_CORRUPT" };
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => decodeHeader(body.subarray(0, length)), corrupt, `${length} bytes`);
  }
  assert.throws(() => decodeHeader(Buffer.concat([body, Buffer.alloc(1)])), corrupt);
});

test("decodeHeader() refuses a store id that could lead a path elsewhere", () => {
  for (const storeId of [
    "../../../../etc/passwd",
    "",
    "0123",
    HEADER.storeId.toUpperCase(),
    `${HEADER.storeId}\n`,
  ]) {
    assert.throws(() => decodeHeader(encodeHeader({ ...HEADER, storeId })), {
      code: "SECRETS_STORE_CORRUPT",
    });
  }
});

test("open() gives back what seal() took, under the same key and data only", () => {
  const key = Buffer.alloc(32, 1);
  const [data, plaintext] = [Buffer.from("data"), Buffer.from("canary-7f3a-not-a-real-secret")];
  const sealed = seal(key, data, plaintext);
  assert.deepEqual(open(key, data, sealed), plaintext);
  assert.notDeepEqual(seal(key, data, plaintext).nonce, sealed.nonce);
  assert.equal(open(Buffer.alloc(32, 2), data, sealed), undefined);
  assert.equal(open(key, Buffer.from("date"), sealed), undefined);
  assert.equal(open(key, data, { ...sealed, nonce: Buffer.alloc(24) }), undefined);
  assert.equal(open(key, data, { ...sealed, nonce: Buffer.alloc(12) }), undefined);
  for (const length of [0, 15, sealed.ciphertext.length - 1]) {
    assert.equal(
      open(key, data, { ...sealed, ciphertext: sealed.ciphertext.subarray(0, length) }),
      undefined,
    );
  }
});
