import type { Task } from "writ";
import { parseTokenResponse } from "./token-response.ts";

export default (async ({ input, params, writ, kv, log }) => {
  const token = parseTokenResponse(input);
  // Both in one transaction: a new access token beside an old refresh token would lock us out.
  const versions = await writ.secrets_set({
    [`${params.prefix}/access`]: token.access,
    ...(token.refresh !== undefined && { [`${params.prefix}/refresh`]: token.refresh }),
  });
  await kv.set("expires_at", Date.now() + token.expiresIn * 1000);
  log.info("stored", Object.keys(versions));
  return { stored: versions, expires_in: token.expiresIn };
}) satisfies Task;
