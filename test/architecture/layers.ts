/** The import rule as data, and the judge that holds one file against it. */
import { posix } from "node:path";
import { type Expression, parseSync, Visitor } from "oxc-parser";
import type { SourceFile } from "./tree.ts";

const WIRE = "sdk/wire.ts sdk/*/wire.ts";

/** Every place of the trusted process below its assembly. */
const DAEMON = `base/ manifest/ store/ store/vault/ secrets/ sdk/ ${WIRE} runtime/host/ runs/ triggers/ server/`;

/** Code that an isolate runs. */
const GUEST = "runtime/guest/ sdk/*/guest.ts";

/**
 * Place → places it may import; a place may always import itself.
 *
 * A file belongs to the longest key that fits, on both sides of an import: `sdk/` in a list does not stand for
 * `sdk/kv/guest.ts`, which is a place of its own. A key that ends with `/` is a folder, `*` is one name.
 */
const MAY_IMPORT: Readonly<Record<string, string>> = {
  "base/": "",
  "manifest/": "base/",
  "store/": "base/",
  "store/vault/": "base/ store/",
  "secrets/": "base/ manifest/ store/ store/vault/",
  "sdk/": `base/ manifest/ ${WIRE}`,
  // What authors import: types that must stand without the rest of the tree.
  "sdk/index.ts": "",
  // Shared by daemon, worker and guest, so it may need nothing that only one of them has.
  "sdk/wire.ts": "",
  "sdk/*/wire.ts": "sdk/wire.ts",
  // Hostile neighbours, no platform.
  "sdk/*/guest.ts": `${WIRE} ${GUEST}`,
  "runtime/guest/": `${WIRE} ${GUEST}`,
  // Code of the expendable process: it decides nothing, so it has nothing to decide with.
  "sdk/*/worker.ts": `base/ ${WIRE}`,
  "runtime/worker/": "base/ runtime/protocol.ts sdk/*/worker.ts",
  "runtime/protocol.ts": `base/ ${WIRE}`,
  "runtime/host/": `base/ manifest/ sdk/ ${WIRE} runtime/protocol.ts`,
  "runs/": `base/ manifest/ store/ store/vault/ secrets/ sdk/ ${WIRE} runtime/host/`,
  "triggers/": "base/ manifest/ runs/",
  "server/": "base/ manifest/ store/ runs/ triggers/",
  // The one file of the product that constructs: it joins every port to what fits it.
  "server/daemon.ts": DAEMON,
  "cli/": "base/ manifest/ server/ server/daemon.ts",
  // Examples see what an author sees: the package, and nothing of the tree.
  "tasks/": "sdk/index.ts",
  "tasks/*/task.test.ts": "test/",
  "test/": "*",
};

/** Package or built-in → the places or files that may name it. A built-in that is not listed is open to the daemon. */
const ONLY_IN: Readonly<Record<string, string>> = {
  // Even as a type: the daemon must not be able to hold an object of it.
  "isolated-vm": "runtime/worker/",
  esbuild: "runtime/host/",
  "better-sqlite3": "store/ store/vault/",
  "@noble/ciphers": "store/vault/",
  "hash-wasm": "store/vault/",
  yaml: "manifest/",
  croner: "triggers/",
  hono: "server/",
  "whatwg-url": GUEST,
  "@exodus/bytes": GUEST,
  // Wherever data comes in from outside.
  zod: `${DAEMON} server/daemon.ts cli/ runtime/protocol.ts`,
  // The project itself, as the author of a task names it.
  writ: "tasks/ tasks/*/task.test.ts",

  // Random ids, content hashes, the guest's random bytes; everything with a key stands in the vault.
  "node:crypto": "store/vault/ base/id.ts base/hash.ts runtime/host/bundle.ts runtime/worker/",
  // Programs are started by the daemon's sandbox and by nobody else.
  "node:child_process": "runtime/host/",
  "node:worker_threads": "runtime/host/ store/vault/",
  // Looks like a wall and is none.
  "node:vm": "",
  // Runs native code on bytes; what comes from a worker is parsed as JSON.
  "node:v8": "",
  "node:inspector": "secrets/debug-trace.ts",
  // Each would be a second way to do what one place does.
  "node:sqlite": "",
  "node:cluster": "",
  "node:repl": "",
  "node:wasi": "",
  // Only the daemon's egress will reach the network.
  "node:dgram": "",
  "node:dns": "",
  "node:http": "",
  "node:http2": "",
  "node:https": "",
  "node:tls": "",
  "node:readline": "cli/",
  "node:tty": "cli/",
  "node:test": "tasks/*/task.test.ts",
};

/** What may be taken from a package that can do more than it is needed for; a key may begin with a place. */
const ONLY_NAMES: Readonly<Record<string, string>> = {
  // A program is started with a list of arguments; everything else here takes or hides a shell.
  "node:child_process": "spawn ChildProcess SpawnOptions StdioOptions",
  // Judging addresses, not reaching them.
  "manifest/ node:net": "isIP isIPv4 isIPv6",
  // Whether a debugger is there, not a debugger.
  "node:inspector": "url",
};

/** Places that need only these of the built-ins. */
const BUILT_INS: Readonly<Record<string, string>> = {
  "base/": "node:buffer node:crypto node:util",
  "manifest/": "node:fs node:net node:path",
  "sdk/index.ts": "",
  "sdk/wire.ts": "",
  "sdk/*/wire.ts": "",
  "sdk/*/guest.ts": "",
  "runtime/guest/": "",
  "sdk/*/worker.ts": "",
  "runtime/worker/": "node:crypto node:net node:stream node:url",
  "tasks/": "",
};

