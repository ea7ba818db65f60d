/**
 * TypeScript and its imports, bundled once into one module for the isolate.
 *
 * Bundling reads files on behalf of whoever wrote the import, so it is judged like an op: every specifier is
 * answered by our resolver, every file is opened and read here, and esbuild only ever sees text.
 */
import { basename, relative } from "node:path";
import {
  build,
  stop,
  transform,
  type BuildFailure,
  type Message,
  type OnLoadResult,
  type PartialMessage,
  type Plugin,
} from "esbuild";
import { AppError, type ErrorCode, type Position } from "../../base/error.ts";
import { quote } from "../../base/text.ts";
import { sha256 } from "../../base/hash.ts";
import { openModule, resolveModule, type ImportScope } from "./module-files.ts";

/** Wall time of one bundle. */
const MAX_BUNDLE_MS = 10_000;
/** Size of the code that comes out. */
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
const MAX_FILES = 2_000;
/** Text of all of them. */
const MAX_INPUT_BYTES = 32 * 1024 * 1024;

/**
 * Of several such comments the last one counts. An author's would let a file claim to be another one in stacks and
 * messages; this one is empty.
 */
const NO_SOURCE_MAP = "\n//# sourceMappingURL=data:application/json,{}";

const OPEN_IMPORTS = { "unsupported-dynamic-import": "error", "unsupported-require-call": "error" } as const;

/** What esbuild is told in every pass, so that one judges the same code as the other bundles. */
const DIALECT = {
  format: "esm",
  platform: "neutral",
  target: "es2024",
  tsconfigRaw: {},
  logLevel: "silent",
} as const;

/** Namespace of every module, so that esbuild itself finds no file, no tsconfig and no source map. */
const NAMESPACE = "task";

export interface Bundle {
  /** One ES module. */
  readonly code: string;
  /** SHA-256 of `code`, hex. */
  readonly hash: string;
  /** The source map, JSON; stays in the daemon. */
  readonly map: string;
  /** Absolute real paths of everything that went in. */
  readonly inputs: readonly string[];
}

let turn: Promise<unknown> = Promise.resolve();

/**
 * Bundles a task's entry file. Throws `BUNDLE_FAILED` for code that does not compile, `BUNDLE_IMPORT_DENIED` for an
 * import that is not allowed and `BUNDLE_LIMIT`, each with the place in the author's file.
 *
 * One at a time: esbuild is one process for all, and code that overwhelms it must take no other task's bundle along.
 */
export function bundle(entry: string, scope: ImportScope): Promise<Bundle> {
  const mine = turn.then(() => bundleAlone(entry, scope));
  turn = mine.catch(() => undefined);
  return mine;
}

async function bundleAlone(entry: string, scope: ImportScope): Promise<Bundle> {
  const inputs = new Map<string, string>();
  const { code, map } = await runEsbuild(entry, judgedImports(entry, scope, inputs));
  if (Buffer.byteLength(code) > MAX_OUTPUT_BYTES) {
    throw new AppError(
      "BUNDLE_LIMIT",
      `the bundle has ${Buffer.byteLength(code)} bytes, at most ${MAX_OUTPUT_BYTES} are allowed`,
    );
  }
  const hash = Buffer.from(sha256(Buffer.from(code))).toString("hex");
  return { code, hash, map: map.replaceAll(`"${NAMESPACE}:`, '"'), inputs: [...inputs.values()] };
}

async function runEsbuild(entry: string, plugin: Plugin): Promise<{ code: string; map: string }> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError("BUNDLE_LIMIT", `bundling took longer than ${MAX_BUNDLE_MS} ms`)),
    MAX_BUNDLE_MS,
  );
  const building = build({
    ...DIALECT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    outfile: "task.js",
    charset: "utf8",
    legalComments: "none",
    sourcemap: "external",
    sourcesContent: false,
    plugins: [plugin],
  });
  try {
    const { outputFiles } = await Promise.race([building, late.promise]);
    const text = (ending: string): string | undefined =>
      outputFiles.find((file) => file.path.endsWith(ending))?.text;
    return { code: text(".js") ?? "", map: text(".map") ?? "{}" };
  } catch (error) {
    if (isBuildFailure(error)) throw fromMessages(error.errors);
    // It does not stop, or it has died of what it was given. The next bundle starts another.
    await stop();
    if (error instanceof AppError) throw error;
    throw new AppError(
      "BUNDLE_LIMIT",
      "the bundler gave up: the task's code is too large or nested too deep",
      {
        cause: error,
      },
    );
  } finally {
    clearTimeout(timer);
  }
}

