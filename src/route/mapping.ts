import { MAX_KEY_BYTES } from '../s3/address.ts';
import type { CopySource } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import type { Target } from './catalog.ts';
import type { TokenScope } from './tokens.ts';

/** One request's way between the names of a client and those of a storage. */
export interface Mapping {
  readonly target: Target;
  /** What opaque tokens are bound to besides the place. */
  readonly tenant: string;
  /** Of a copy within the storage: the source, in the storage's own names. */
  readonly source: CopySource | undefined;
}

/** The storage's prefix of a listing. */
export function storagePrefix(request: S3Request, target: Target): string {
  return target.prefix + (request.query.get('prefix') ?? '');
}

export function storageKey(key: string, target: Target): string {
  const full = target.prefix + key;
  // Without the sizes: they would tell how long the prefix is.
  if (Buffer.byteLength(full) > MAX_KEY_BYTES) throw new S3Error('KeyTooLongError');
  return full;
}

export function uploadScope(mapping: Mapping, place: string): TokenScope {
  const { tenant, target } = mapping;
  return { kind: 'upload', tenant, storage: target.storage, bucket: target.bucket, place };
}

export function listingScope(mapping: Mapping, place: string): TokenScope {
  return { ...uploadScope(mapping, place), kind: 'continuation' };
}
