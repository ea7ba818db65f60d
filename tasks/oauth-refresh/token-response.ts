/** What RFC 6749 §5.1 promises, checked: an answer from outside is not believed. */
export interface TokenResponse {
  readonly access: string;
  readonly refresh: string | undefined;
  /** Seconds. */
  readonly expiresIn: number;
}

export function parseTokenResponse(answer: unknown): TokenResponse {
  if (typeof answer !== "object" || answer === null)
    throw new Error("the token response is not a JSON object");
  const { access_token, refresh_token, expires_in = 3600 } = answer as Record<string, unknown>;
  if (typeof access_token !== "string" || access_token === "") {
    throw new Error("the token response has no access_token");
  }
  if (refresh_token !== undefined && typeof refresh_token !== "string") {
    throw new Error("the refresh_token is not a string");
  }
  if (typeof expires_in !== "number" || !(expires_in > 0))
    throw new Error("expires_in is not a positive number");
  return { access: access_token, refresh: refresh_token, expiresIn: expires_in };
}
