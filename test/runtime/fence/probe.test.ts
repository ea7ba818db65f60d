/** Reports of machines that can build all fences, some and none: this one, and what it becomes when things are taken away. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { FENCE_LEVELS, isAtLeast } from "../../../runtime/host/fence/levels.ts";
import { probeFences, strongestFence, type FenceReport } from "../../../runtime/host/fence/probe.ts";
import { toolPath } from "../../../runtime/host/fence/tools.ts";

const PROGRAM = join(import.meta.dirname, "programs/report-fences.ts");
const REPORT = await probeFences();
const IS_ROOT = process.geteuid?.() === 0;

/** What the program prints when it is started by a command line that ends with Node's. */
async function reportOf(command: readonly string[]): Promise<{ report: FenceReport; strongest: string }> {
  const [path, ...args] = [...command, process.execPath, PROGRAM];
  const child = spawn(path ?? assert.fail(), args, { stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(Buffer.from(chunk));
  return JSON.parse(Buffer.concat(chunks).toString());
}

test("probeFences() says of each level that it is there, or why it is not", (context) => {
  assert.equal(REPORT.L0, undefined);
  for (const level of FENCE_LEVELS) {
    const reason = REPORT[level];
    context.diagnostic(`${level}: ${reason ?? "available"}`);
    if (reason !== undefined) assert.match(reason, /^[^\n]{5,250}$/);
  }
});

test("strongestFence() is the last that the report has no reason against", async () => {
  assert.equal(
    await strongestFence(),
    FENCE_LEVELS.findLast((level) => REPORT[level] === undefined),
  );
});

test("probeFences() leaves no process", async () => {
  await Promise.all([probeFences(), strongestFence()]);
  const left = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("/worker/probe.");
    } catch {
      return false;
    }
  });
  assert.deepEqual(left, []);
});

test("isAtLeast() orders the levels", () => {
  assert.ok(isAtLeast("L3", "L0") && isAtLeast("L2", "L2") && !isAtLeast("L1", "L2"));
});

/** As an ordinary user, with the capabilities of a user namespace, in a mount namespace of our own. */
const somebody = IS_ROOT ? [toolPath("setpriv"), "--reuid=1234", "--regid=1234", "--clear-groups"] : [];

function altered(script: string): readonly string[] {
  const [unshare, sh] = [toolPath("unshare"), toolPath("sh")];
  const namespaces = ["--user", "--map-current-user", "--keep-caps", "--mount"];
  return [...somebody, unshare, ...namespaces, sh, "-c", `set -e\n${script}\nexec "$@"`, "sh"];
}

if (IS_ROOT) {
  test("probeFences() finds for an ordinary user what it finds for root", async () => {
    const { report } = await reportOf(somebody);
    for (const level of FENCE_LEVELS)
      assert.equal(report[level] === undefined, REPORT[level] === undefined, level);
  });
}

if (REPORT.L2 === undefined) {
  test("probeFences() falls to L1, and says why, where user namespaces are forbidden", async () => {
    const { report, strongest } = await reportOf(altered("echo 0 > /proc/sys/user/max_user_namespaces"));
    assert.equal(strongest, "L1");
    assert.equal(report.L1, undefined);
    assert.match(report.L2 ?? "", /^unshare: /);
    if (existsSync("/usr/bin/bwrap")) assert.match(report.L3 ?? "", /^bwrap: /);
  });

  test("probeFences() falls to L0, and names the package, where programs are missing", async () => {
    const hide = ["setpriv", "bwrap"].map(
      (name) => `[ ! -e /usr/bin/${name} ] || ${toolPath("mount")} -n --bind /dev/null /usr/bin/${name}`,
    );
    const { report, strongest } = await reportOf(altered(hide.join("\n")));
    assert.equal(strongest, "L0");
    for (const level of ["L1", "L2"] as const) {
      assert.equal(report[level], '"setpriv" is not installed (package: util-linux)');
    }
    assert.equal(report.L3, '"bwrap" is not installed (package: bubblewrap)');
  });

  test("probeFences() believes no program that only looks right", async () => {
    const { report, strongest } = await reportOf(
      altered(`fake=$(mktemp)
printf '%s\\n' '#!/bin/sh' 'until [ "$1" = "${process.execPath}" ] && [ "$2" != "$1" ] && [ "$2" != --ro-bind ]; do shift; done' 'exec "$@"' > "$fake"
chmod 755 "$fake"
for tool in bwrap unshare; do [ ! -e /usr/bin/$tool ] || ${toolPath("mount")} -n --bind "$fake" /usr/bin/$tool; done
rm "$fake"`),
    );
    assert.equal(strongest, "L1");
    assert.match(report.L2 ?? "", /process|filter|namespace/);
    // A tool that is not there can not be replaced by one that lies.
    const l3 = existsSync("/usr/bin/bwrap") ? /process|filter|namespace/ : /"bwrap" is not installed/;
    assert.match(report.L3 ?? "", l3);
  });
}
