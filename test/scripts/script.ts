/**
 * A transcript of the command line, as data: commands, what they must end with, and what they must say.
 *
 *     # words                     a comment
 *     writ run hello              must exit with 0
 *     !4 writ run helo            must exit with 4
 *     stdin TEXT | stdin < FILE   what the next command reads; else stdin is empty
 *     stdout PATTERN              what the last command wrote must match; `! stdout` must not
 *     stderr PATTERN
 *     stdout-is FILE              … must be exactly this file
 *     json PATH VALUE             a value of the JSON document on stdout: `json problems.0.code "USAGE"`
 *     json-error PATH VALUE       the same on stderr
 *     exists PATH / ! exists PATH
 *     same A B                    two files are equal
 *     grep PATTERN FILE / ! grep …
 *     env NAME=VALUE / env -NAME  for the commands after it
 *     needs-modes                 the script is about file modes, which root ignores
 *     in-process                  the commands need no process of their own, which is faster
 *     cd DIR · mkdir DIR · rm PATH · chmod MODE PATH · cp FROM TO · link TARGET PATH
 *     -- PATH --                  the rest of the file: files that are there before the first command
 *
 * Words are split at spaces; 'quotes' keep them together, "these" also know JSON's escapes; `${NAME}` stands for a
 * variable everywhere but in single quotes.
 */

export interface Line {
  readonly number: number;
  readonly words: readonly string[];
  /** The exit code a `writ` line must have. */
  readonly exit: number;
  /** Whether an assertion must fail. */
  readonly not: boolean;
}

export interface Script {
  readonly lines: readonly Line[];
  readonly files: ReadonlyMap<string, string>;
  readonly needsModes: boolean;
  readonly inProcess: boolean;
}

const DIRECTIVES: ReadonlySet<string> = new Set(["needs-modes", "in-process"]);

export function parseScript(text: string): Script {
  const lines: Line[] = [];
  const files = new Map<string, string>();
  let file: string | undefined;
  for (const [index, raw] of text.replace(/\n$/, "").split("\n").entries()) {
    const marker = /^-- (\S+) --$/.exec(raw);
    if (marker !== null) file = marker[1];
    if (marker !== null && file !== undefined) files.set(file, "");
    else if (file !== undefined) files.set(file, `${files.get(file)}${raw}\n`);
    else if (raw.trim() !== "" && !raw.trimStart().startsWith("#")) lines.push(parseLine(raw, index + 1));
  }
  const steps = lines.filter(({ words: [word = ""] }) => !DIRECTIVES.has(word));
  const says = (word: string): boolean => lines.some(({ words }) => words[0] === word);
  return { lines: steps, files, needsModes: says("needs-modes"), inProcess: says("in-process") };
}

function parseLine(raw: string, number: number): Line {
  const prefix = /^\s*(?:!(\d+)|(!))\s+/.exec(raw);
  return {
    number,
    words: [
      ...raw
        .slice(prefix?.[0].length ?? 0)
        .trim()
        .matchAll(/'[^']*'|"(?:[^"\\]|\\.)*"|\S+/g),
    ].map(([word]) => word),
    exit: Number(prefix?.[1] ?? 0),
    not: prefix?.[2] !== undefined,
  };
}

/** What a word stands for. */
export function expand(word: string, env: Readonly<Record<string, string | undefined>>): string {
  if (word.startsWith("'")) return word.slice(1, -1);
  const plain: unknown = word.startsWith('"') ? JSON.parse(word) : word;
  return String(plain).replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined) throw new Error(`\${${name}} is not set`);
    return value;
  });
}
