import { createHash, randomBytes } from 'node:crypto';
import type { Strictness } from '../strictness.ts';
import type { Blob } from './blobs.ts';
import { VendorError } from './message.ts';

export interface StoredObject {
  readonly key: string;
  readonly blobs: readonly Blob[];
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modified: Date;
  /** Headers given back on GET and HEAD. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tags: string;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly begun: Date;
  readonly parts: Map<number, { readonly blob: Blob; readonly etag: string; readonly modified: Date }>;
}

export interface Bucket {
  readonly created: Date;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, Upload>;
}

export type Buckets = Map<string, Bucket>;

/** @throws VendorError NoSuchBucket */
export function bucketOf(buckets: Buckets, name: string | undefined): Bucket {
  const bucket = buckets.get(name ?? '');
  if (bucket === undefined)
    throw new VendorError(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: name ?? '' });
  return bucket;
}

/** @throws VendorError NoSuchKey */
export function objectOf(bucket: Bucket, key: string | undefined): StoredObject {
  const object = bucket.objects.get(key ?? '');
  if (object === undefined)
    throw new VendorError(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key ?? '' });
  return object;
}

/** @throws VendorError NoSuchUpload */
export function uploadOf(bucket: Bucket, id: string | undefined, key: string | undefined): Upload {
  const upload = bucket.uploads.get(id ?? '');
  if (upload === undefined || upload.key !== key)
    throw new VendorError(404, 'NoSuchUpload', 'The specified multipart upload does not exist.', {
      UploadId: id ?? '',
    });
  return upload;
}

const inCase = (etag: string, { etagCase }: Strictness): string => (etagCase === 'upper' ? etag.toUpperCase() : etag);

/** The ETag of one piece. */
export function singleETag(blob: Blob, row: Strictness): string {
  return inCase(blob.md5, row);
}

/** The ETag of several, by the AWS formula or at random. */
export function joinedETag(blobs: readonly Blob[], row: Strictness): string {
  const digest =
    row.multipartETag === 'random'
      ? randomBytes(16)
      : createHash('md5')
          .update(Buffer.concat(blobs.map(({ md5 }) => Buffer.from(md5, 'hex'))))
          .digest();
  return inCase(`${digest.toString('hex')}-${blobs.length}`, row);
}

/** An ETag as this vendor writes it. */
export function written(etag: string, { etagQuotes }: Strictness): string {
  return etagQuotes ? `"${etag}"` : etag;
}

const KEPT = /^(content-(type|language|disposition|encoding)|cache-control|expires|x-amz-meta-.*|x-amz-storage-class)$/;

/** What is kept of a request's headers. Framing is taken off, other encodings stay. */
export function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => KEPT.test(name));
  const plain = kept.map(([name, value]) => [
    name,
    name === 'content-encoding' ? value.replace(/aws-chunked,? ?/, '') : value,
  ]);
  return Object.fromEntries(plain.filter(([, value]) => value !== ''));
}

/** A new object of these pieces. */
export function stored(
  key: string,
  blobs: readonly Blob[],
  {
    etag,
    headers,
    now,
    tags = '',
  }: {
    readonly etag: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly now: Date;
    readonly tags?: string;
  },
): StoredObject {
  const size = blobs.reduce((sum, blob) => sum + blob.size, 0);
  return { key, blobs, size, etag, headers, tags, modified: now };
}

/** @throws VendorError when a condition of a read, or one that the vendor honours on a write, does not hold */
export function checkConditions(
  headers: Readonly<Record<string, string>>,
  object: StoredObject | undefined,
  { isRead, prefix = '' }: { readonly isRead: boolean; readonly prefix?: string },
): void {
  const match = headers[`${prefix}if-match`];
  const noneMatch = headers[`${prefix}if-none-match`];
  const since = headers[`${prefix}if-modified-since`];
  const unmodified = headers[`${prefix}if-unmodified-since`];
  const isSame = (list: string): boolean =>
    object !== undefined &&
    (list === '*' || list.split(',').some((etag) => etag.trim().replaceAll('"', '') === object.etag));
  const seconds = object === undefined ? 0 : Math.floor(object.modified.getTime() / 1000) * 1000;
  const failed = new VendorError(
    412,
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
  );
  if (match !== undefined && !isSame(match)) {
    if (object === undefined) throw new VendorError(404, 'NoSuchKey', 'The specified key does not exist.');
    throw failed;
  }
  if (match === undefined && unmodified !== undefined && object && seconds > Date.parse(unmodified)) throw failed;
  const isNotModified =
    (noneMatch !== undefined && isSame(noneMatch)) ||
    (noneMatch === undefined && since !== undefined && object !== undefined && seconds <= Date.parse(since));
  if (isNotModified) throw isRead && prefix === '' ? new VendorError(304, 'NotModified', 'Not Modified') : failed;
}
