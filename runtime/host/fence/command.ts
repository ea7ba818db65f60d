/** The command line that starts a Node process inside a fence, and the way back from it to Node's process id. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { Socket } from "node:net";
import { devNull } from "node:os";
import { dirname } from "node:path";
import { AppError } from "../../../base/error.ts";
import type { FenceLevel } from "./levels.ts";
import { seccompProgram } from "./seccomp.ts";
import { sharedLibraries } from "./shared-libraries.ts";
import { strayDescriptors } from "./stray-descriptors.ts";
import { toolPath } from "./tools.ts";

/** A Node process as it would be started without a fence; all paths are absolute. */
export interface NodeCommand {
  readonly path: string;
  readonly flags: readonly string[];
  readonly script: string;
  readonly args: readonly string[];
  /** Files and folders that it must find under their own paths, besides Node and its libraries. */
  readonly readable: readonly string[];
}

export interface FencedCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** What the command reads from descriptors 4 and up; descriptor 3 goes to Node. */
  readonly handedOver: readonly Buffer[];
}

/** What root becomes: `nobody`, on every Linux. */
const NOBODY = 65534;
const MAX_OPEN_FILES = 64;
/** Threads and processes in one L2 fence; a worker has a dozen threads. */
const MAX_TASKS = 128;
/** The descriptor that bubblewrap reads the filter from. */
const FILTER_FD = 4;

/**
 * Limits that outlive every exec. Signals to everybody, as a service manager sends them, must not end what stands
 * between us and Node; Node itself takes its signals back.
 */
const LIMITED = `set -e
trap "" HUP INT TERM
ulimit -c 0
ulimit -f 0
ulimit -n ${MAX_OPEN_FILES}
exec "$@"`;

/**
 * Process 1 of an L2 fence. It keeps the capabilities of the fence's own user namespace, so that Node, which is in a
 * namespace below and has none, can neither trace it nor end it; when it ends, the kernel ends everything in here.
 * The root is left by chroot: without capabilities there is no way out of one, nor into a new user namespace.
 */
const ENCLOSED = `set -ef
ulimit -p ${MAX_TASKS} 2>/dev/null || ulimit -u ${MAX_TASKS}
IFS='
'
root=$1 mount=$2 mkdir=$3 folders=$4 files=$5 bound=$6
shift 6
"$mount" -n -t tmpfs -o mode=755,nosuid,nodev,size=64k fence "$root"
"$mkdir" -p $folders
for file in $files; do : > "$file"; done
"$mount" -n --bind -o ro,nosuid,nodev "$root" "$root"
for path in $bound; do "$mount" -n --bind -o ro,nosuid,nodev "$path" "$root$path"; done
"$@" &
exec 3<&-
wait $!`;

const NAMESPACES =
  "--user --map-root-user --net --pid --ipc --uts --mount --cgroup --fork --kill-child=SIGKILL";

const WRAPPING =
  "--unshare-all --die-with-parent --new-session --clearenv --cap-drop ALL " +
  `--hostname worker --seccomp ${FILTER_FD}`;

/** Folders that are there and seldom used: over one of them, in the fence's own namespace, goes the new root. */
const MOUNT_POINTS = ["/mnt", "/media", "/srv", "/opt", "/tmp"];

/** Throws `PLATFORM_UNSUPPORTED` when this system lacks what the level is built with. */
export function fenced(level: FenceLevel, node: NodeCommand): FencedCommand {
  const plain = [node.path, ...node.flags, node.script, ...node.args];
  switch (level) {
    case "L0":
      return { command: node.path, args: plain.slice(1), handedOver: [] };
    case "L1":
      // The shell has set variables of its own.
      return limited([toolPath("env"), "-i", ...plain]);
    case "L2":
      return limited(enclosed(filesOf(node), plain));
    case "L3":
      return { ...limited(wrapped(filesOf(node), plain)), handedOver: [filter()] };
  }
}

/**
 * Starts it, with an empty environment and no descriptor but its end of the socket, which is number 3. (bubblewrap
 * sets PWD, to "/".) Throws as `fenced` does.
 */
