/** Whether this process runs in a container, whose file system may be thrown away with everything in it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MARKERS = [".dockerenv", "run/.containerenv", "run/systemd/container"];
const CGROUP_HINT = /\b(docker|kubepods|containerd|crio|libpod|lxc|garden)\b/;

/** Looks for what container engines leave behind below `root`; a hint, not a proof. */
export function inContainer(env: Readonly<Record<string, string | undefined>>, root = "/"): boolean {
  return (
    env["KUBERNETES_SERVICE_HOST"] !== undefined ||
    env["container"] !== undefined ||
    MARKERS.some((path) => existsSync(join(root, path))) ||
    ["proc/1/cgroup", "proc/self/cgroup"].some((path) => CGROUP_HINT.test(readIfThere(join(root, path))))
  );
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // Not Linux, or hidden from us: no hint either way.
    return "";
  }
}
