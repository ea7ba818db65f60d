/** `writ schema`: the JSON Schema of task.yaml or writ.yaml. */
import { didYouMean, quote } from "../../base/text.ts";
import { usageError } from "../args.ts";
import type { Command } from "../command.ts";

export const schema: Command = {
  name: "schema",
  summary: "Prints the JSON Schema of task.yaml or writ.yaml, for editors and other tools.",
  operands: ["<task|config>"],
  options: {},
  notes: [
    "A schema knows less than `writ check`: it does not see what several keys say together.",
    "An editor with the YAML language server reads it through the first line of the file:",
    "  # yaml-language-server: $schema=../../schemas/task.schema.json",
  ],
  examples: ["writ schema task > schemas/task.schema.json"],
  exits: [],
  async run({ operands: [which = ""] }, { terminal }) {
    terminal.json(await schemaOf(which));
    return 0;
  },
};

async function schemaOf(which: string): Promise<Readonly<Record<string, unknown>>> {
  if (which === "task") return (await import("../../manifest/json-schema.ts")).taskJsonSchema();
  if (which === "config") return (await import("../../server/config.ts")).configJsonSchema();
  const near = didYouMean(which, ["task", "config"]);
  throw usageError(
    `there is no schema ${quote(which)}${near === undefined ? "" : `; did you mean "${near}"?`}`,
    "the schemas are task and config",
  );
}
