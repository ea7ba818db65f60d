/** The params of one run: what was given, read as the declared types, over the defaults. */
import { AppError } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { didYouMean, orList, quote } from "../base/text.ts";
import type { ParamSpec } from "../manifest/manifest.ts";

/** Text is read as the declared type; a value must be of it. */
export type GivenParam = { readonly text: string } | { readonly value: Json };

/** Throws `PARAM_INVALID`, which names everything that is wrong. */
export function resolveParams(
  specs: ReadonlyMap<string, ParamSpec>,
  given: ReadonlyMap<string, GivenParam>,
): Readonly<Record<string, Json>> {
  const problems: string[] = [];
  for (const name of given.keys()) {
    if (specs.has(name)) continue;
    const near = didYouMean(name, specs.keys());
    const fix = near === undefined ? "declare it under params: in task.yaml" : `did you mean ${quote(near)}?`;
    problems.push(`there is no param ${quote(name)}; ${fix}`);
  }
  // Without a prototype: a param may be called anything.
  const params: Record<string, Json> = Object.create(null);
  for (const [name, spec] of specs) {
    const value = valueOf(name, spec, given.get(name), problems);
    if (value !== undefined) params[name] = value;
  }
  const [first, ...others] = problems;
  if (first !== undefined) throw new AppError("PARAM_INVALID", first, { hints: others });
  return params;
}

function valueOf(
  name: string,
  spec: ParamSpec,
  given: GivenParam | undefined,
  problems: string[],
): Json | undefined {
  if (given === undefined) {
    if (spec.default === undefined && spec.required)
      problems.push(`param ${quote(name)} is required: -p ${name}=…`);
    return spec.default;
  }
  const value = "text" in given ? read(given.text, spec.type) : given.value;
  if (value === undefined || (spec.type !== "json" && typeof value !== spec.type)) {
    problems.push(`param ${quote(name)} is not a ${spec.type}`);
    return undefined;
  }
  const { enum: allowed } = spec;
  if (allowed !== undefined && !allowed.some((item) => JSON.stringify(item) === JSON.stringify(value))) {
    problems.push(`param ${quote(name)} must be ${orList(allowed.map((item) => JSON.stringify(item)))}`);
  }
  return value;
}

function read(text: string, type: ParamSpec["type"]): Json | undefined {
  switch (type) {
    case "string":
      return text;
    case "number":
      return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "json":
      try {
        return JSON.parse(text);
      } catch {
        return undefined;
      }
  }
}
