/** One page of anything that is listed by key. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly commonPrefixes: readonly string[];
  /** The last key or common prefix of the page, when there is more behind it. */
  readonly next: { readonly key: string; readonly row: Row | undefined } | undefined;
}

/** A place in a listing: rows from this key on. `id`, where rows of one key have one, comes before the first wanted. */
export interface Cursor {
  readonly key: string;
  readonly id: string;
}

export interface PagingInput<Row> {
  readonly prefix: string;
  readonly delimiter: string;
  readonly from: Cursor;
  readonly limit: number;
  /** Rows in UTF-8 byte order from the cursor on and before `to`; only as many are drawn as are needed. */
  readonly scan: (from: Cursor, to: string | undefined) => Iterable<Row>;
}

/**
 * Cuts a page out of sorted rows. Behind each common prefix it starts a new scan after all that share it, so a
 * page costs what it shows, however many keys lie below a prefix.
 */
export function cutPage<Row extends { readonly key: string }>(input: PagingInput<Row>): Page<Row> {
  const { prefix, delimiter, limit, scan } = input;
  const rows: Row[] = [];
  const commonPrefixes: string[] = [];
  if (limit <= 0) return { rows, commonPrefixes, next: undefined };
  const to = successor(prefix);
  let cursor: Cursor | undefined = compareUtf8(input.from.key, prefix) < 0 ? { key: prefix, id: '' } : input.from;
  let last: { key: string; row: Row | undefined } | undefined;
  while (cursor !== undefined) {
    const from: Cursor = cursor;
    cursor = undefined;
    for (const row of scan(from, to)) {
      if (rows.length + commonPrefixes.length === limit) return { rows, commonPrefixes, next: last };
      const group = commonPrefix(row.key, prefix, delimiter);
      if (group === undefined) {
        rows.push(row);
        last = { key: row.key, row };
        continue;
      }
      commonPrefixes.push(group);
      last = { key: group, row: undefined };
      const after = successor(group);
      if (after !== undefined) cursor = { key: after, id: '' };
      break;
    }
  }
  return { rows, commonPrefixes, next: undefined };
}

/**
 * Where a listing that goes on after `after` begins. A marker that is a common prefix itself skips all keys below
 * it; one within a group does not, as AWS does.
 */
export function cursorAfter(after: string, prefix: string, delimiter: string): Cursor | undefined {
  if (after === '') return { key: '', id: '' };
  const isGroup = commonPrefix(after, prefix, delimiter) === after;
  if (!isGroup) return { key: keyAfter(after), id: '' };
  const key = successor(after);
  return key === undefined ? undefined : { key, id: '' };
}

/** The smallest text greater than `key`. No key has it, as keys hold no NUL. */
function keyAfter(key: string): string {
  return `${key}\0`;
}

/** The part of a key up to and with the first delimiter behind the prefix; undefined when there is none. */
function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '' || !key.startsWith(prefix)) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/**
 * The smallest text, in UTF-8 byte order, that is greater than every text beginning with `prefix`; undefined when
 * there is none. UTF-8 sorts by code point, so the last one that can be raised is.
 */
export function successor(prefix: string): string | undefined {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const code = last.codePointAt(0) ?? 0;
    // Surrogates are no characters; U+10FFFF is the last one.
    if (code < 0x10ffff) return points.join('') + String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1);
  }
  return undefined;
}

/** Compares as UTF-8 bytes, which differs from `<` where surrogate pairs meet U+E000 and above. */
export function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