export function spawnFenced(
  level: FenceLevel,
  node: NodeCommand,
  stderr: "ignore" | "pipe" = "ignore",
): ChildProcess {
  const { command, args, handedOver } = fenced(level, node);
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", "ignore", stderr, "pipe"];
  stdio.push(...handedOver.map(() => "pipe" as const));
  const nothing = openSync(devNull, "r");
  try {
    for (const stray of strayDescriptors()) {
      while (stdio.length <= stray) stdio.push("ignore");
      if (stdio[stray] === "ignore") stdio[stray] = nothing;
    }
    // A group of its own: Ctrl-C is for the daemon, which ends its workers when their runs have ended.
    const child = spawn(command, args, { env: {}, cwd: "/", detached: true, stdio });
    for (const [index, bytes] of handedOver.entries()) handOver(child.stdio[FILTER_FD + index], bytes);
    return child;
  } finally {
    closeSync(nothing);
  }
}

function handOver(pipe: unknown, bytes: Buffer): void {
  if (!(pipe instanceof Socket)) return;
  // Who ends before it has read says so by its end.
  pipe.on("error", () => undefined).unref();
  pipe.end(bytes);
}

/** Processes between the one that was started and Node: the fence's maker, and process 1 of its pid namespace. */
const BETWEEN: Readonly<Record<FenceLevel, number>> = { L0: 0, L1: 0, L2: 2, L3: 2 };

/**
 * Node's process id, once it has been heard from; undefined when it is gone. To be asked before code of others has
 * run: a worker in other hands may have children of its own. SIGKILL to `child` ends Node too, at every level.
 */
export function workerPid(child: ChildProcess, level: FenceLevel): number | undefined {
  let pid = child.pid;
  for (let left = BETWEEN[level]; left > 0 && pid !== undefined; left--) pid = onlyChild(pid);
  return pid;
}

function onlyChild(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
    return /^[0-9]+$/.test(children) ? Number(children) : undefined;
  } catch {
    return undefined;
  }
}

function limited(command: readonly string[]): FencedCommand {
  const isRoot = process.geteuid?.() === 0;
  const privileges = [
    ...(isRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--bounding-set=-all"] : []),
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--no-new-privs",
    "--pdeathsig=KILL",
  ];
  const args = ["-c", LIMITED, "fence", toolPath("setpriv"), ...privileges, ...command];
  return { command: toolPath("sh"), args, handedOver: [] };
}

function enclosed(files: readonly string[], command: readonly string[]): readonly string[] {
  const root = mountPointFor(files);
  const folders = files.filter((path) => statSync(path).isDirectory());
  const others = files.filter((path) => !folders.includes(path));
  const inRoot = (paths: readonly string[]): string => lines([...new Set(paths)].map((path) => root + path));
  const tools = [toolPath("mount"), toolPath("mkdir")];
  const places = [inRoot([...folders, ...others.map(dirname)]), inRoot(others), lines(files)];
  const first = [toolPath("sh"), "-c", ENCLOSED, "fence", root, ...tools, ...places];
  const second = [toolPath("env"), "-i", toolPath("unshare"), "--user", `--root=${root}`, "--wd=/"];
  return [toolPath("unshare"), ...NAMESPACES.split(" "), ...first, ...second, ...command];
}

function wrapped(files: readonly string[], command: readonly string[]): readonly string[] {
  const bound = files.flatMap((path) => ["--ro-bind", path, path]);
  return [
    toolPath("bwrap"),
    ...WRAPPING.split(" "),
    ...bound,
    "--remount-ro",
    "/",
    "--chdir",
    "/",
    "--",
    ...command,
  ];
}

function filter(): Buffer {
  const program = seccompProgram(process.arch);
  if (program !== undefined) return program;
  throw new AppError(
    "PLATFORM_UNSUPPORTED",
    `there is no system call filter for the processor "${process.arch}"`,
  );
}

/** All that will stand in the new root. */
function filesOf(node: NodeCommand): readonly string[] {
  const files = [...new Set([...sharedLibraries(), node.path, node.script, ...node.readable])];
  if (lines(files).split("\n").length !== files.length) {
    throw new AppError("PLATFORM_UNSUPPORTED", "writ is installed in a folder whose name has a line break");
  }
  // A file in a folder that is there as a whole would be bound twice.
  return files.filter((path) => !files.some((folder) => path.startsWith(`${folder}/`)));
}

function mountPointFor(files: readonly string[]): string {
  const free = MOUNT_POINTS.find(
    (folder) =>
      statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true &&
      !files.some((path) => path.startsWith(`${folder}/`)),
  );
  if (free !== undefined) return free;
  throw new AppError("PLATFORM_UNSUPPORTED", `none of ${MOUNT_POINTS.join(", ")} can become a worker's root`);
}

/** How the script of an L2 fence takes a list of paths. */
function lines(paths: readonly string[]): string {
  return paths.join("\n");
}
