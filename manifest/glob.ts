/** Globs over `/`-separated names: `*` stands for one whole segment, `**` for any number of them. */

/** Whether `name` is covered. Time grows with the product of the two lengths, whatever the pattern. */
export function matchesGlob(glob: string, name: string): boolean {
  const pattern = glob.split("/");
  const segments = name.split("/");
  let p = 0;
  let s = 0;
  // Where to go on when a literal fails: the last `**`, swallowing one segment more.
  let star = -1;
  let swallowed = 0;
  while (s < segments.length) {
    const want = pattern[p];
    if (want === "**") {
      star = p++;
      swallowed = s;
    } else if (want !== undefined && (want === "*" || want === segments[s])) {
      p++;
      s++;
    } else if (star >= 0) {
      p = star + 1;
      s = ++swallowed;
    } else {
      return false;
    }
  }
  while (pattern[p] === "**") p++;
  return p === pattern.length;
}
