/** The tree speaks of itself alone, and every file says in its first line what it is there for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceFiles } from "./tree.ts";
import type { SourceFile } from "./tree.ts";

/** Fewer means that the test looks in the wrong place, not that the tree is clean. */
const LEAST_FILES = 100;

/** Folders whose files begin with a comment on their role. */
const WITH_ROLE = /^(base|manifest|store|secrets|sdk|runtime|runs|triggers|server|cli)\//;

/** Where it was written, and where its packages came from, is nobody's business who reads it. */
const ELSEWHERE: readonly RegExp[] = [
  /(?<![\w.])\/work\//,
  /\.\.\/shared\b/,
  /\bregistry\.(?:npmjs|yarnpkg)\.\w+/,
  /"resolved": "https?:/,
  /\b(?:verdaccio|artifactory|jfrog)\b/i,
];

function speaksOfElsewhere({ path, text }: SourceFile): string[] {
  if (path === "test/architecture/tree.test.ts") return [];
  return text.split("\n").flatMap((line, index) => {
    const said = ELSEWHERE.map((pattern) => pattern.exec(line)?.[0]).find((match) => match !== undefined);
    return said === undefined ? [] : [`${path}:${index + 1} says ${said}`];
  });
}

/** A doc comment that says something, on the first line or after the `#!` line. */
function lacksRole({ text }: SourceFile): boolean {
  return !/^(?:#![^\n]*\n)?\/\*\*\s+(?:\*\s+)?[^\s*/]/.test(text);
}

const files = sourceFiles(".ts", ".js", ".json", ".md", ".yaml", ".yml", ".txt", ".sql", ".npmrc", "/run");

test("the tree is seen", () => {
  assert.ok(files.length > LEAST_FILES, `${files.length} files`);
  for (const path of ["package-lock.json", ".ci/run", "docs/errors/INTERNAL.md", "base/error.ts"]) {
    assert.ok(
      files.some((file) => file.path === path),
      path,
    );
  }
});

test("the tree speaks of itself alone", () => {
  assert.deepEqual(files.flatMap(speaksOfElsewhere), []);
});

test("speaksOfElsewhere() catches a planted fault of each kind", () => {
  const faults = [
    "see /work/notes.md",
    "// from ../shared/design",
    '"https://registry.npmjs.org/zod"',
    '  "resolved": "http://localhost:4873/zod.tgz",',
    "served by verdaccio",
  ];
  for (const text of faults) {
    assert.equal(speaksOfElsewhere({ path: "x.md", text: `fine\n${text}` }).length, 1, text);
  }
  assert.deepEqual(speaksOfElsewhere({ path: "x.md", text: "test/work/x, ./work, a network/worker" }), []);
});

test("every source file begins with a comment on its role", () => {
  const sources = files.filter((file) => file.path.endsWith(".ts") && WITH_ROLE.test(file.path));
  assert.ok(sources.length > 0);
  assert.deepEqual(
    sources.filter(lacksRole).map((file) => file.path),
    [],
  );
});

test("lacksRole() catches a planted fault", () => {
  const lacks = (text: string): boolean => lacksRole({ path: "base/x.ts", text });
  assert.equal(lacks("/** Time as a port. */\nexport {};"), false);
  assert.equal(lacks("#!/usr/bin/env node\n/** The command line. */"), false);
  assert.equal(lacks("/**\n * What a manifest says.\n */"), false);
  for (const text of [
    "",
    "import x;",
    "// Time as a port.",
    "/* Time */",
    "/** */",
    "/**\n */\nimport x;",
    "\n/** Late. */",
  ]) {
    assert.equal(lacks(text), true, JSON.stringify(text));
  }
});
