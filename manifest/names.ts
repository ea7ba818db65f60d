/** What names, keys and paths in a file may look like. Each check returns what is wrong, or undefined. */

const MAX_VARIABLE_CHARACTERS = 255;
const MAX_SECRET_KEY_CHARACTERS = 200;
export const MAX_PATH_CHARACTERS = 1024;

// oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Holds for everything that stands on one line. */
export function lineProblem(text: string, max: number): string | undefined {
  if (text === "") return "is empty";
  if (text.length > max) return `has ${text.length} characters, the limit is ${max}`;
  return CONTROL.test(text) ? "has a line break or another control character in it" : undefined;
}

export function variableProblem(name: string): string | undefined {
  const line = lineProblem(name, MAX_VARIABLE_CHARACTERS);
  if (line !== undefined) return line;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return 'must be letters, digits and "_" and not begin with a digit';
  }
  return name === "__proto__" ? "is not allowed" : undefined;
}

/** The name of a stored secret. The text never repeats the key: somebody may have pasted a value. */
export function secretKeyProblem(key: string): string | undefined {
  const line = lineProblem(key, MAX_SECRET_KEY_CHARACTERS);
  if (line !== undefined) return line;
  if (key === "__proto__") return "is not allowed";
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/.test(key)
    ? undefined
    : 'must be segments of letters, digits, "_", "." and "-", joined by single "/", each beginning with a letter, digit or "_"';
}

/** `oauth/*`: a secret's name in which a segment may also be `*` or `**`. */
export function secretGlobProblem(glob: string): string | undefined {
  const problem = secretKeyProblem(
    glob
      .split("/")
      .map((segment) => (segment === "*" || segment === "**" ? "x" : segment))
      .join("/"),
  );
  return problem !== undefined && glob.includes("*")
    ? `${problem} ("*" and "**" stand for whole segments)`
    : problem;
}

export function workspaceProblem(name: string): string | undefined {
  const line = lineProblem(name, 64);
  if (line !== undefined) return line;
  if (!/^[a-z0-9_-]+$/.test(name)) return 'must be lower-case letters, digits, "_" and "-"';
  return ["global", "all", "default"].includes(name) ? "is kept for writ" : undefined;
}

/** A file below the task folder. */
export function relativePathProblem(path: string): string | undefined {
  const problem = pathProblem(path);
  if (problem !== undefined) return problem;
  if (path.startsWith("/") || path.startsWith("~")) return "must be relative to the task folder";
  return path.includes("\\") ? 'must use "/" between folders' : undefined;
}

/** Any path: no `..`, no empty segment, no control character. */
export function pathProblem(path: string): string | undefined {
  const line = lineProblem(path, MAX_PATH_CHARACTERS);
  if (line !== undefined) return line;
  if (path.split(/[/\\]/).includes("..")) return 'must not contain ".."';
  return path.includes("//") ? "has an empty segment" : undefined;
}
