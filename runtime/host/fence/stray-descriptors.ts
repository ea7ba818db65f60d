/** Descriptors that a child would get without anybody having meant it to. */
import { readdirSync, readFileSync } from "node:fs";
import { AppError } from "../../../base/error.ts";

const O_CLOEXEC = 0o2000000;
const FIRST_STRAY = 3;
/** Each costs a place in every start of a worker. */
const MAX_STRAY = 1023;

/**
 * What is open here and would survive an exec: whoever started this process left it open, and Node, which closes the
 * first few of such descriptors for its children, has not seen it. Empty where there is no /proc. Throws
 * `PLATFORM_UNSUPPORTED` for a number that is too high to be dealt with.
 */
export function strayDescriptors(): readonly number[] {
  const stray = openDescriptors().filter((fd) => fd >= FIRST_STRAY && survivesExec(fd));
  const highest = stray.findLast((fd) => fd > MAX_STRAY);
  if (highest === undefined) return stray;
  throw new AppError(
    "PLATFORM_UNSUPPORTED",
    `descriptor ${highest} was left open by whoever started writ, and workers would inherit it; close it first`,
  );
}

function openDescriptors(): readonly number[] {
  try {
    return readdirSync("/proc/self/fd").map(Number);
  } catch {
    return [];
  }
}

/** False for one that is closed by now. */
function survivesExec(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return flags === undefined || (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    return false;
  }
}
