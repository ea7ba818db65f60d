import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { taskJsonSchema } from "../../manifest/json-schema.ts";
import { loadManifest } from "../../manifest/load.ts";
import { renderProblem } from "../../manifest/problem.ts";

suite("docs/manifest.md", () => {
  const text = readFileSync(new URL("../../docs/manifest.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/(?:<!-- ([A-Z_]+) -->\n)?```yaml\n([^]*?)```/g)];

  test("has examples, some of which are refused", () => {
    assert.ok(examples.length >= 15);
    assert.ok(examples.filter(([, code]) => code !== undefined).length >= 3);
  });

  for (const [, code, yaml = ""] of examples) {
    test(`an example ${code === undefined ? "loads" : `is refused with ${code}`}: ${yaml.split("\n")[0]}`, () => {
      const loaded = loadManifest(new TextEncoder().encode(yaml), "task.yaml", { id: "docs/example" });
      const problems = loaded.ok ? [] : loaded.problems;
      const rendered = problems.map(renderProblem).join("\n");
      if (code === undefined) assert.ok(loaded.ok, rendered);
      else
        assert.deepEqual(
          problems.map((problem) => problem.code),
          [code],
          rendered,
        );
      if (loaded.ok) assert.deepEqual(loaded.warnings, []);
    });
  }

  test("names every key of the schema", () => {
    const keys = (value: unknown): string[] =>
      typeof value !== "object" || value === null
        ? []
        : Object.entries(value).flatMap(([key, item]) => [
            ...(key === "properties" ? Object.keys(Object(item)) : []),
            ...keys(item),
          ]);
    for (const key of keys(taskJsonSchema())) assert.ok(new RegExp(`\\b${key}\\b`).test(text), key);
  });
});
