/** Keys spread over `size` buckets. `bucket` is the name of each, with `{n}` where its number stands. */
export interface Pool {
  readonly size: number;
  /** How many hex digits of the object's name choose its bucket: 1 to 7. */
  readonly key: number;
  readonly bucket: string;
}

/**
 * The bucket of a pool that a key belongs to, by Overture Score's formula: the first `key` characters of the last
 * segment, read as a hexadecimal number, modulo `size`. Undefined when they are not all hex digits: such a key,
 * be it Score's own sentinel or upload state, lives in the unpooled bucket.
 */
export function poolBucket(pool: Pool, key: string): string | undefined {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const digits = name.slice(0, pool.key);
  if (digits.length < pool.key || !/^[0-9A-Fa-f]+$/.test(digits)) return undefined;
  return numbered(pool, Number.parseInt(digits, 16) % pool.size);
}

/** Every bucket of a pool. */
export function poolBuckets(pool: Pool): string[] {
  return Array.from({ length: pool.size }, (_, index) => numbered(pool, index));
}

function numbered(pool: Pool, index: number): string {
  return pool.bucket.replaceAll('{n}', String(index));
}
