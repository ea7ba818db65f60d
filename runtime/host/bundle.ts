/** TypeScript and its imports, bundled once into one module for the isolate. */

export interface Bundle {
  /** One ES module. */
  readonly code: string;
  /** SHA-256 of `code`, hex. */
  readonly hash: string;
  /** The source map, JSON; stays in the daemon. */
  readonly map: string;
  /** Absolute real paths of everything that went in. */
  readonly inputs: readonly string[];
}
