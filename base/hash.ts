/** SHA-256, for names of content and chains of records; nothing secret is kept safe by it. */
import { createHash } from "node:crypto";

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
