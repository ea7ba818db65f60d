/** What JSON can say. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** `Array.isArray` that keeps the element type of a readonly array. */
export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
