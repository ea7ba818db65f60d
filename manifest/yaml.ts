/** Strict YAML 1.2: one document of plain JSON values, and the place in the file of each of them. */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from "yaml";
import type { Alias, CST, Document, Pair, YAMLMap, YAMLParseError } from "yaml";
import type { ErrorCode, Position } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { quote } from "../base/text.ts";
import type { Locate, Problem } from "./problem.ts";

export const MAX_YAML_BYTES = 256 * 1024;
export const MAX_YAML_ALIASES = 20;
/** Mappings and lists inside each other. */
export const MAX_YAML_NESTING = 64;
/** Lexical tokens; bounds the time of the parser, which a file of brackets would stretch to seconds. */
export const MAX_YAML_TOKENS = 50_000;
/** Values after aliases are followed. */
export const MAX_YAML_VALUES = 50_000;

export interface YamlDocument {
  readonly value: Json;
  readonly at: Locate;
}

export interface YamlResult {
  /** undefined = the text could not be read as one document at all. */
  readonly document: YamlDocument | undefined;
  readonly problems: readonly Problem[];
}

/** Never throws, whatever the bytes. An empty file has no document and the problem `MANIFEST_EMPTY`. */
export function parseYaml(bytes: Uint8Array, file: string): YamlResult {
  const refuse = (code: ErrorCode, message: string, fix: string, line = 1, column = 1): YamlResult => ({
    document: undefined,
    problems: [{ code, message, fix, at: { file, line, column }, severity: "error" }],
  });
  if (bytes.length > MAX_YAML_BYTES) {
    const size = `the file has ${bytes.length} bytes, the limit is ${MAX_YAML_BYTES}`;
    return refuse("MANIFEST_TOO_LARGE", size, "move long texts into files beside it");
  }
  const decoded = decode(bytes);
  const lines = lineStarts(decoded.text);
  if (decoded.badAt !== undefined) {
    const { line, column } = placeOf(lines, decoded.badAt);
    return refuse("MANIFEST_ENCODING", "the file is not UTF-8 text", "save it as UTF-8", line, column);
  }
  return new Reader(decoded.text, lines, file).read();
}

// oxlint-disable-next-line no-control-regex -- finding control characters is the purpose
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** `badAt` is the offset in `text` of the first byte that is no UTF-8, or of a control character. */
function decode(bytes: Uint8Array): { readonly text: string; readonly badAt: number | undefined } {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const good = longestUtf8(bytes);
    return { text: good, badAt: good.length };
  }
  const control = text.search(CONTROL);
  return { text, badAt: control < 0 ? undefined : control };
}

/** The text of the longest prefix that is UTF-8. */
function longestUtf8(bytes: Uint8Array): string {
  let good = "";
  for (let low = 0, high = bytes.length; low < high;) {
    const middle = Math.ceil((low + high) / 2);
    try {
      // `stream` forgives a character cut at the end of the prefix.
      good = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      low = middle;
    } catch {
      high = middle - 1;
    }
  }
  return good;
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function placeOf(starts: readonly number[], offset: number): { line: number; column: number } {
  let low = 0;
  for (let high = starts.length - 1; low < high;) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}

const CORE_TAGS = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq"].map((tag) => `tag:yaml.org,2002:${tag}`),
);

/** The library's own messages may quote a line of the file, and with it a value. */
const SYNTAX: Readonly<Partial<Record<YAMLParseError["code"], string>>> = {
  BAD_DIRECTIVE: "a % directive is malformed",
  BAD_DQ_ESCAPE: "an escape inside double quotes is not known",
  BAD_INDENT: "the indentation does not fit the lines above",
  BAD_SCALAR_START: "text can not begin with this character unless it is in quotes",
  BLOCK_AS_IMPLICIT_KEY: "a mapping can not stand on the line of a key; put it on lines of its own",
  BLOCK_IN_FLOW: "an indented block can not stand inside braces or brackets",
  KEY_OVER_1024_CHARS: "a key has more than 1024 characters",
  MISSING_CHAR: "something is missing here: a colon, a quote, a comma, a space or a closing bracket",
  MULTILINE_IMPLICIT_KEY: "a key must stand on one line; is there a colon missing above?",
  MULTIPLE_DOCS: "a second document begins here, one file holds one",
  NON_STRING_KEY: "a key must be plain text",
  TAB_AS_INDENT: "a tab can not indent, use spaces",
};

type Node = Document["contents"];

interface Converted {
  readonly value: Json;
  readonly size: number;
  readonly height: number;
}

