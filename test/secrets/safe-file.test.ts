import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../../base/error.ts";
import { readSmallFile } from "../../secrets/safe-file.ts";

/** A folder `open` that may be read and one `shut` that may not, each with a file `value`. */
function folders(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "writ-safe-file-"));
  for (const name of ["open", "shut"]) {
    mkdirSync(join(path, name));
    writeFileSync(join(path, name, "value"), `${name}-canary`);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Reads `open/value` while somebody does `meddle` right after the name was judged. */
async function readDuring(path: string, meddle: () => void): Promise<string | undefined> {
  let judged = 0;
  const content = await readSmallFile(join(path, "open", "value"), "the file", {
    maxBytes: 64,
    judge: (real) => {
      if (!real.startsWith(join(path, "open", "")))
        throw new AppError("SECRETS_ACCESS_DENIED", "it is outside");
      if (judged++ === 0) meddle();
    },
  });
  return content?.toString();
}

test("readSmallFile() judges what it opened, so that a folder swapped for a link leads nowhere", async () => {
  using at = folders();
  assert.equal(await readDuring(at.path, () => undefined), "open-canary");
  const swap = (): void => {
    renameSync(join(at.path, "open"), join(at.path, "moved"));
    symlinkSync(join(at.path, "shut"), join(at.path, "open"));
  };
  await assert.rejects(readDuring(at.path, swap), {
    code: "SECRETS_ACCESS_DENIED",
    message: "it is outside",
  });
});

test("readSmallFile() refuses a file that became a link or another file since it was judged", async () => {
  for (const replace of [
    (path: string): void => symlinkSync(join(path, "shut", "value"), join(path, "open", "value")),
    (path: string): void => renameSync(join(path, "shut", "value"), join(path, "open", "value")),
  ]) {
    using at = folders();
    const meddle = (): void => {
      renameSync(join(at.path, "open", "value"), join(at.path, "gone"));
      replace(at.path);
    };
    await assert.rejects(readDuring(at.path, meddle));
  }
});

test("readSmallFile() returns undefined only where there is nothing", async () => {
  using at = folders();
  const read = { maxBytes: 4, judge: () => undefined };
  assert.equal(await readSmallFile(join(at.path, "none"), "the file", read), undefined);
  assert.equal(await readSmallFile(join(at.path, "open", "value", "below"), "the file", read), undefined);
  await assert.rejects(readSmallFile(join(at.path, "open", "value"), "the file", read), {
    code: "SECRETS_TOO_LARGE",
  });
  await assert.rejects(readSmallFile(at.path, "the file", read), { code: "SECRETS_ACCESS_DENIED" });
});
