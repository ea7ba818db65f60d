/** Kinds of values that several parts of a file share. */
import { z } from "zod";
import type { ErrorCode } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { quote } from "../base/text.ts";
import { lineProblem, secretGlobProblem, variableProblem } from "./names.ts";
import { textRule } from "./problem.ts";
import { secretRefProblem } from "./secret-ref.ts";
import { taskGlobProblem, taskIdProblem } from "./task-id.ts";
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from "./units.ts";

/** Entries of any list a manifest holds. */
export const MAX_LIST_ENTRIES = 256;
const MAX_LINE_CHARACTERS = 200;

/** One line of text. */
export function line(max = MAX_LINE_CHARACTERS): z.ZodString {
  return checked("MANIFEST_VALUE", (text) => lineProblem(text, max));
}

/** Text with one check; the message quotes the text, so the text must not be able to hold a secret. */
export function checked(
  code: ErrorCode,
  problemOf: (text: string) => string | undefined,
  fix = "",
): z.ZodString {
  return textRule((text, report) => {
    const problem = problemOf(text);
    if (problem !== undefined) report({ code, message: `${quote(text)} ${problem}`, fix });
  });
}

export const taskId = (): z.ZodString =>
  checked("TASK_ID_INVALID", taskIdProblem, "write a task's id such as notify/alert");

export const taskGlob = (): z.ZodString =>
  checked("TASK_ID_INVALID", taskGlobProblem, "write a task's id or a glob such as notify/*");

export const variableName = (): z.ZodString =>
  checked("MANIFEST_VALUE", variableProblem, "write a name such as API_KEY");

export const secretGlob = (): z.ZodString =>
  textRule((text, report) => {
    const problem = secretGlobProblem(text);
    if (problem !== undefined) {
      report({
        code: "SECRETS_REF_INVALID",
        message: `the key ${problem}`,
        fix: "write a key or a glob such as oauth/*",
      });
    }
  }, "a secret's key or a glob such as oauth/*");

/** A bare key or a provider's URI. */
export const secretRef = (): z.ZodString =>
  textRule((text, report) => {
    const problem = secretRefProblem(text);
    if (problem !== undefined) {
      report({
        code: "SECRETS_REF_INVALID",
        message: `the reference ${problem}`,
        fix: "write a secret's key such as github_token, or a URI such as op://vault/item/field",
      });
    }
  }, "a secret's key or URI");

const DAY = 86_400_000;

/** Bounds are milliseconds. */
export function duration(min = 0, max = 366 * DAY): z.ZodString {
  return textRule((text, report) => {
    const ms = parseDuration(text);
    if (ms === undefined) {
      report({
        code: "MANIFEST_VALUE",
        message: `${quote(text)} is not a duration`,
        fix: "write a whole number and a unit: 500ms 30s 5m 2h 7d",
      });
    } else if (ms < min || ms > max) {
      const bounds = `${formatDuration(min)} to ${formatDuration(max)}`;
      report({ code: "MANIFEST_LIMIT", message: `${text} is outside ${bounds}` });
    }
  }, "a duration such as 30s").meta({ pattern: DURATION_PATTERN });
}

/** Bounds are bytes. */
export function size(min = 0, max = 1024 ** 4): z.ZodString {
  return textRule((text, report) => {
    const bytes = parseSize(text);
    if (bytes === undefined) {
      report({
        code: "MANIFEST_VALUE",
        message: `${quote(text)} is not a size`,
        fix: "write a whole number and a unit: 64KB 128MB 1GB",
      });
    } else if (bytes < min || bytes > max) {
      const bounds = `${formatSize(min)} to ${formatSize(max)}`;
      report({ code: "MANIFEST_LIMIT", message: `${text} is outside ${bounds}` });
    }
  }, "a size such as 128MB").meta({ pattern: SIZE_PATTERN });
}

/** An IANA time zone. */
export const timezone = (): z.ZodString =>
  checked(
    "MANIFEST_VALUE",
    (text) => (isTimezone(text) ? undefined : "is not an IANA time zone"),
    "write one such as Europe/Amsterdam or UTC",
  );

function isTimezone(text: string): boolean {
  // Offsets such as +01:00 are accepted by Intl but are no zone: they know no summer time.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(text) || text.length > 64) return false;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** Whatever YAML can say: the reader of the file made it JSON already. */
export const json = (): z.ZodType<Json> => z.custom<Json>(() => true);

export const paramValues = (): z.ZodType<Readonly<Record<string, Json>>> =>
  z.record(z.string(), json(), { error: "a mapping" });
