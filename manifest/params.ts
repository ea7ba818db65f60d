/** `params`: what a run may be given, and the check of what it is given. */
import { z } from "zod";
import type { Json } from "../base/json.ts";
import { didYouMean, orList, quote } from "../base/text.ts";
import { json, line } from "./fields.ts";
import { lineProblem } from "./names.ts";
import type { Finding, Report } from "./problem.ts";
import { isRecord, mappingRule, textRule } from "./problem.ts";

export const MAX_PARAMS = 128;
type ParamType = "string" | "number" | "boolean" | "json";

const longForm = mappingRule(
  z.strictObject({
    type: z
      .enum(["string", "number", "boolean", "json"])
      .optional()
      .describe("Default: the type of `default`, else string."),
    required: z
      .boolean()
      .optional()
      .describe("true: a run without a value for it is refused. Default false."),
    default: json().optional().describe("The value when none is given."),
    enum: z.array(json()).min(1).max(256).optional().describe("The only values allowed."),
    description: line(1000).optional().describe("Shown to people."),
  }),
  judgeParam,
);

const name = textRule((text, report) => {
  const bad =
    lineProblem(text, 64) ??
    (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(text)
      ? undefined
      : 'must be letters, digits, "_" and "-" and begin with a letter');
  if (bad !== undefined)
    report({ code: "MANIFEST_VALUE", message: `the parameter's name ${quote(text)} ${bad}` });
});

/** A scalar or a list is short for a default, and its type is the parameter's. */
export const paramsSchema = z.record(
  name,
  z.union([z.string(), z.number(), z.boolean(), z.array(json()), longForm]),
);

function typeOf(value: unknown): ParamType {
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" ? type : "json";
}

/** The type a declaration has, whatever shape it is in. */
function declaredType(spec: unknown): ParamType {
  if (!isRecord(spec)) return typeOf(spec);
  const { type } = spec;
  if (type === "string" || type === "number" || type === "boolean" || type === "json") return type;
  return spec["default"] === undefined ? "string" : typeOf(spec["default"]);
}

/** Params a trigger or `on_failure` hands over, against the raw declarations of the same file. */
export function judgeGiven(
  declared: Readonly<Record<string, unknown>>,
  given: unknown,
  path: readonly PropertyKey[],
  report: Report,
): void {
  if (!isRecord(given)) return;
  for (const [key, value] of Object.entries(given)) {
    const at = { path: [...path, key] };
    if (!Object.hasOwn(declared, key)) {
      const near = didYouMean(key, Object.keys(declared));
      const fix = near === undefined ? `declare it under params` : `did you mean ${quote(near)}?`;
      report({
        code: "PARAM_INVALID",
        message: `the parameter ${quote(key)} is not declared`,
        fix,
        ...at,
        key: true,
      });
      continue;
    }
    const finding = mismatch(declared[key], value);
    if (finding !== undefined) report({ ...finding, ...at });
  }
}

function mismatch(spec: unknown, value: unknown): Finding | undefined {
  const type = declaredType(spec);
  if (type !== "json" && typeOf(value) !== type) {
    return { code: "PARAM_INVALID", message: `the parameter is declared as ${type}`, fix: `write a ${type}` };
  }
  const allowed = isRecord(spec) ? spec["enum"] : undefined;
  if (Array.isArray(allowed) && !allowed.some((one) => isSame(one, value))) {
    const words = allowed.map((one) => JSON.stringify(one));
    return {
      code: "PARAM_INVALID",
      message: "the parameter has a value that its enum does not list",
      fix: `write ${orList(words)}`,
    };
  }
  return undefined;
}

/** JSON equality; the order of keys counts, as it does for a reader. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function judgeParam(spec: Readonly<Record<string, unknown>>, report: Report): void {
  const { default: value, enum: allowed } = spec;
  const type = declaredType(spec);
  if (value !== undefined) {
    if (spec["required"] === true) {
      report({
        code: "MANIFEST_CONFLICT",
        message: "a required parameter has no use for a default",
        fix: "remove one of them",
        path: ["default"],
        key: true,
      });
    }
    if (type !== "json" && typeOf(value) !== type) {
      report({
        code: "MANIFEST_TYPE",
        message: `the default is not a ${type}`,
        fix: `write a ${type}, or change type`,
        path: ["default"],
      });
    } else if (Array.isArray(allowed) && !allowed.some((one) => isSame(one, value))) {
      report({
        code: "MANIFEST_VALUE",
        message: "the default is not one of the values of enum",
        fix: "add it to enum",
        path: ["default"],
      });
    }
  }
  if (!Array.isArray(allowed) || type === "json") return;
  for (const [index, one] of allowed.entries()) {
    if (typeOf(one) !== type) {
      report({
        code: "MANIFEST_TYPE",
        message: `the value is not a ${type}`,
        fix: `write a ${type}, or change type`,
        path: ["enum", index],
      });
    }
  }
}

/** The raw short or long form as one shape. */
export function paramOf(spec: z.output<typeof paramsSchema>[string]): {
  readonly type: ParamType;
  readonly required: boolean;
  readonly default: Json | undefined;
  readonly enum: readonly Json[] | undefined;
  readonly description: string | undefined;
} {
  const type = declaredType(spec);
  if (typeof spec !== "object" || Array.isArray(spec)) {
    return { type, required: false, default: spec, enum: undefined, description: undefined };
  }
  return {
    type,
    required: spec.required ?? false,
    default: spec.default,
    enum: spec.enum,
    description: spec.description,
  };
}
