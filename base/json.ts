/** JSON values, and a parser that turns bad text into a value instead of a throw. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Rewrites every string leaf and every key of a JSON value; the shape stays. */
export function mapStrings(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") return change(value);
  if (value === null || typeof value !== "object") return value;
  if (isJsonArray(value)) return value.map((item) => mapStrings(item, change));
  const changed: Record<string, Json> = Object.create(null);
  for (const [key, item] of Object.entries(value)) changed[change(key)] = mapStrings(item, change);
  return changed;
}

/** `Array.isArray` that keeps the element type of a readonly array. */
export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
