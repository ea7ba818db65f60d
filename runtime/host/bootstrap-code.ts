/** Bundles the guest's own code into the one script every isolate begins with. */
import { join } from "node:path";
import { build } from "esbuild";
import { PACKAGE_ROOT } from "./package-root.ts";

const GUEST = join(PACKAGE_ROOT, "runtime", "guest");

/** A script that leaves `__writ.boot`; trusted, because only files of this package go into it. */
export async function bootstrapCode(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(GUEST, "bootstrap.ts")],
    // An alias is looked up from here, wherever the daemon was started.
    absWorkingDir: PACKAGE_ROOT,
    bundle: true,
    write: false,
    format: "iife",
    globalName: "__writ",
    platform: "neutral",
    target: "es2024",
    // Class names are visible to tasks, and must be the standard's.
    keepNames: true,
    // The pure-JavaScript parts: "browser" would rely on a TextDecoder that the isolate does not have.
    conditions: ["react-native"],
    mainFields: ["main"],
    alias: {
      // Asks the host about names that are not ASCII, instead of carrying a table of Unicode into every isolate.
      tr46: join(GUEST, "tr46.ts"),
      // UTF-8, UTF-16 and Latin-1; the legacy encodings are nine tenths of the package.
      "@exodus/bytes/encoding.js": "@exodus/bytes/encoding-lite.js",
    },
    // Sloppy functions would show a task their callers and arguments.
    banner: { js: '"use strict";' },
    legalComments: "none",
    tsconfigRaw: {},
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}
