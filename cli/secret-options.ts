/** What the verbs of `writ secrets` share: options, and how a scope is called. */
import { quote } from "../base/text.ts";
import { usageError, type Option } from "./args.ts";

export const WORKSPACE: Option = { value: "W", help: "the secrets of one workspace; else those of all" };

export const IF_VERSION: Option = {
  value: "N",
  help: "only if N is the current version; 0 = only if there is none",
};

/** Undefined stays undefined. Throws `USAGE` for what is no version. */
export function readVersion(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw usageError(`--if-version ${quote(text)} is no version; it is a whole number`);
  return Number(text);
}

export function scopeName(workspace: string | undefined): string {
  return workspace ?? "global";
}
