/** Reads task.yaml: every problem at once, each at its place; or a manifest. Touches nothing but the text. */
import { quote } from "../base/text.ts";
import type { ManifestDefaults, MaxLimits } from "./compile.ts";
import { compileManifest } from "./compile.ts";
import { matchesGlob } from "./glob.ts";
import { literalLooksLike } from "./literal-value.ts";
import type { Isolation, Manifest } from "./manifest.ts";
import { notActing } from "./not-acting.ts";
import type { Finding, Problem } from "./problem.ts";
import { isRecord, parseWith, sortProblems } from "./problem.ts";
import type { RawManifest } from "./schema.ts";
import { manifestSchema } from "./schema.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";
import type { YamlDocument } from "./yaml.ts";
import { parseYaml } from "./yaml.ts";

/** What the project's writ.yaml says about every manifest. */
export interface ProjectRules {
  readonly defaults: ManifestDefaults;
  readonly maxLimits: MaxLimits;
  /** The loosest isolation a manifest may name. */
  readonly isolation: Isolation;
  /** Workspace → the tasks in it; undefined = any task may name any workspace. */
  readonly workspaces: ReadonlyMap<string, readonly string[]> | undefined;
  readonly allowRunAny: boolean;
}

export interface LoadOptions {
  readonly id: string;
  /** Left out: no defaults, no maximum, no restriction. */
  readonly project?: ProjectRules;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly manifest: Manifest;
      readonly warnings: readonly Problem[];
      /** `MANIFEST_NOT_ACTING` for each entry that is checked but does nothing yet. */
      readonly notActing: readonly Problem[];
    }
  /** Warnings included; at least one is an error. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Never throws, whatever the bytes. `file` is the name that messages show. */
export function loadManifest(text: Uint8Array, file: string, options: LoadOptions): LoadResult {
  const { document, problems: syntax } = parseYaml(text, file);
  if (document === undefined) return { ok: false, problems: sortProblems(syntax) };
  const { data, problems: found } = parseWith(manifestSchema, document.value, document.at);
  const warnings = literalWarnings(document);
  const rules = data === undefined ? [] : judgeByProject(data, options, document);
  const errors = [...syntax, ...found, ...rules];
  if (data === undefined || errors.length > 0) {
    return { ok: false, problems: sortProblems([...errors, ...warnings]) };
  }
  const { id, project } = options;
  const manifest = compileManifest(
    data,
    id,
    data.workspace ?? workspaceOf(id, project),
    project?.defaults ?? {},
    project?.maxLimits,
    (path) => {
      const { line, column } = document.at(path);
      return { line, column };
    },
  );
  return {
    ok: true,
    manifest,
    warnings: sortProblems(warnings),
    notActing: sortProblems(notActing(document)),
  };
}

/** From what shares most to what shares nothing. */
const ISOLATION: readonly Isolation[] = ["workspace", "task", "run", "paranoid"];

