/** `permissions.env`: the whole environment of a run. */
import { z } from "zod";
import { quote } from "../base/text.ts";
import { MAX_LIST_ENTRIES, checked, secretRef, variableName } from "./fields.ts";
import { lineProblem, MAX_PATH_CHARACTERS, variableProblem } from "./names.ts";
import { hostPatternProblem } from "./permissions/net.ts";
import type { Report } from "./problem.ts";
import { mappingRule, textRule, withUnknownKey } from "./problem.ts";

const MAX_LITERAL_CHARACTERS = 32 * 1024;
const SOURCES = ["from", "secret", "ref", "provider", "value"] as const;

const options = withUnknownKey(
  z.strictObject({
    field: literal().optional().describe("The field inside the secret the provider answers with."),
    namespace: literal().optional().describe("The namespace the secret stands in."),
    name: literal().optional().describe("The name of the secret object, where `key` is a key inside it."),
    secret_name: literal().optional().describe("Another spelling of `name`."),
    secret_key: literal().optional().describe("The key inside the secret object."),
  }),
  (key) => ({
    code: "SECRETS_REF_INVALID",
    message: `the option ${quote(key)} can not stand in a manifest`,
    fix: "options say only where inside a provider (field, namespace, name, secret_name, secret_key); addresses and credentials stand in writ.yaml",
  }),
);

const entry = mappingRule(
  z.strictObject({
    name: variableName().describe("The variable's name in the run."),
    from: variableName()
      .optional()
      .describe("The daemon's variable to take the value from. Not a secret unless `sensitive` is true."),
    secret: secretRef()
      .optional()
      .describe(
        "A secret: a bare key is looked up along the provider chain, a URI such as op://vault/item/field asks exactly that provider.",
      ),
    ref: secretRef().optional().describe("Another spelling of `secret`."),
    provider: checked("SECRETS_REF_INVALID", providerProblem, "write the name it has in writ.yaml")
      .optional()
      .describe("The provider to ask, by its name in writ.yaml; needs `key`."),
    key: literal()
      .optional()
      .describe("What the provider named by `provider` is asked for. Taken literally."),
    options: options
      .optional()
      .describe("Where inside the provider: field, namespace, name, secret_name, secret_key."),
    value: textRule((text, report) => {
      if (text.length > MAX_LITERAL_CHARACTERS) {
        report({
          code: "MANIFEST_LIMIT",
          message: `the value has more than ${MAX_LITERAL_CHARACTERS} characters`,
        });
      } else if (text.includes("\0")) {
        report({ code: "MANIFEST_VALUE", message: "the value has a NUL character in it" });
      }
    })
      .optional()
      .describe("A literal value. Nothing in it is expanded; never write a credential here."),
    sensitive: z
      .boolean()
      .optional()
      .describe("With `from`: treat the value as a secret and redact it. Default false."),
    on_missing: z
      .enum(["block", "empty", "omit"])
      .optional()
      .describe(
        "When the value is not there: block the run (default), deliver an empty string, or leave the variable out.",
      ),
    optional: z.boolean().optional().describe("true is short for `on_missing: empty`."),
    required: z.boolean().optional().describe("false is short for `on_missing: omit`."),
    on_unavailable: z
      .enum(["block", "as_missing"])
      .optional()
      .describe("When the provider does not answer: block the run (default), or treat the value as missing."),
    deliver: z
      .enum(["env", "file", "sealed"])
      .optional()
      .describe(
        "How the run gets it: as a variable (default), as the path of a file, or as a placeholder that the daemon replaces on the way to `hosts`.",
      ),
    file: z.boolean().optional().describe("true is short for `deliver: file`."),
    hosts: z
      .array(
        checked("MANIFEST_NET", hostPatternProblem, "write a host such as api.example.com or *.example.com"),
      )
      .min(1)
      .max(MAX_LIST_ENTRIES)
      .optional()
      .describe(
        "With `deliver: sealed`: the hosts the value may be sent to. Each must be covered by a line of `permissions.net`.",
      ),
    in: z
      .array(z.enum(["header", "query", "form", "json", "body"]))
      .min(1)
      .optional()
      .describe("With `deliver: sealed`: where in a request the placeholder may stand. Default [header]."),
  }),
  judgeEntry,
);

/** A string is a bare entry: the daemon's variable of that name. */
export const envSchema = z.array(z.union([bareName(), entry])).max(MAX_LIST_ENTRIES);

