import { createHash } from 'node:crypto';
import { blockCount } from './content.ts';
import type { Description } from './description.ts';
import type { Draft } from './store.ts';

/** Hashing costs 1.4 s a GiB and would hold up everything else; larger objects rest on TCP, TLS and their lengths. */
const MAX_HASHED_BYTES = 64 * 2 ** 20;

/** Whether an ETag is the MD5 of its object, as of one put in one piece and not encrypted by a key service. */
export function isMd5({ etag, headers }: Pick<Description, 'etag' | 'headers'>): boolean {
  return /^[0-9a-f]{32}$/i.test(etag) && !headers.has('x-amz-server-side-encryption');
}

/**
 * Whether a draft's bytes are those that the ETag names, as far as an ETag tells.
 * @throws Error when they cannot be read
 */
export async function isIntact(description: Description, draft: Draft): Promise<boolean> {
  if (!isMd5(description) || description.size > MAX_HASHED_BYTES) return true;
  return (await md5Of(description.size, draft)) === description.etag.toLowerCase();
}

/** The MD5 of a draft's bytes, hex. */
export async function md5Of(size: number, draft: Pick<Draft, 'read'>): Promise<string> {
  const hash = createHash('md5');
  for (let index = 0; index < blockCount(size); index++) hash.update(await draft.read(index));
  return hash.digest('hex');
}
