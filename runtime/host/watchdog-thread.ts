/** The watchdog thread: knows process ids, limits and deadlines, reads /proc, sends SIGKILL. Nothing else. */
import { workerData } from "node:worker_threads";
import { HAS_PROC, processUsage, type ProcessUsage } from "./process-usage.ts";
import { KILLED, MAX_SLOTS, slotAt, type Slot } from "./watchdog-slots.ts";

/** How far a process can run past a limit before it is seen. */
const POLL_MS = 25;

const WALL = 1;
const CPU = 2;
const MEMORY = 3;

if (!(workerData instanceof SharedArrayBuffer)) throw new TypeError("the watchdog needs its shared memory");
const memory = workerData;
const slots = Array.from({ length: MAX_SLOTS }, (_, index) => slotAt(memory, index));

setInterval(() => {
  for (const slot of slots) {
    const watch = slot.state();
    if (watch > 0) check(slot, watch);
  }
}, POLL_MS);

function check(slot: Slot, watch: number): void {
  const pid = slot.get("pid");
  const usage = processUsage(pid);
  // Without /proc only the clock can be held, and the process can not be told from a later one.
  const alive = HAS_PROC ? usage?.startTicks === slot.get("startTicks") : pid > 0;
  const reason = breach(slot, alive ? usage : undefined);
  if (reason === 0) return;
  slot.setReason(reason);
  if (slot.transition(watch, KILLED) && alive) kill(pid);
}

function breach(slot: Slot, usage: ProcessUsage | undefined): number {
  if (usage !== undefined) {
    slot.set("cpuMs", usage.cpuMs);
    slot.set("peakMemory", Math.max(slot.get("peakMemory"), usage.rssBytes));
    if (usage.rssBytes > slot.get("memoryLimit")) return MEMORY;
    if (usage.cpuMs > slot.get("cpuLimit")) return CPU;
  }
  return Number(process.hrtime.bigint() / 1_000_000n) > slot.get("deadline") ? WALL : 0;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself since it was looked at.
  }
}
