/**
 * Finds every occurrence of many byte strings in a stream: Aho-Corasick.
 *
 * A node with one child, and nearly all are such, holds that child alone; only a node where patterns part has a row
 * over the classes of bytes that occur. So memory is linear in the patterns, where a table would be 71 times that.
 */

export interface Pattern {
  readonly name: string;
  /** Never empty. */
  readonly bytes: Uint8Array;
  /** Counts only where neither edge cuts a word in two. Patterns of equal bytes agree on it. */
  readonly bounded: boolean;
}

/** A stretch to replace; `pattern` is the longest one in it and gives it its name. */
export interface Match {
  readonly start: number;
  readonly end: number;
  readonly pattern: Pattern;
}

/** No byte before the first, none after the last. */
export const NO_BYTE = -1;

const ROOT = 0;
/** The label of a node whose children stand in a row. Classes end at 256. */
const ROW = 0xffff;
/** The label of a node whose row says where every byte leads, suffixes included: the root and its children. */
const FULL_ROW = 0xfffe;

export class Automaton {
  readonly #patterns = new Map<number, Pattern>();
  /** 0 = the byte is in no pattern. */
  readonly #classOf = new Uint16Array(256);
  readonly #width: number;
  /** Per node: class of the only child, 0 without one, or ROW. */
  readonly #label: Uint16Array;
  /** Per node: the only child, or where its row begins. */
  readonly #edge: Int32Array;
  readonly #rows: Int32Array;
  /** Per node: the node of its longest proper suffix. */
  readonly #fail: Int32Array;
  /** Per node: the nearest end of a pattern among the node and its suffixes; ROOT = none. */
  readonly #hit: Int32Array;
  readonly #depth: Int32Array;
  #rowsEnd = 0;

