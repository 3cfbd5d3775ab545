import { createHash } from 'node:crypto';

/**
 * Where an object is, as its storage knows it, whatever name a client used: two buckets of clients over one place share
 * its entries, and two storages never do, nor one storage before and after it was pointed elsewhere.
 */
export interface ObjectName {
  readonly storage: string;
  /** Where the storage is: a URL or a folder. */
  readonly place: string;
  readonly bucket: string;
  /** With every prefix. */
  readonly key: string;
}

/** 128 bits of SHA-256 as hex: safe as a file name on every file system. Entries repeat the full name. */
export function objectId({ storage, place, bucket, key }: ObjectName): string {
  return createHash('sha256')
    .update(JSON.stringify([storage, place, bucket, key]))
    .digest('hex')
    .slice(0, 32);
}

/** Names one version's bytes among those of its object. */
export function versionId(etag: string, size: number): string {
  return createHash('sha256').update(`${size} ${etag}`).digest('hex').slice(0, 16);
}