class Reader {
  readonly #file: string;
  readonly #text: string;
  readonly #lines: readonly number[];
  readonly #problems: Problem[] = [];
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>();
  /** undefined while the anchored value is being read: an alias to it would be a circle. */
  readonly #anchors = new Map<string, { readonly node: Node; readonly converted: Converted } | undefined>();
  readonly #targets = new Map<Alias, Node>();
  #root: Node = null;
  #aliases = 0;
  #values = 0;

  constructor(text: string, lines: readonly number[], file: string) {
    this.#text = text;
    this.#lines = lines;
    this.#file = file;
  }

  read(): YamlResult {
    const document = this.#compose();
    if (document !== undefined) {
      this.#root = document.contents;
      const { value } = this.#convert(document.contents, 0);
      if (this.#problems.length === 0 && isEmpty(value)) {
        this.#add("MANIFEST_EMPTY", 0, "the file is empty", "the smallest manifest is `permissions: {}`");
        return { document: undefined, problems: this.#problems };
      }
      return {
        document: { value, at: (path, part) => this.#at(path, part) },
        problems: this.#problems,
      };
    }
    return { document: undefined, problems: this.#problems };
  }

  #at(path: readonly PropertyKey[], part: "key" | "value" = "value"): Position {
    let node = this.#root;
    let offset = start(node);
    for (const [index, step] of path.entries()) {
      const found = this.#child(node, step);
      if (found === undefined) break;
      const last = index === path.length - 1;
      const silent = start(found.node) === end(found.node);
      // A value that is not written has no place of its own.
      offset =
        found.key !== undefined && ((last && part === "key") || silent) ? found.key : start(found.node);
      node = found.node;
    }
    return this.#position(offset);
  }

  /** Parses within the limits; undefined when the text is no document, with the problems added. */
  #compose(): Document | undefined {
    const parser = new Parser();
    const tokens: CST.Token[] = [];
    let count = 0;
    let offset = 0;
    for (const lexeme of new Lexer().lex(this.#text)) {
      tokens.push(...parser.next(lexeme));
      if (++count > MAX_YAML_TOKENS) {
        this.#add(
          "MANIFEST_TOO_LARGE",
          offset,
          `the file has more than ${MAX_YAML_TOKENS} words and signs`,
          "",
        );
        return undefined;
      }
      if (parser.stack.length > MAX_YAML_NESTING && nesting(parser.stack) > MAX_YAML_NESTING) {
        this.#add("MANIFEST_SYNTAX", offset, `more than ${MAX_YAML_NESTING} levels of nesting`, "");
        return undefined;
      }
      // The lexer's own marks are control characters, which the text was searched for.
      if (!CONTROL.test(lexeme)) offset += lexeme.length;
    }
    tokens.push(...parser.end());
    const documents: Document[] = [];
    const composer = new Composer({
      // Duplicates are found in #convert: the library's own check takes quadratic time.
      uniqueKeys: false,
      stringKeys: true,
      merge: false,
      resolveKnownTags: false,
      prettyErrors: false,
      logLevel: "silent",
    });
    for (const document of composer.compose(tokens, true, this.#text.length)) documents.push(document);
    const [document, second] = documents;
    if (document === undefined) return undefined;
    for (const error of document.errors) {
      const message = SYNTAX[error.code] ?? "this is not YAML";
      this.#add("MANIFEST_SYNTAX", error.pos[0], message, "");
    }
    if (second !== undefined && document.errors.length === 0) {
      const at = tokens.findLast((token) => token.type === "document")?.offset ?? 0;
      this.#add("MANIFEST_SYNTAX", at, SYNTAX.MULTIPLE_DOCS ?? "", "split the file");
    }
    if (document.directives?.yaml.version !== "1.2") {
      this.#add("MANIFEST_SYNTAX", 0, "the file asks for another YAML than 1.2", "remove the %YAML line");
    }
    return this.#problems.length === 0 ? document : undefined;
  }

  #convert(node: Node, depth: number): Converted {
    const none: Converted = { value: null, size: 1, height: 0 };
    if (++this.#values > MAX_YAML_VALUES) {
      if (this.#values === MAX_YAML_VALUES + 1) {
        this.#add(
          "MANIFEST_TOO_LARGE",
          start(node),
          `the file holds more than ${MAX_YAML_VALUES} values`,
          "",
        );
      }
      return none;
    }
    if (node === null) return none;
    if (isAlias(node)) return this.#follow(node, depth);
    if (node.tag !== undefined && !CORE_TAGS.has(node.tag)) {
      this.#add(
        "MANIFEST_SYNTAX",
        start(node),
        "tags are not supported",
        "remove the word that begins with !",
      );
    }
    const { anchor } = node;
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    let converted = none;
    if (isScalar(node)) converted = { ...none, value: this.#scalar(node.value, node) };
    else if (isMap(node)) converted = this.#mapping(node, depth);
    else if (isSeq(node)) {
      const items = node.items.map((item) => this.#convert(asNode(item), depth + 1));
      converted = {
        value: items.map((item) => item.value),
        size: items.reduce((sum, item) => sum + item.size, 1),
        height: 1 + Math.max(0, ...items.map((item) => item.height)),
      };
    }
    if (anchor !== undefined) this.#anchors.set(anchor, { node, converted });
    return converted;
  }

  #mapping(node: YAMLMap, depth: number): Converted {
    // Without a prototype, so that no key is special.
    const value: Record<string, Json> = Object.create(null);
    const pairs = new Map<string, Pair>();
    let size = 1;
    let height = 0;
    for (const pair of node.items) {
      const keyNode = asNode(pair.key);
      const key = isScalar(keyNode) && typeof keyNode.value === "string" ? keyNode.value : "";
      if (!isScalar(keyNode)) {
        this.#add("MANIFEST_SYNTAX", start(keyNode), SYNTAX.NON_STRING_KEY ?? "", "");
      } else if (pairs.has(key)) {
        this.#add(
          "MANIFEST_DUPLICATE_KEY",
          start(keyNode),
          `the key ${quote(key)} stands here twice`,
          "remove one of them",
        );
      } else if (key === "<<") {
        this.#add("MANIFEST_SYNTAX", start(keyNode), "merge keys are not supported", "write the keys out");
      } else if (key === "__proto__") {
        this.#add(
          "MANIFEST_SYNTAX",
          start(keyNode),
          'the key "__proto__" is not allowed',
          "choose another name",
        );
      } else {
        if (keyNode.anchor !== undefined || keyNode.tag !== undefined) {
          this.#add("MANIFEST_SYNTAX", start(keyNode), "a key can not have an anchor or a tag", "");
        }
        pairs.set(key, pair);
        const item = this.#convert(asNode(pair.value), depth + 1);
        value[key] = item.value;
        size += item.size;
        height = Math.max(height, item.height);
      }
    }
    this.#pairs.set(node, pairs);
    return { value, size, height: height + 1 };
  }

  #follow(alias: Alias, depth: number): Converted {
    const none: Converted = { value: null, size: 1, height: 0 };
    const add = (message: string): Converted => {
      this.#add("MANIFEST_ALIASES", start(alias), message, "write the value out");
      return none;
    };
    if (++this.#aliases > MAX_YAML_ALIASES) {
      return this.#aliases === MAX_YAML_ALIASES + 1 ? add(`more than ${MAX_YAML_ALIASES} aliases`) : none;
    }
    const target = this.#anchors.get(alias.source);
    if (target === undefined) {
      return add(
        this.#anchors.has(alias.source)
          ? `the alias ${quote(alias.source)} stands inside its own anchor`
          : `the alias ${quote(alias.source)} has no anchor before it`,
      );
    }
    this.#values += target.converted.size;
    if (this.#values > MAX_YAML_VALUES) return add("aliases repeat too much of the file");
    if (depth + target.converted.height > MAX_YAML_NESTING) return add("aliases nest too deeply");
    this.#targets.set(alias, target.node);
    return target.converted;
  }

  #scalar(value: unknown, node: Node): Json {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.#add(
      "MANIFEST_VALUE",
      start(node),
      "not a number that can be used",
      "write a finite number, or put it in quotes",
    );
    return null;
  }

  #child(
    parent: Node,
    step: PropertyKey,
  ): { readonly node: Node; readonly key: number | undefined } | undefined {
    const node = isAlias(parent) ? (this.#targets.get(parent) ?? null) : parent;
    if (isMap(node)) {
      const pair = this.#pairs.get(node)?.get(String(step));
      return pair && { node: asNode(pair.value), key: start(asNode(pair.key)) };
    }
    if (isSeq(node) && typeof step === "number" && step < node.items.length) {
      return { node: asNode(node.items[step]), key: undefined };
    }
    return undefined;
  }

  #position(offset: number): Position {
    return { file: this.#file, ...placeOf(this.#lines, Math.min(offset, this.#text.length)) };
  }

  #add(code: ErrorCode, offset: number, message: string, fix: string): void {
    this.#problems.push({ code, message, fix, at: this.#position(offset), severity: "error" });
  }
}

function nesting(stack: readonly CST.Token[]): number {
  return stack.filter(
    ({ type }) => type === "block-map" || type === "block-seq" || type === "flow-collection",
  ).length;
}

function isEmpty(value: Json): boolean {
  return (
    value === null || (typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0)
  );
}

function asNode(value: unknown): Node {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value) ? value : null;
}

function start(node: Node): number {
  return node?.range?.[0] ?? 0;
}

function end(node: Node): number {
  return node?.range?.[1] ?? 0;
}
