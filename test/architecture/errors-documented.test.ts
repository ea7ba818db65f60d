/** The error table and its pages say the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES } from "../../base/error.ts";
import { sourceFiles } from "./tree.ts";

interface Page {
  readonly code: string;
  readonly text: string;
}

/** Codes whose pages also say how `on_missing` and `on_unavailable` bear on them. */
const OF_SECRETS = /^SECRETS_/;

const SECTIONS = ["## What happened", "## How it looks", "## What to do"];
const SECRET_ROWS = ["Fires when", "Seen offline", "`on_missing`", "`on_unavailable`"];

const UNREPORTED = "Nothing in this version reports this code yet.";

/** Everything that does not fit between the table and the pages, one sentence each. */
function disagreements(
  table: Readonly<Record<string, { blame: string; status: number; exit: number }>>,
  pages: readonly Page[],
  index: string,
): string[] {
  const found: string[] = [];
  for (const code of Object.keys(table)) {
    if (!pages.some((page) => page.code === code)) found.push(`docs/errors/${code}.md is missing`);
    if (!index.includes(`](${code}.md)`)) found.push(`docs/errors/README.md does not list ${code}`);
  }
  for (const [, listed] of index.matchAll(/\]\(([A-Z_]+)\.md\)/g)) {
    if (listed !== undefined && !Object.hasOwn(table, listed))
      found.push(`docs/errors/README.md lists ${listed}, which is no code`);
  }
  for (const { code, text } of pages) {
    const kind = table[code];
    if (kind === undefined) {
      found.push(`docs/errors/${code}.md describes no code`);
      continue;
    }
    const head = `# ${code}\n\nto mend by: ${kind.blame} · exit code ${kind.exit} · HTTP ${kind.status}\n`;
    if (!text.startsWith(head))
      found.push(`docs/errors/${code}.md does not begin with ${JSON.stringify(head)}`);
    for (const section of SECTIONS) {
      if (!new RegExp(`^${section}\\n\\n\\S`, "m").test(text))
        found.push(`docs/errors/${code}.md lacks "${section}"`);
    }
    const example = /^## How it looks\n\n```text\n(.*?)\n```$/ms.exec(text)?.[1] ?? "";
    if (!example.includes(code)) found.push(`docs/errors/${code}.md shows no line with ${code}`);
    if (!OF_SECRETS.test(code)) continue;
    for (const row of SECRET_ROWS) {
      if (!new RegExp(`^\\| ${row} \\| \\S`, "m").test(text))
        found.push(`docs/errors/${code}.md lacks the row ${row}`);
    }
  }
  return found;
}

const FOLDER = "docs/errors/";
const documents = sourceFiles(".md").filter((file) => file.path.startsWith(FOLDER));
const index = documents.find((file) => file.path === `${FOLDER}README.md`)?.text ?? "";
const pages = documents
  .filter((file) => file.path !== `${FOLDER}README.md`)
  .map(({ path, text }) => ({ code: path.slice(FOLDER.length, -".md".length), text }));

test("every code has a page, and every page a code", () => {
  assert.ok(pages.length > 50, `${pages.length} pages`);
  assert.deepEqual(disagreements(ERROR_CODES, pages, index), []);
});

test("a page says so while nothing reports its code", () => {
  const sources = sourceFiles(".ts").filter(({ path }) => !/^(base\/error\.ts|test\/|tasks\/)/.test(path));
  const said = new Set(sources.flatMap(({ text }) => text.match(/"[A-Z_]+"/g) ?? []));
  for (const { code, text } of pages) {
    assert.equal(text.includes(`\n${UNREPORTED}\n`), !said.has(`"${code}"`), code);
  }
});

test("disagreements() catches planted faults", () => {
  const table = { USAGE: { blame: "operator", status: 400, exit: 2 } };
  const good = pages.filter((page) => page.code === "USAGE");
  const list = "[USAGE](USAGE.md)";
  const text = good[0]?.text ?? "";
  assert.deepEqual(disagreements(table, good, list), []);
  assert.equal(disagreements(table, [], list).length, 1);
  assert.equal(disagreements(table, good, "").length, 1);
  assert.equal(disagreements(table, good, `${list} [GONE](GONE.md)`).length, 1);
  assert.equal(disagreements(table, [...good, { code: "GONE", text }], list).length, 1);
  for (const [from, to] of [
    ["exit code 2", "exit code 3"],
    ["## What happened", "## What"],
    ["## What to do", "## To do"],
    ["```text\nUSAGE", "```text\nSOMETHING"],
  ] as const) {
    assert.equal(
      disagreements(table, [{ code: "USAGE", text: text.replace(from, to) }], list).length,
      1,
      from,
    );
  }
  const secrets = { SECRETS_X: { blame: "operator", status: 400, exit: 2 } };
  const page = { code: "SECRETS_X", text: text.replaceAll("USAGE", "SECRETS_X") };
  assert.equal(disagreements(secrets, [page], "[SECRETS_X](SECRETS_X.md)").length, SECRET_ROWS.length);
});
