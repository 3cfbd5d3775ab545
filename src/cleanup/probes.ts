import { childText } from '../s3/xml.ts';
import { ask, keyText, timeOf } from './ask.ts';
import type { Place, TidyStorage } from './place.ts';

const PROBE_NAME = 'sluice-check-';
const PROBE_BUCKET = new RegExp(`^${PROBE_NAME}[0-9a-f]{12}$`);
const PROBE_KEY = new RegExp(`^${PROBE_NAME}[0-9a-f]{12}/`);

/** Whether a bucket has a name that only `sluice check` makes up. */
export function isProbeBucket(name: string): boolean {
  return PROBE_BUCKET.test(name);
}

/**
 * The keys that killed runs of `sluice check` left at a place more than `age` milliseconds ago, page by page.
 * @throws S3Error
 */
export async function* leftProbes(
  storage: TidyStorage,
  { bucket, prefix }: Place,
  { age, signal }: { readonly age: number; readonly signal: AbortSignal },
): AsyncGenerator<readonly string[]> {
  for (let token: string | undefined; ; ) {
    const query = {
      'list-type': '2',
      prefix: `${prefix}${PROBE_NAME}`,
      'encoding-type': 'url',
      'continuation-token': token,
    };
    const { root } = await ask(storage, { method: 'GET', bucket, query, root: 'ListBucketResult' }, signal);
    const latest = storage.clock().getTime() - age;
    yield root.children.flatMap((item) => {
      const key = item.name === 'Contents' ? keyText(root, item, 'Key') : undefined;
      const modified = timeOf(item, 'LastModified');
      if (key === undefined || modified === undefined || modified.getTime() >= latest) return [];
      return key.startsWith(prefix) && PROBE_KEY.test(key.slice(prefix.length)) ? [key] : [];
    });
    const next = childText(root, 'IsTruncated') === 'true' ? childText(root, 'NextContinuationToken') : undefined;
    if (next === undefined) return;
    if (next === token) throw new Error('the list of objects does not move on');
    token = next;
  }
}
