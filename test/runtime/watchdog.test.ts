/** The thread that holds limits: on real processes, and with what it may have read of an earlier watch. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";
import { Watch, Watchdog, type WatchLimits } from "../../runtime/host/watchdog.ts";
import { KILLED, slotAt, slotsBytes } from "../../runtime/host/watchdog-slots.ts";

const NONE: WatchLimits = { wallMs: 60_000, cpuMs: 60_000, memoryBytes: Number.POSITIVE_INFINITY };

for (const [reason, limits, code] of [
  ["wall", { ...NONE, wallMs: 100 }, "setInterval(() => {}, 1000)"],
  ["cpu", { ...NONE, cpuMs: 200 }, "for (;;);"],
  [
    "memory",
    { ...NONE, memoryBytes: 200 * 1024 * 1024 },
    "const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1));",
  ],
] as const) {
  test(`Watchdog kills a process for its ${reason}, while the main loop is blocked`, async () => {
    await using watchdog = new Watchdog();
    const child = spawn(process.execPath, ["-e", code], { stdio: "ignore" });
    await once(child, "spawn");
    const watch = watchdog.watch(child.pid ?? 0, limits);
    const gone = once(child, "exit");
    const blockedUntil = performance.now() + 400;
    while (performance.now() < blockedUntil);
    const [, signal]: unknown[] = await gone;
    assert.equal(signal, "SIGKILL");
    assert.equal(watch.stop().killed, reason);
  });
}

test("Watchdog kills nothing after stop(), and nothing that is gone", async () => {
  await using watchdog = new Watchdog();
  const child = spawn(process.execPath, ["-e", "process.stdin.on('data', () => process.exit(7))"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  const { pid } = child;
  assert.ok(pid !== undefined);
  const watch = watchdog.watch(pid, { ...NONE, wallMs: 5_000 });
  assert.equal(watch.stop().killed, undefined);
  assert.equal(watch.stop().killed, undefined);
  const gone = once(child, "exit");
  child.stdin.write("x");
  assert.deepEqual(await gone, [7, null]);
  // Whatever has this number by now is not what was to be watched.
  const late = watchdog.watch(pid, { ...NONE, wallMs: 1 });
  const other = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
  assert.deepEqual(await once(other, "exit"), [0, null]);
  late.stop();
});

test("a reading of an earlier watch can not end a later one of the same slot", () => {
  const slot = slotAt(new SharedArrayBuffer(slotsBytes()), 0);
  const watch = (): Watch => new Watch(slot, process.pid, undefined, NONE, () => undefined);
  const first = watch();
  const read = slot.state();
  first.stop();
  const second = watch();
  assert.equal(slot.transition(read, KILLED), false);
  assert.equal(second.stop().killed, undefined);
});
