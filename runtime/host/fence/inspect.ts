/** What the kernel says of a process in a fence: asked from outside, so that nothing inside can colour the answer. */
import { existsSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { isAtLeast, type FenceLevel } from "./levels.ts";

/** Of its own at L2 and above, as /proc names them. */
const NAMESPACES = ["user", "net", "pid", "ipc", "mnt", "uts"];
const CAPABILITIES = ["CapInh", "CapPrm", "CapEff", "CapAmb"];

/**
 * Why the fence around this process is not what its level promises; undefined = it is. What can not be read counts as
 * broken. L0 promises nothing. Some tenths of a millisecond.
 */
export function whyNotHeld(pid: number, level: FenceLevel): string | undefined {
  if (level === "L0") return undefined;
  try {
    return judge(pid, level);
  } catch {
    return "its process can not be looked at";
  }
}

function judge(pid: number, level: FenceLevel): string | undefined {
  const status = readStatus(pid);
  if (status.get("NoNewPrivs") !== "1") return "its process may gain privileges";
  if (!CAPABILITIES.every((set) => /^0+$/.test(status.get(set) ?? ""))) return "its process has capabilities";
  if (process.geteuid?.() === 0 && /(^|\s)0(\s|$)/.test(status.get("Uid") ?? "0"))
    return "its process is root's";
  if (!isAtLeast(level, "L2")) return undefined;
  const shared = NAMESPACES.find((name) => namespaceOf(pid, name) === namespaceOf("self", name));
  if (shared !== undefined) return `its process shares our ${shared} namespace`;
  const others = interfacesOf(pid).filter((name) => name !== "lo");
  if (others.length > 0) return `its process has network interfaces: ${others.join(", ")}`;
  if (seesOurFiles(pid)) return "its process sees files outside its own code";
  if (!isAtLeast(level, "L3")) return undefined;
  return status.get("Seccomp") === "2" ? undefined : "no filter of system calls is in force";
}

function readStatus(pid: number): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

function namespaceOf(pid: number | "self", name: string): string {
  return readlinkSync(`/proc/${pid}/ns/${name}`);
}

/** Ours as a whole, or this very file: nothing of the daemon's is among what a worker is given. */
function seesOurFiles(pid: number): boolean {
  const [root, ours] = [statSync(`/proc/${pid}/root/`), statSync("/")];
  return (
    (root.dev === ours.dev && root.ino === ours.ino) || existsSync(`/proc/${pid}/root${import.meta.filename}`)
  );
}

/** The first two lines are headings. */
function interfacesOf(pid: number): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/net/dev`, "utf8").trim().split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(":")).trim());
}