function judgeByProject(raw: RawManifest, { id, project }: LoadOptions, document: YamlDocument): Problem[] {
  if (project === undefined) return [];
  const problems: Problem[] = [];
  const report = ({ code, message, fix, path = [] }: Finding): void => {
    problems.push({ code, message, fix: fix ?? "", at: document.at(path), severity: "error" });
  };
  const limits = raw.limits ?? {};
  const check = (
    key: keyof typeof limits,
    asked: number | undefined,
    max: number,
    format: (n: number) => string,
  ): void => {
    if (asked === undefined || asked <= max) return;
    report({
      code: "MANIFEST_LIMIT",
      message: `${key} asks for ${format(asked)}, the most that writ.yaml allows is ${format(max)}`,
      fix: `lower it, or raise limits.max.${key} in writ.yaml`,
      path: ["limits", key],
    });
  };
  const { maxLimits: max } = project;
  check("timeout", parseDuration(limits.timeout ?? ""), max.timeoutMs, formatDuration);
  check("cpu", parseDuration(limits.cpu ?? ""), max.cpuMs, formatDuration);
  check("memory", parseSize(limits.memory ?? ""), max.memoryBytes, formatSize);
  check("log", parseSize(limits.log ?? ""), max.logBytes, formatSize);
  check("output", parseSize(limits.output ?? ""), max.outputBytes, formatSize);

  if (
    raw.isolation !== undefined &&
    ISOLATION.indexOf(raw.isolation) < ISOLATION.indexOf(project.isolation)
  ) {
    report({
      code: "MANIFEST_LIMIT",
      message: `isolation: ${raw.isolation} is looser than writ.yaml's ${project.isolation}`,
      fix: "remove it; a manifest may only tighten",
      path: ["isolation"],
    });
  }
  for (const [index, { program }] of (raw.permissions?.run ?? []).entries()) {
    if (program !== "*" || project.allowRunAny) continue;
    report({
      code: "MANIFEST_LIMIT",
      message: "the project does not allow every program",
      fix: "name the program's path; allow_run_any: true in writ.yaml would allow all",
      path: ["permissions", "run", index, "program"],
    });
  }
  judgeWorkspace(raw.workspace, id, project, report);
  return problems;
}

function judgeWorkspace(
  named: string | undefined,
  id: string,
  project: ProjectRules,
  report: (finding: Finding) => void,
): void {
  const { workspaces } = project;
  if (workspaces === undefined) return;
  const own = workspaceOf(id, project);
  const path = ["workspace"];
  if (named !== undefined && named !== own) {
    const [message, fix] = workspaces.has(named)
      ? [
          `writ.yaml does not put ${quote(id)} into the workspace ${quote(named)}`,
          `add it under workspaces.${named} in writ.yaml`,
        ]
      : [
          `writ.yaml lists its workspaces and ${quote(named)} is not one of them`,
          "add it under workspaces in writ.yaml",
        ];
    report({ code: "SECRETS_SCOPE_INVALID", message, fix, path });
  }
}

/** The first workspace of the project whose globs cover the task. */
function workspaceOf(id: string, project: ProjectRules | undefined): string | undefined {
  for (const [name, globs] of project?.workspaces ?? []) {
    if (globs.some((glob) => matchesGlob(glob, id))) return name;
  }
  return undefined;
}

/** Works on unchecked values, so that warnings come together with errors. */
function literalWarnings(document: YamlDocument): Problem[] {
  const { value } = document;
  const permissions = isRecord(value) ? value["permissions"] : undefined;
  const entries = isRecord(permissions) ? permissions["env"] : undefined;
  if (!Array.isArray(entries)) return [];
  const warnings: Problem[] = [];
  const warn = (index: number, key: string, finding: Pick<Problem, "code" | "message" | "fix">): void => {
    warnings.push({ ...finding, at: document.at(["permissions", "env", index, key]), severity: "warning" });
  };
  for (const [index, entry] of entries.entries()) {
    if (!isRecord(entry)) continue;
    const { name, value: literal } = entry;
    for (const key of ["secret", "ref", "key", "from"]) {
      const text = entry[key];
      if (typeof text !== "string" || !text.includes("${")) continue;
      warn(index, key, {
        code: "MANIFEST_VALUE",
        message: `${key} is taken literally, \${…} does not expand here`,
        fix: "write it out",
      });
    }
    if (typeof literal !== "string") continue;
    const looks = literalLooksLike(typeof name === "string" ? name : "", literal);
    if (looks === "reference") {
      warn(index, "value", {
        code: "MANIFEST_VALUE",
        message: "value is taken literally, ${…} and secret: mean nothing in it",
        fix: literal.startsWith("secret:")
          ? "write secret: with the key, in place of value:"
          : "declare the parts as entries and compose them in code: `…${env.NAME}…`",
      });
    } else if (looks === "credential") {
      warn(index, "value", {
        code: "MANIFEST_CREDENTIAL_VALUE",
        message: "the literal value looks like a credential",
        fix: "store it with `writ secrets set KEY` and write secret: KEY",
      });
    }
  }
  return warnings;
}
