import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadManifest } from "../../manifest/load.ts";

test("docs/secrets.md shows manifests that load, with nothing in them that does not act", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/secrets.md"), "utf8");
  const examples = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text]) => text ?? "");
  assert.ok(examples.length >= 3, "no examples were found");
  for (const text of examples) {
    const loaded = loadManifest(Buffer.from(text), "task.yaml", { id: "docs" });
    assert.ok(loaded.ok, `${text}\n${JSON.stringify(loaded)}`);
    assert.deepEqual([...loaded.warnings, ...loaded.notActing], []);
  }
});

test("docs/secrets.md has every form of its table in a manifest that loads", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/secrets.md"), "utf8");
  const forms = [...page.matchAll(/^\| `(?:- )?(\{ name:.*?\}|[A-Z]+)` \|/gm)].map(([, form]) => form ?? "");
  assert.equal(forms.length, 6);
  for (const form of forms) {
    const loaded = loadManifest(Buffer.from(`permissions:\n  env:\n    - ${form}\n`), "task.yaml", {
      id: "docs",
    });
    assert.ok(loaded.ok, `${form}\n${JSON.stringify(loaded)}`);
  }
});
