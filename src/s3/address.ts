import { S3Error } from './error.ts';
import { decodeUri } from './uri.ts';

/** Where a request points, decoded once. */
export interface Address {
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly addressing: 'path' | 'virtual';
}

/** S3's limit on a key, in UTF-8 bytes. */
export const MAX_KEY_BYTES = 1024;

/**
 * 3 to 63 lower-case letters, digits, dots and hyphens. Upper case and `_`, legal in old us-east-1 buckets and
 * on Ceph and MinIO, are left to the storage to judge.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;
const IP_ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;

export function isBucketName(name: string): boolean {
  return BUCKET_NAME.test(name) && !name.includes('..') && !IP_ADDRESS.test(name);
}

/**
 * Splits Host and path into bucket and key. A Host of `BUCKET.DOMAIN` for one of `domains` is virtual-hosted
 * style, anything else path style. The key is what follows, byte for byte: `//`, a trailing slash and
 * `%2F` (a slash inside the key, never a separator before it) are kept.
 * @param host the Host header, with or without port
 * @param rawPath the path of the request target, percent-encoded, beginning with `/`
 * @throws S3Error InvalidURI, InvalidBucketName, KeyTooLongError
 */
export function parseAddress(host: string, rawPath: string, domains: readonly string[]): Address {
  if (!rawPath.startsWith('/')) throw new S3Error('InvalidURI');
  const hostBucket = bucketOfHost(host, domains);
  if (hostBucket !== undefined) {
    return { bucket: checkBucket(hostBucket), key: decodeKey(rawPath.slice(1)), addressing: 'virtual' };
  }
  const path = rawPath.slice(1);
  if (path === '') return { bucket: undefined, key: undefined, addressing: 'path' };
  const slash = path.indexOf('/');
  const bucket = decodeUri(slash < 0 ? path : path.slice(0, slash));
  if (bucket === undefined) throw new S3Error('InvalidURI');
  return {
    bucket: checkBucket(bucket),
    key: slash < 0 ? undefined : decodeKey(path.slice(slash + 1)),
    addressing: 'path',
  };
}

/** The Host header without its port, lower case. Square brackets of an IPv6 address stay. */
export function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}

/** Refuses keys that S3 does not allow, and that some server behind would read as something else. */
export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', {
      detail: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(MAX_KEY_BYTES) },
    });
  }
  if (key.includes('\0')) throw new S3Error('InvalidURI');
}

/**
 * Whether a key has a segment `.` or `..`. Legal in S3, but many servers resolve it to another key,
 * so it is refused unless the storage is said to take it (facts: security decision 4).
 */
export function hasDotSegment(key: string): boolean {
  return key.includes('.') && /(^|[/\\])\.\.?([/\\]|$)/.test(key);
}

function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const name = hostName(host);
  for (const domain of domains) {
    if (name.length > domain.length + 1 && name.endsWith(domain) && name[name.length - domain.length - 1] === '.') {
      return name.slice(0, name.length - domain.length - 1);
    }
  }
  return undefined;
}

function checkBucket(bucket: string): string {
  if (!isBucketName(bucket)) throw new S3Error('InvalidBucketName', { detail: { BucketName: bucket } });
  return bucket;
}

function decodeKey(rawKey: string): string | undefined {
  if (rawKey === '') return undefined;
  const key = decodeUri(rawKey);
  if (key === undefined) throw new S3Error('InvalidURI');
  checkKey(key);
  return key;
}
