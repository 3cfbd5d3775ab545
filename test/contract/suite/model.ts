export interface ModelQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  readonly limit: number;
}

/** What a page of a listing holds, worked out the slow and obvious way. `sorted` is in the order of UTF-8 bytes. */
export function modelPage(sorted: readonly string[], { prefix, delimiter, after, limit }: ModelQuery) {
  const entries: { readonly name: string; readonly isPrefix: boolean }[] = [];
  for (const key of sorted) {
    if (!key.startsWith(prefix)) continue;
    if (after !== '' && Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = at < 0 ? undefined : key.slice(0, at + delimiter.length);
    if (group !== undefined && group === after) continue;
    if (group === undefined) entries.push({ name: key, isPrefix: false });
    else if (!entries.some((entry) => entry.isPrefix && entry.name === group))
      entries.push({ name: group, isPrefix: true });
  }
  const page = entries.slice(0, limit);
  return {
    keys: page.filter((entry) => !entry.isPrefix).map((entry) => entry.name),
    prefixes: page.filter((entry) => entry.isPrefix).map((entry) => entry.name),
    isTruncated: entries.length > page.length,
  };
}
