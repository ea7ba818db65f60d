/** Stands in for the package `tr46` under whatwg-url: the host knows IDNA, and its tables stay out of the isolate. */

/** What no domain may contain. The host would take some of it for the end of the name, or drop it. */
const FORBIDDEN = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/;

let hostToAscii: (domain: string) => string = () => "";

/** `toAscii` returns "" for a domain that has no ASCII form. */
export function setHostToAscii(toAscii: (domain: string) => string): void {
  hostToAscii = toAscii;
}

/**
 * null = not a domain. Called by whatwg-url, for domains that are not ASCII (it lower-cases the others itself) and with
 * the options the host uses anyway.
 *
 * @public
 */
export function toASCII(domain: string): string | null {
  return FORBIDDEN.test(domain) ? null : hostToAscii(domain) || null;
}
