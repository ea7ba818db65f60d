/** What writ.db holds. */
import type { Schema } from "./database.ts";
import { FIRST } from "./migrations/0001-first.ts";

export const STORE_SCHEMA: Schema = {
  applicationId: 0x77726974, // "writ"
  migrations: [FIRST],
};
