/** The filter of fence L3: a classic BPF program, made from the table of refused calls, for bubblewrap to install. */
import { CLONE, CLONE3, NEWEST_KNOWN, PRCTL, REFUSALS, type Architecture } from "./syscalls.ts";

/** AUDIT_ARCH_*: a 64-bit kernel also takes calls of 32-bit programs, whose numbers mean other things. */
const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;
/** On x86-64, calls of the x32 ABI have this bit: the same calls under other numbers. */
const X32_BIT = 0x4000_0000;

/** Offsets into struct seccomp_data; of an argument, the lower half (both architectures are little-endian). */
const NUMBER = 0;
const ARCH = 4;
const FIRST_ARGUMENT = 16;

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER = 0x25;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const ERRNO = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;

const CLONE_THREAD = 0x0001_0000;
const PR_SET_SECCOMP = 22;

const INSTRUCTION_BYTES = 8;

/** code, instructions to skip when true and when false, operand. */
type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

const load = (offset: number): Instruction => [LOAD, 0, 0, offset];
const answer = (value: number): Instruction => [RETURN, 0, 0, value];
/** The next instruction happens only if the test holds. */
const when = (test: number, operand: number): Instruction => [test, 0, 1, operand];
/** The next instruction happens only if the test fails. */
const unless = (test: number, operand: number): Instruction => [test, 1, 0, operand];

/** The program as `struct sock_filter[]`, or undefined for an architecture whose call numbers are not in the table. */
export function seccompProgram(architecture: string): Buffer | undefined {
  if (architecture !== "x64" && architecture !== "arm64") return undefined;
  const instructions = instructionsFor(architecture);
  const program = Buffer.alloc(instructions.length * INSTRUCTION_BYTES);
  for (const [index, [code, whenTrue, whenFalse, operand]] of instructions.entries()) {
    const at = index * INSTRUCTION_BYTES;
    program.writeUInt16LE(code, at);
    program.writeUInt8(whenTrue, at + 2);
    program.writeUInt8(whenFalse, at + 3);
    program.writeUInt32LE(operand, at + 4);
  }
  return program;
}

function instructionsFor(architecture: Architecture): readonly Instruction[] {
  return [
    load(ARCH),
    unless(JUMP_EQUAL, AUDIT_ARCH[architecture]),
    answer(KILL_PROCESS),
    load(NUMBER),
    ...(architecture === "x64" ? [when(JUMP_AT_LEAST, X32_BIT), answer(KILL_PROCESS)] : []),
    when(JUMP_GREATER, NEWEST_KNOWN),
    answer(ERRNO | ENOSYS),
    when(JUMP_EQUAL, CLONE3),
    answer(ERRNO | ENOSYS),
    ...refusedNumbers(architecture).flatMap((number) => [when(JUMP_EQUAL, number), answer(ERRNO | EPERM)]),
    ...byFirstArgument(CLONE[architecture], [unless(JUMP_ANY_BIT, CLONE_THREAD), answer(ERRNO | EPERM)]),
    ...byFirstArgument(PRCTL[architecture], [when(JUMP_EQUAL, PR_SET_SECCOMP), answer(ERRNO | EPERM)]),
    answer(ALLOW),
  ];
}

function refusedNumbers(architecture: Architecture): readonly number[] {
  const side = architecture === "x64" ? 0 : 1;
  const numbers = REFUSALS.flatMap(({ calls }) => Object.values(calls).map((both) => both[side]));
  return numbers.filter((number) => number !== undefined);
}

/** Judges one call by its first argument; the call's number is forgotten, so this ends in an answer. */
function byFirstArgument(number: number, judge: readonly Instruction[]): readonly Instruction[] {
  const body = [load(FIRST_ARGUMENT), ...judge, answer(ALLOW)];
  return [[JUMP_EQUAL, 0, body.length, number], ...body];
}