/** Files that may `import()` a name they compute, each with its reason. */
const COMPUTED_IMPORTS: Readonly<Record<string, string>> = {
  "test/runtime/replaced-worker.ts": "starts workers from a copy of the tree",
  "test/runtime/programs/probing-worker.ts": "stands in that copy, next to what it imports",
};

/** Ways to a module or to native code around `import`; method → the places that may call it. */
const DETOURS: Readonly<Record<string, string>> = {
  getBuiltinModule: "",
  // Finds the path of the native module that the worker loads.
  createRequire: "runtime/host/isolated-vm.ts runtime/host/worker-process.ts",
  // Bundled into the guest, where it defers the evaluation of what a run may not need.
  require: GUEST,
  binding: "",
  dlopen: "runtime/worker/",
};

interface Import {
  readonly specifier: string;
  /** Names taken from the module; `*` for all of it. */
  readonly names: readonly string[];
}

/** What `file` does against the rule, one sentence each. `files` holds every path an import may lead to. */
export function violations(file: SourceFile, files: ReadonlySet<string>): string[] {
  const place = placeOf(file.path);
  if (place === undefined) return [`${file.path} stands in no place of the table`];
  const parsed = parseSync(file.path, file.text);
  if (parsed.errors.length > 0) return [`${file.path} does not parse: ${parsed.errors[0]?.message ?? ""}`];

  const found: string[] = [];
  const imports: Import[] = [];
  for (const { moduleRequest, entries } of parsed.module.staticImports) {
    // A default import and `* as x` have no name; an import of nothing runs the module all the same.
    const names = entries.map((entry) => entry.importName.name ?? "*");
    imports.push({ specifier: moduleRequest.value, names: names.length === 0 ? ["*"] : names });
  }
  for (const { moduleRequest } of parsed.module.staticExports.flatMap((statement) => statement.entries)) {
    if (moduleRequest !== null) imports.push({ specifier: moduleRequest.value, names: ["*"] });
  }
  for (const { moduleRequest } of parsed.module.dynamicImports) {
    const literal = /^(["'])([^"'\\]*)\1$/.exec(file.text.slice(moduleRequest.start, moduleRequest.end));
    if (literal !== null) imports.push({ specifier: literal[2] ?? "", names: ["*"] });
    else if (!Object.hasOwn(COMPUTED_IMPORTS, file.path))
      found.push(`${file.path} may not import a computed name`);
  }
  if (place !== "test/") {
    new Visitor({
      TSImportType: (node) => void imports.push({ specifier: node.source.value, names: ["*"] }),
      CallExpression: ({ callee, arguments: [first] }) => {
        const name = calledName(callee);
        if (name === undefined || !Object.hasOwn(DETOURS, name)) return;
        if (!lists(DETOURS[name], place, file.path)) found.push(`${file.path} may not call ${name}()`);
        else if (name !== "require") return;
        else if (first?.type === "Literal" && typeof first.value === "string") {
          imports.push({ specifier: first.value, names: ["*"] });
        } else found.push(`${file.path} may not require a computed name`);
      },
      Property: ({ key }) => {
        if (key.type === "Identifier" && key.name === "shell")
          found.push(`${file.path} may not ask for a shell`);
      },
    }).visit(parsed.program);
  }
  for (const one of imports) {
    const problem = one.specifier.startsWith(".")
      ? judgeOurs(file.path, place, one.specifier, files)
      : judgePackage(file.path, place, one);
    if (problem !== undefined) found.push(problem);
  }
  return found;
}

/** Whether a row of a table holds one of the words. */
function lists(row: string | undefined, ...words: readonly string[]): boolean {
  const listed = (row ?? "").split(" ");
  return words.some((word) => listed.includes(word));
}

/** `f`, `x.f` and `x["f"]`, the ways to call a function by its name. */
function calledName(callee: Expression): string | undefined {
  if (callee.type === "Identifier") return callee.name;
  if (callee.type !== "MemberExpression") return undefined;
  if (callee.property.type === "Identifier") return callee.property.name;
  return callee.property.type === "Literal" ? String(callee.property.value) : undefined;
}

function judgeOurs(
  from: string,
  place: string,
  specifier: string,
  files: ReadonlySet<string>,
): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(from), specifier));
  if (!files.has(target)) return `${from} imports ${target}, which is not in the tree`;
  const allowed = lists(MAY_IMPORT[place], "*", placeOf(target) ?? "") || placeOf(target) === place;
  return allowed ? undefined : `${from} may not import ${target}`;
}

function judgePackage(from: string, place: string, { specifier, names }: Import): string | undefined {
  if (place === "test/") return undefined;
  const name = packageName(specifier);
  const builtIn = name.startsWith("node:");
  const only = ONLY_IN[name];
  if (only === undefined && !builtIn) return `${from} may not import ${name}: no place is given to it`;
  const there = only === undefined || lists(only, place, from);
  const needed = !builtIn || BUILT_INS[place] === undefined || lists(BUILT_INS[place], name);
  if (!there || !needed) return `${from} may not import ${name}`;
  const taken = ONLY_NAMES[`${place} ${name}`] ?? ONLY_NAMES[name];
  const wrong = taken === undefined ? undefined : names.find((one) => !lists(taken, one));
  return wrong === undefined ? undefined : `${from} may not import ${wrong} from ${name}`;
}

/** `@scope/name/sub` → `@scope/name`, `node:fs/promises` → `node:fs`. */
function packageName(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** The longest key that fits, or undefined. */
function placeOf(path: string): string | undefined {
  return Object.keys(MAY_IMPORT)
    .filter((key) => (key.endsWith("/") ? path.startsWith(key) : posix.matchesGlob(path, key)))
    .toSorted((a, b) => b.length - a.length)[0];
}
