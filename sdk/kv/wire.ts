/** Limits of `kv` that both sides know; sizes are held by the store. */

/** Keys one `list` answers. */
export const MAX_LIST = 1000;
export const MAX_TTL_SECONDS = 10 * 366 * 24 * 3600;
