/** task.yaml as JSON Schema (draft 2020-12), for editors; made from the schema that checks. */
import { z } from "zod";
import { manifestSchema } from "./schema.ts";

/** A fresh object each call. */
export function taskJsonSchema(): Readonly<Record<string, unknown>> {
  return toEditorSchema(manifestSchema, "writ task manifest (task.yaml)");
}

/** What YAML authors write, so the input side; free JSON becomes `{}`, which allows everything. */
export function toEditorSchema(schema: z.ZodType, title: string): Readonly<Record<string, unknown>> {
  return {
    title,
    ...z.toJSONSchema(schema, { io: "input", target: "draft-2020-12", unrepresentable: "any" }),
  };
}