/** `inputs` collects display name → real path of every module that was read. */
function judgedImports(entry: string, scope: ImportScope, inputs: Map<string, string>): Plugin {
  let bytes = 0;
  return {
    name: "judged-imports",
    setup(build) {
      build.onResolve({ filter: /.*/ }, async ({ path, importer, kind }) => {
        try {
          const from = kind === "entry-point" ? undefined : inputs.get(importer);
          const real = await resolveModule(
            kind === "entry-point" ? `./${basename(entry)}` : path,
            from,
            scope,
          );
          const name = relative(scope.projectRoot, real);
          if (inputs.size >= MAX_FILES && !inputs.has(name)) {
            throw new AppError("BUNDLE_LIMIT", `the task imports more than ${MAX_FILES} files`);
          }
          inputs.set(name, real);
          return { path: name, namespace: NAMESPACE };
        } catch (error) {
          return { errors: [toMessage(error)] };
        }
      });
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, async ({ path }): Promise<OnLoadResult> => {
        try {
          const { text, loader } = await openModule(inputs.get(path) ?? "", scope);
          bytes += Buffer.byteLength(text);
          if (bytes > MAX_INPUT_BYTES) {
            throw new AppError("BUNDLE_LIMIT", `the task's files have more than ${MAX_INPUT_BYTES} bytes`);
          }
          if (loader !== "js" && loader !== "ts") return { contents: text, loader };
          const errors = await findOpenImports(text, loader, path);
          return errors.length > 0 ? { errors } : { contents: text + NO_SOURCE_MAP, loader };
        } catch (error) {
          return { errors: [toMessage(error)] };
        }
      });
      // What no import has been judged for, esbuild has found by itself.
      build.onLoad({ filter: /.*/ }, ({ path }) => ({
        errors: [toMessage(new AppError("BUNDLE_IMPORT_DENIED", `${quote(path)} was not judged`))],
      }));
    },
  };
}

/**
 * The imports of a file whose target only the run knows. esbuild answers `import("./" + name)` by searching folders
 * on its own, asks no plugin and can not be told otherwise; when it does not bundle, it only remarks on it.
 */
async function findOpenImports(text: string, loader: "js" | "ts", path: string): Promise<PartialMessage[]> {
  try {
    await transform(text, { ...DIALECT, loader, sourcefile: path, logOverride: OPEN_IMPORTS });
    return [];
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    // The remark on a require() of a literal, which is bundled.
    const left = error.errors.filter((message) => !message.text.startsWith('Converting "require"'));
    return left.map((message) => {
      if (!Object.hasOwn(OPEN_IMPORTS, message.id)) return message;
      const denied = new AppError("BUNDLE_IMPORT_DENIED", "an import takes a literal text", {
        hints: ["what a task can load is decided before it runs: import each file by its name"],
      });
      return { ...toMessage(denied), location: message.location };
    });
  }
}

function toMessage(error: unknown): PartialMessage {
  const known =
    error instanceof AppError
      ? error
      : new AppError("BUNDLE_FAILED", "the file can not be read", { cause: error });
  return { text: known.message, detail: known };
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

/** The first problem is the error, the others are its hints. */
function fromMessages(messages: readonly Message[]): AppError {
  const [first, ...others] = messages;
  const known = first?.detail instanceof AppError ? first.detail : undefined;
  const code: ErrorCode = known?.code ?? "BUNDLE_FAILED";
  const at = first === undefined ? undefined : positionOf(first);
  const more = others.slice(0, 10).map((message) => {
    const place = positionOf(message);
    return place === undefined ? message.text : `${place.file}:${place.line}:${place.column} ${message.text}`;
  });
  return new AppError(code, first?.text ?? "the task does not compile", {
    hints: [...(known?.hints ?? []), ...more],
    ...(at === undefined ? {} : { at }),
  });
}

/** esbuild counts columns from 0, in bytes; close enough to find the place. */
function positionOf({ location }: Message): Position | undefined {
  if (location === null) return undefined;
  const file = location.file.replace(`${NAMESPACE}:`, "");
  return { file, line: location.line, column: location.column + 1 };
}