/** Rules between entries; the list may hold anything. */
export function judgeEnvNames(entries: readonly unknown[], report: Report): void {
  const seen = new Set<unknown>();
  for (const [index, item] of entries.entries()) {
    const isMapping = typeof item === "object" && item !== null;
    const name: unknown = isMapping ? Reflect.get(item, "name") : item;
    if (typeof name !== "string") continue;
    const path = ["env", index, ...(isMapping ? ["name"] : [])];
    if (seen.has(name)) {
      report({
        code: "SECRETS_NAME_CONFLICT",
        message: `the variable ${quote(name)} is declared twice`,
        fix: "rename or remove one of them",
        path,
      });
    } else if (/^WRIT_/i.test(name)) {
      report({
        code: "SECRETS_NAME_CONFLICT",
        message: `the variable ${quote(name)} begins with WRIT_, which is kept for writ`,
        fix: "choose another name",
        path,
      });
    }
    seen.add(name);
  }
}

function bareName(): z.ZodString {
  return textRule((text, report) => {
    const problem = variableProblem(text);
    if (problem === undefined) return;
    const pair = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(text)?.[1];
    const name = pair ?? "NAME";
    // The text itself may hold a value, so only a name is repeated.
    report({
      code: "MANIFEST_VALUE",
      message: `a bare entry names a variable of the daemon and ${problem}`,
      fix: pair === undefined ? "write a name such as HOME" : `write { name: ${name}, value: … }`,
    });
  }, "a variable's name");
}

function literal(): z.ZodString {
  return textRule((text, report) => {
    const problem = lineProblem(text, MAX_PATH_CHARACTERS);
    if (problem !== undefined) report({ code: "SECRETS_REF_INVALID", message: `the value ${problem}` });
  });
}

function providerProblem(name: string): string | undefined {
  return /^[a-z0-9][a-z0-9_-]{0,62}$/.test(name) ? undefined : "is not a provider's name";
}

function judgeEntry(entry: Readonly<Record<string, unknown>>, report: Report): void {
  const has = (key: string): boolean => entry[key] !== undefined;
  const conflict = (key: string, message: string, fix: string): void => {
    report({ code: "MANIFEST_CONFLICT", message, fix, path: [key], key: true });
  };
  const sources = SOURCES.filter(has);
  const [source, second] = sources;
  if (second !== undefined) {
    conflict(second, `the entry has ${sources.length} sources: ${sources.join(", ")}`, "keep exactly one");
  } else if (source === undefined && !has("key")) {
    const name = typeof entry["name"] === "string" ? entry["name"] : "NAME";
    const bare = variableProblem(name) === undefined ? name : "NAME";
    report({
      code: "MANIFEST_MISSING_KEY",
      message: "the entry has no source",
      fix: `add secret:, from: or value:, or write the bare entry \`- ${bare}\``,
    });
  }
  if (source === "provider" && !has("key")) {
    report({
      code: "MANIFEST_MISSING_KEY",
      message: 'the key "key" is missing',
      fix: "add key: (what the provider is asked for)",
    });
  }
  for (const key of ["key", "options"]) {
    if (has(key) && !has("provider")) conflict(key, `${key} needs provider`, "add provider:, or use secret:");
  }

  const shapes = ["on_missing", "optional", "required"].filter(has);
  const [, surplus] = shapes;
  if (surplus !== undefined) {
    conflict(
      surplus,
      `${shapes.join(" and ")} say the same thing`,
      "keep one of on_missing, optional and required",
    );
  }
  const isSecret = source === "secret" || source === "ref" || source === "provider";
  if (source === "value") {
    for (const key of [...shapes, "on_unavailable"].filter(has)) {
      conflict(key, `${key} means nothing for a literal value`, `remove ${key}`);
    }
  }
  if (source === "from" && has("on_unavailable")) {
    conflict(
      "on_unavailable",
      "on_unavailable means nothing for a variable of the daemon",
      "remove on_unavailable",
    );
  }
  if (source !== undefined && source !== "from" && has("sensitive")) {
    conflict(
      "sensitive",
      isSecret ? "a secret is always sensitive" : "sensitive belongs to from",
      "remove sensitive",
    );
  }

  if (has("deliver") && has("file")) conflict("file", "deliver and file say the same thing", "keep deliver");
  const deliver = entry["file"] === true ? "file" : (entry["deliver"] ?? "env");
  if (source === "value" && (deliver === "file" || deliver === "sealed")) {
    conflict(
      has("deliver") ? "deliver" : "file",
      `a literal value can not be delivered as ${deliver}`,
      "use secret:",
    );
  }
  if (deliver === "sealed") {
    if (source === "from" && entry["sensitive"] !== true) {
      conflict("deliver", "only a secret can be sealed", "add sensitive: true, or use secret:");
    }
    if (!has("hosts")) {
      report({
        code: "MANIFEST_MISSING_KEY",
        message: "a sealed entry needs hosts",
        fix: "add hosts: [the hosts it may be sent to]",
        path: ["deliver"],
        key: true,
      });
    }
  } else {
    for (const key of ["hosts", "in"]) {
      if (has(key))
        conflict(key, `${key} belongs to deliver: sealed`, `remove ${key}, or add deliver: sealed`);
    }
  }
}
