/** How an account sorts its names. */
export interface NameOrder {
  /** A text that sorts by its UTF-16 code units as the account sorts the name. */
  rank(name: string): string;
  /** The first place, in that order, behind all names that begin so; undefined when it is the end. */
  successor(prefix: string): string | undefined;
  /** The same in the order in which names are given to clients, see order.ts. */
  successorForClients(prefix: string): string | undefined;
}

/** By UTF-16 code units. */
export const FLAT: NameOrder = {
  rank: (name) => name,
  successor: (prefix) => raise(prefix, nextUtf16),
  successorForClients: (prefix) => raise(prefix, nextUtf8),
};

/** With a hierarchical namespace: path by path, so that `/` comes before every other character. */
export const BY_PATH: NameOrder = {
  rank: (name) => name.replaceAll('/', '\0'),
  successor: (prefix) => raise(prefix, (code) => nextInPath(code) ?? nextUtf16(code)),
  successorForClients: (prefix) => raise(prefix, (code) => nextInPath(code) ?? nextUtf8(code)),
};

/** Compares as UTF-8 bytes. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Raises the last character that can be, and drops those behind it. */
function raise(prefix: string, next: (code: number) => number | undefined): string | undefined {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const raised = next(last.codePointAt(0) ?? 0);
    if (raised !== undefined) return points.join('') + String.fromCodePoint(raised);
  }
  return undefined;
}

/** Characters beyond U+FFFF, which are surrogates, lie between U+D7FF and U+E000. U+FFFE and U+FFFF are in no name. */
function nextUtf16(code: number): number | undefined {
  if (code >= 0xfffd && code <= 0xffff) return undefined;
  if (code === 0xd7ff) return 0x10000;
  return code === 0x10ffff ? 0xe000 : code + 1;
}

function nextUtf8(code: number): number | undefined {
  if (code === 0x10ffff) return undefined;
  if (code === 0xd7ff) return 0xe000;
  return code >= 0xfffd && code <= 0xffff ? 0x10000 : code + 1;
}

/** The slash is lowest there; no name has anything below a space. */
function nextInPath(code: number): number | undefined {
  if (code === 0x2f) return 0x20;
  return code === 0x2e ? 0x30 : undefined;
}