  constructor(patterns: readonly Pattern[]) {
    let nodes = 1;
    let classes = 0;
    for (const { bytes } of patterns) {
      nodes += bytes.length;
      for (const byte of bytes) if (this.#classOf[byte] === 0) this.#classOf[byte] = ++classes;
    }
    this.#width = classes + 1;
    this.#label = new Uint16Array(nodes);
    this.#edge = new Int32Array(nodes);
    this.#fail = new Int32Array(nodes);
    this.#hit = new Int32Array(nodes);
    this.#depth = new Int32Array(nodes);
    // A tree with n leaves parts in fewer than n nodes; the root and its children have a row in any case.
    this.#rows = new Int32Array((patterns.length + 1 + classes) * this.#width);
    this.#makeRow(ROOT);

    let last = ROOT;
    for (const pattern of patterns) last = this.#insert(pattern, last);
    this.#linkSuffixes(last + 1);
    this.#completeRows();
  }

  /** How much of the text's end could still become a match, in the state a scan left behind. */
  depth(state: number): number {
    return this.#depth[state] ?? 0;
  }

  /**
   * Reads `text` on from index `from` in `state` (ROOT, 0, at the start of a stream) and returns the new state.
   *
   * The end of a match is reported with the byte that follows it, so one that ends with the text is found by the next
   * call or by `finish`. `text` must begin at least `depth(state)` bytes before `from`; `before` is the byte in front
   * of it. Matches come merged, in order.
   */
  scan(text: Uint8Array, from: number, state: number, before: number, found: Match[]): number {
    const classOf = this.#classOf;
    const label = this.#label;
    const edge = this.#edge;
    const rows = this.#rows;
    const fail = this.#fail;
    const hit = this.#hit;
    let node = state;
    for (let index = from; index < text.length; index++) {
      const byte = text[index] ?? 0;
      if (hit[node] !== ROOT) this.#report(node, text, index, before, byte, found);
      const type = classOf[byte] ?? 0;
      if (type === 0) {
        node = ROOT;
        continue;
      }
      for (;;) {
        const own = label[node];
        const to = edge[node] ?? ROOT;
        if (own === FULL_ROW) {
          node = rows[to + type] ?? ROOT;
          break;
        }
        const next = own === type ? to : own === ROW ? (rows[to + type] ?? ROOT) : ROOT;
        if (next !== ROOT) {
          node = next;
          break;
        }
        node = fail[node] ?? ROOT;
      }
    }
    return node;
  }

  /** Reports what ends with the text. */
  finish(text: Uint8Array, state: number, before: number, found: Match[]): void {
    if (this.#hit[state] !== ROOT) this.#report(state, text, text.length, before, NO_BYTE, found);
  }

  /** Overwrites everything a pattern could be read from. The automaton then matches nothing. */
  wipe(): void {
    for (const table of [this.#classOf, this.#label, this.#edge, this.#rows, this.#fail, this.#hit])
      table.fill(0);
    this.#patterns.clear();
  }

  #child(node: number, type: number): number {
    const own = this.#label[node];
    if (type === 0) return ROOT;
    if (own === type) return this.#edge[node] ?? ROOT;
    return own === ROW || own === FULL_ROW ? (this.#rows[(this.#edge[node] ?? 0) + type] ?? ROOT) : ROOT;
  }

  #makeRow(node: number): void {
    const only = this.#label[node] ?? 0;
    const child = this.#edge[node] ?? ROOT;
    this.#label[node] = ROW;
    this.#edge[node] = this.#rowsEnd;
    if (only !== 0) this.#rows[this.#rowsEnd + only] = child;
    this.#rowsEnd += this.#width;
  }

  /** Returns the last node in use. */
  #insert(pattern: Pattern, last: number): number {
    let node = ROOT;
    let end = last;
    for (const byte of pattern.bytes) {
      const type = this.#classOf[byte] ?? 0;
      let next = this.#child(node, type);
      if (next === ROOT) {
        next = ++end;
        this.#depth[next] = (this.#depth[node] ?? 0) + 1;
        if (this.#label[node] !== 0 && this.#label[node] !== ROW) this.#makeRow(node);
        if (this.#label[node] === ROW) this.#rows[(this.#edge[node] ?? 0) + type] = next;
        else {
          this.#label[node] = type;
          this.#edge[node] = next;
        }
      }
      node = next;
    }
    const twin = this.#patterns.get(node);
    if (twin === undefined || isBetter(pattern, twin)) this.#patterns.set(node, pattern);
    return end;
  }

  /** Breadth first, so that a node's suffixes are done before it. */
  #linkSuffixes(nodes: number): void {
    const queue = new Int32Array(nodes);
    let queued = 1;
    for (let head = 0; head < queued; head++) {
      const node = queue[head] ?? ROOT;
      const own = this.#label[node] ?? 0;
      if (own === 0) continue;
      for (let type = own === ROW ? 1 : own; type < (own === ROW ? this.#width : own + 1); type++) {
        const child = this.#child(node, type);
        if (child === ROOT) continue;
        let suffix = node;
        let landed = ROOT;
        while (suffix !== ROOT && landed === ROOT) {
          suffix = this.#fail[suffix] ?? ROOT;
          landed = this.#child(suffix, type);
        }
        this.#fail[child] = landed;
        this.#hit[child] = this.#patterns.has(child) ? child : (this.#hit[landed] ?? ROOT);
        queue[queued++] = child;
      }
    }
  }

  /** Most of a text never gets further than these nodes; one look-up each is what makes it fast. */
  #completeRows(): void {
    const root = this.#edge[ROOT] ?? 0;
    this.#label[ROOT] = FULL_ROW;
    for (let first = 1; first < this.#width; first++) {
      const node = this.#rows[root + first] ?? ROOT;
      if (node === ROOT) continue;
      if (this.#label[node] !== ROW) this.#makeRow(node);
      this.#label[node] = FULL_ROW;
      const row = this.#edge[node] ?? 0;
      for (let type = 1; type < this.#width; type++) {
        if (this.#rows[row + type] === ROOT) this.#rows[row + type] = this.#rows[root + type] ?? ROOT;
      }
    }
  }

  #report(node: number, text: Uint8Array, end: number, before: number, next: number, found: Match[]): void {
    for (let at = this.#hit[node] ?? ROOT; at !== ROOT; at = this.#hit[this.#fail[at] ?? ROOT] ?? ROOT) {
      const pattern = this.#patterns.get(at);
      if (pattern === undefined) return;
      const start = end - pattern.bytes.length;
      const previous = start > 0 ? (text[start - 1] ?? NO_BYTE) : before;
      const counts =
        !pattern.bounded ||
        (!joins(previous, pattern.bytes[0] ?? NO_BYTE) && !joins(pattern.bytes.at(-1) ?? NO_BYTE, next));
      if (!counts) continue;
      addMatch(found, { start, end, pattern });
      // Whatever else ends here is shorter and lies inside.
      return;
    }
  }
}

/** Adds a match in order of end or of start; those that overlap it, by a byte at least, become one with it. */
export function addMatch(found: Match[], match: Match): void {
  let { start, end, pattern } = match;
  for (let last = found.at(-1); last !== undefined && last.end > start; last = found.at(-1)) {
    found.pop();
    start = Math.min(start, last.start);
    end = Math.max(end, last.end);
    if (isBetter(last.pattern, pattern)) pattern = last.pattern;
  }
  found.push({ start, end, pattern });
}

/** The longer pattern names a stretch; of two as long, the first by name. */
function isBetter(a: Pattern, b: Pattern): boolean {
  if (a.bytes.length !== b.bytes.length) return a.bytes.length > b.bytes.length;
  return a.name < b.name;
}

function joins(left: number, right: number): boolean {
  return isWordByte(left) && isWordByte(right);
}

/** ASCII letters, digits and `_`; anything else, other scripts included, ends a word: in doubt it is replaced. */
function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f
  );
}
