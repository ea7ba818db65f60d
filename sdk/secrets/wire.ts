/** Limits of `secrets_set` and `secrets_delete`; the size of a value is the vault's business. */

/** Keys in one call, and so in one transaction. */
export const MAX_KEYS = 100;
