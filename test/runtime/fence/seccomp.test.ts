/** The filter, decided by an interpreter of its own: every refused call, what must stay open, and what is no call of ours. */
import assert from "node:assert/strict";
import test from "node:test";
import { seccompProgram } from "../../../runtime/host/fence/seccomp.ts";
import { REFUSALS } from "../../../runtime/host/fence/syscalls.ts";

const KILL = "kill the process";
const ALLOW = "allow";
const EPERM = "EPERM";
const ENOSYS = "ENOSYS";
const ANSWERS = new Map([
  [0x8000_0000, KILL],
  [0x7fff_0000, ALLOW],
  [0x0005_0001, EPERM],
  [0x0005_0026, ENOSYS],
]);

const ARCHITECTURES = [
  { name: "x64", side: 0, audit: 0xc000_003e, clone: 56, prctl: 157 },
  { name: "arm64", side: 1, audit: 0xc000_00b7, clone: 220, prctl: 167 },
] as const;

interface Call {
  readonly audit: number;
  readonly number: number;
  readonly first?: bigint;
}

/** What the kernel does with a classic BPF program, as far as this one goes; anything else in it is an error. */
function decide(program: Buffer, { audit, number, first = 0n }: Call): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number, 0);
  data.writeUInt32LE(audit, 4);
  data.writeBigUInt64LE(first, 16);
  let accumulator = 0;
  for (let at = 0; at < program.length;) {
    const code = program.readUInt16LE(at);
    const operand = program.readUInt32LE(at + 4);
    const jump = (isTrue: boolean): number => (1 + program.readUInt8(at + (isTrue ? 2 : 3))) * 8;
    switch (code) {
      case 0x20:
        assert.ok(operand % 4 === 0 && operand < 64, `load of ${operand}`);
        accumulator = data.readUInt32LE(operand);
        at += 8;
        break;
      case 0x15:
        at += jump(accumulator === operand);
        break;
      case 0x25:
        at += jump(accumulator > operand);
        break;
      case 0x35:
        at += jump(accumulator >= operand);
        break;
      case 0x45:
        at += jump((accumulator & operand) !== 0);
        break;
      case 0x06:
        return ANSWERS.get(operand) ?? `answer ${operand}`;
      default:
        assert.fail(`instruction ${code}`);
    }
  }
  assert.fail("fell off the end");
}

for (const { name, side, audit, clone, prctl } of ARCHITECTURES) {
  const program = seccompProgram(name) ?? assert.fail();
  const decision = (number: number, first?: bigint): string =>
    decide(program, first === undefined ? { audit, number } : { audit, number, first });
  const refused = REFUSALS.flatMap(({ calls }) =>
    Object.entries(calls).flatMap(([call, numbers]) => {
      const number = numbers[side];
      return number === undefined ? [] : [[call, number] as const];
    }),
  );

  test(`seccompProgram() refuses every listed call, and no number twice, on ${name}`, () => {
    for (const [call, number] of refused) assert.equal(decision(number), EPERM, call);
    assert.equal(new Set(refused.map(([, number]) => number)).size, refused.length);
    assert.ok(refused.length > 90);
  });

  test(`seccompProgram() allows every other number up to the newest known, on ${name}`, () => {
    const numbers = new Set(refused.map(([, number]) => number));
    const judged = new Set([...numbers, clone, 435]);
    for (let number = 0; number <= 462; number++) {
      if (!judged.has(number)) assert.equal(decision(number), ALLOW, String(number));
    }
  });

  test(`seccompProgram() says of what is newer than its table that it is not there, on ${name}`, () => {
    for (const number of [463, 470, 512, 547, 1000, 0x3fff_ffff]) assert.equal(decision(number), ENOSYS);
    assert.equal(decision(435), ENOSYS, "clone3");
  });

  test(`seccompProgram() lets clone make threads and nothing else, on ${name}`, () => {
    // As the C library asks for a thread, and for a process.
    assert.equal(decision(clone, 0x3d0f00n), ALLOW);
    assert.equal(decision(clone, 0x1200011n), EPERM);
    assert.equal(decision(clone, 0n), EPERM);
    assert.equal(decision(clone, 0x1000_0000n), EPERM, "CLONE_NEWUSER");
    // The upper half of a register is not looked at by the kernel, either.
    assert.equal(decision(clone, 0xffff_ffff_0000_0011n), EPERM);
    assert.equal(decision(clone, 0x1_0000_0000n * 0x10000n), EPERM);
  });

  test(`seccompProgram() refuses another filter and leaves the rest of prctl, on ${name}`, () => {
    assert.equal(decision(prctl, 22n), EPERM);
    assert.equal(decision(prctl, 0xdead_0000_0016n), EPERM, "the kernel takes the lower half");
    assert.equal(decision(prctl, 15n), ALLOW, "PR_SET_NAME");
  });

  test(`seccompProgram() kills what calls by another architecture's numbers, on ${name}`, () => {
    const foreign = [0x4000_0003, 0x4000_0028, 0, 0xffff_ffff, ...ARCHITECTURES.map((other) => other.audit)];
    for (const other of foreign.filter((value) => value !== audit)) {
      for (const number of [0, 1, 57, 220, 11]) {
        assert.equal(decide(program, { audit: other, number }), KILL);
      }
    }
  });

  test(`seccompProgram() is what the kernel takes, on ${name}`, () => {
    assert.equal(program.length % 8, 0);
    assert.ok(program.length / 8 < 4096);
  });
}

test("seccompProgram() kills x32 calls, on x64", () => {
  const program = seccompProgram("x64") ?? assert.fail();
  for (const number of [0x4000_0000, 0x4000_0039, 0x4000_0208, 0xffff_ffff]) {
    assert.equal(decide(program, { audit: 0xc000_003e, number }), KILL);
  }
});

test("seccompProgram() has no program for a processor whose calls it does not know", () => {
  for (const name of ["arm", "ia32", "riscv64", "ppc64", "s390x", "loong64", "", "constructor"]) {
    assert.equal(seccompProgram(name), undefined);
  }
});

test("the table has the numbers of the kernel's headers where both architectures were given their own", () => {
  const numbers = new Map(REFUSALS.flatMap(({ calls }) => Object.entries(calls)));
  // From asm/unistd_64.h and asm-generic/unistd.h, by hand.
  assert.deepEqual(numbers.get("socket"), [41, 198]);
  assert.deepEqual(numbers.get("ptrace"), [101, 117]);
  assert.deepEqual(numbers.get("execveat"), [322, 281]);
  assert.deepEqual(numbers.get("unshare"), [272, 97]);
  assert.deepEqual(numbers.get("setns"), [308, 268]);
  assert.deepEqual(numbers.get("mount"), [165, 40]);
  assert.deepEqual(numbers.get("bpf"), [321, 280]);
  for (const { why, calls } of REFUSALS) assert.ok(why !== "" && Object.keys(calls).length > 0);
  // From 424 on, every architecture counts alike.
  for (const [call, [x64, arm64]] of numbers) {
    if ((x64 ?? 0) >= 424) assert.equal(x64, arm64, call);
  }
});
