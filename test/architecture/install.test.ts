/** The lockfile installs on a machine without a compiler, with the npm that Node 20 brings. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { ROOT } from "./tree.ts";

const entry = z.looseObject({ gypfile: z.boolean().optional(), hasInstallScript: z.boolean().optional() });
const lockfile = z.looseObject({ packages: z.record(z.string(), entry) });

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8"));
}

/**
 * npm before 11 compiles every package with a `binding.gyp` unless it says `gypfile: false`, and it looks for that in
 * the lockfile, where npm itself does not write it. The line is added by hand after each `npm install`.
 */
test("package-lock.json says gypfile: false for each package that brings its binaries", () => {
  const { packages } = lockfile.parse(readJson("package-lock.json"));
  const compiled = Object.entries(packages)
    .filter(([path, { gypfile, hasInstallScript }]) => {
      const brought = path !== "" && existsSync(join(ROOT, path, "binding.gyp"));
      return brought && hasInstallScript !== true && gypfile !== false;
    })
    .map(([path]) => path);
  assert.deepEqual(compiled, []);
  assert.ok(existsSync(join(ROOT, "node_modules/better-sqlite3/binding.gyp")), "nothing was looked at");
});
