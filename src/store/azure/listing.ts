import type { ListedObject, ListObjectsInput, ListObjectsOutput } from '../object-store.ts';
import { classOfTier } from './attributes.ts';
import { type Blob, checksumOf } from './blob.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { ItemSource } from './item-source.ts';
import { listPage } from './list-page.ts';
import { BY_PATH, compareUtf8, FLAT, type NameOrder } from './name-order.ts';
import { escapeName, keyOf, namePrefix, SYSTEM_PREFIX } from './names.ts';
import { ordered } from './order.ts';

/**
 * One page of objects, at the cost of one page of Azure's: it is asked for as many entries as the client, from the
 * right name on, and groups at `/` by itself. A page costs more where a marker lies inside a group, where other
 * delimiters than `/` put keys into groups of more than a page, and where order.ts has to look elsewhere first.
 */
export async function listObjects(context: Context, input: ListObjectsInput): Promise<ListObjectsOutput> {
  const { bucket, prefix, delimiter, after, limit } = input;
  checkContainer(bucket);
  const base = namePrefix(prefix);
  const isNative = delimiter === '/' && base.isExact;
  // One more tells whether there is more; another one may be the marker itself.
  const pageSize = Math.min(limit + 2, 5000);
  const order = (await context.traits.isHierarchical()) ? BY_PATH : FLAT;
  const source = new ItemSource({
    client: context.client,
    container: bucket,
    prefix: base.name,
    delimiter: isNative ? delimiter : undefined,
    order,
    pageSize,
  });
  const page = new Page(input);
  const start = await startOf(context, input, { page, base: base.name, order });
  if (limit === 0 || start === undefined) {
    await listPage(context.client, { container: bucket, prefix: base.name, maxResults: 1 });
    return page.output(false);
  }
  for await (const item of ordered(source, base.name, start === '' ? undefined : start)) {
    if (item.name.startsWith(SYSTEM_PREFIX)) {
      await source.seek(order.successor(SYSTEM_PREFIX));
      continue;
    }
    const key = keyOf(item.name);
    if (!key.startsWith(prefix) || key === after || item.blob?.isFolder) continue;
    const group = item.blob === undefined ? key : page.groupOf(key);
    if (group !== undefined && (group === after || page.has(group))) {
      await skipGroup(source, group);
      continue;
    }
    if (page.size === limit) return page.output(true);
    if (group !== undefined) page.addGroup(group);
    else if (item.blob !== undefined) page.addObject(listed(key, item.blob));
  }
  return page.output(false);
}

/** Where the listing begins, as a name; '' at the start, undefined behind the end. */
async function startOf(
  { client }: Context,
  { bucket, prefix, after }: ListObjectsInput,
  { page, base, order }: { readonly page: Page; readonly base: string; readonly order: NameOrder },
): Promise<string | undefined> {
  if (!after.startsWith(prefix)) return compareUtf8(after, prefix) < 0 ? '' : undefined;
  if (after === '') return '';
  const group = page.groupOf(after);
  if (group === undefined) return escapeName(after);
  const groupName = namePrefix(group).name;
  if (group !== after) {
    // The marker lies within a group, which is shown if there is more of it.
    const source = new ItemSource({
      client,
      container: bucket,
      prefix: groupName,
      delimiter: undefined,
      order,
      pageSize: 2,
    });
    for await (const { name } of ordered(source, groupName, escapeName(after))) {
      const key = keyOf(name);
      if (key === after || !key.startsWith(group) || name.startsWith(SYSTEM_PREFIX)) continue;
      page.addGroup(group);
      break;
    }
  }
  const behind = order.successorForClients(groupName);
  return behind?.startsWith(base) ? behind : undefined;
}

async function skipGroup(source: ItemSource, group: string): Promise<void> {
  const behind = source.order.successor(namePrefix(group).name);
  if (behind !== undefined) await source.seek(behind);
}

/** What a page shows so far. */
class Page {
  readonly #input: ListObjectsInput;
  readonly #objects: ListedObject[] = [];
  readonly #groups = new Set<string>();
  #last: string | undefined;

  constructor(input: ListObjectsInput) {
    this.#input = input;
  }

  get size(): number {
    return this.#objects.length + this.#groups.size;
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }

  addObject(object: ListedObject): void {
    this.#objects.push(object);
    this.#last = object.key;
  }

  addGroup(group: string): void {
    this.#groups.add(group);
    this.#last = group;
  }

  /** The common prefix that stands for a key; undefined when the key stands for itself. */
  groupOf(key: string): string | undefined {
    const { prefix, delimiter } = this.#input;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    return at < 0 ? undefined : key.slice(0, at + delimiter.length);
  }

  output(isTruncated: boolean): ListObjectsOutput {
    return {
      objects: this.#objects.sort((a, b) => compareUtf8(a.key, b.key)),
      commonPrefixes: [...this.#groups].sort(compareUtf8),
      next: isTruncated ? this.#last : undefined,
    };
  }
}

function listed(key: string, blob: Blob): ListedObject {
  const { record, size, etag, lastModified, tier } = blob;
  const checksum = checksumOf(blob);
  return {
    key,
    size,
    etag,
    lastModified,
    storageClass: record.storageClass ?? classOfTier(tier),
    checksum: checksum && { algorithm: checksum.algorithm, type: checksum.type },
  };
}
