#!/usr/bin/env node
/** The process behind the command line: nothing is loaded before the Node that runs it is known to be able to. */
import type { World } from "./world.ts";

// What package.json says under `engines`: the versions that the native modules are built for.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const supported = (major === 24 && minor >= 11) || major >= 26;

if (!supported) {
  process.stderr.write(
    `PLATFORM_UNSUPPORTED this is Node ${process.versions.node}, writ needs 24.11 or a later 24, or 26 and newer; ` +
      "install one of them, or use the one that `npm ci` brings: `npm run writ -- …`\n",
  );
  process.exitCode = 1;
} else {
  const { runCli } = await import("./run-cli.ts");
  const { homedir } = await import("node:os");
  const world: World = {
    argv: process.argv.slice(2),
    // Only looking at it opens it.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    signals: process,
  };
  process.exitCode = await runCli(world);
}
