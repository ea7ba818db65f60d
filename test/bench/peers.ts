/** What writ is measured against: installed in a folder of its own, when a bench first asks for it. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const PEERS = join(import.meta.dirname, "peers");

/** The binary itself: the package's own command would add the start of a Node process. */
export async function denoPath(): Promise<string> {
  const { platform, arch } = process;
  const name = `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`;
  const { resolve } = createRequire(join(PEERS, "package.json"));
  try {
    return join(dirname(resolve(`${name}/package.json`)), "deno");
  } catch {
    process.stderr.write("installing the bench's peers …\n");
    await promisify(execFile)("npm", ["ci", "--prefix", PEERS]);
    return join(PEERS, "node_modules", name, "deno");
  }
}
