import { checkKey, isBucketName } from './address.ts';
import { S3Error } from './error.ts';
import { decodeHeaderText, type Headers } from './headers.ts';
import type { ByteRange } from './range.ts';
import { decodeUri, encodeKey, encodeUri } from './uri.ts';

/** What `x-amz-copy-source` names, decoded once. */
export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
}

export const COPY_SOURCE = 'x-amz-copy-source';
export const COPY_RANGE = 'x-amz-copy-source-range';

/**
 * Reads a copy source in all its spellings: with and without the leading slash, percent-encoded or as plain UTF-8,
 * with `?versionId=`. The version is split off before anything is decoded, so that `%3F` stays part of the key.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
 * @throws S3Error InvalidArgument; also for access point ARNs, which name no bucket
 */
export function parseCopySource(headers: Headers): CopySource {
  const text = decodeHeaderText(headers.get(COPY_SOURCE) ?? '');
  const question = text.indexOf('?');
  const path = decodeUri((question < 0 ? text : text.slice(0, question)).replace(/^(\/|%2F)/i, ''));
  const slash = path?.indexOf('/') ?? -1;
  if (path === undefined || slash < 1 || slash === path.length - 1) throw invalidSource();
  const [bucket, key] = [path.slice(0, slash), path.slice(slash + 1)];
  if (!isBucketName(bucket)) throw invalidSource();
  checkKey(key);
  return { bucket, key, versionId: question < 0 ? undefined : versionOf(text.slice(question + 1)) };
}

/** The one spelling that every S3 server reads alike. */
export function formatCopySource({ bucket, key, versionId }: CopySource): string {
  const version = versionId === undefined ? '' : `?versionId=${encodeUri(versionId)}`;
  return `/${bucket}/${encodeKey(key)}${version}`;
}

/** A key that holds a plain `?` could end here in two ways, so only a version may follow one. */
function versionOf(query: string): string {
  const match = /^versionId=([^&?]+)$/.exec(query);
  const version = match?.[1] === undefined ? undefined : decodeUri(match[1]);
  if (version === undefined) throw invalidSource();
  return version;
}

/** Bytes that a part copied by a range is to have; undefined: the whole source. @throws S3Error InvalidArgument */
export function copyRangeLength(headers: Headers): number | undefined {
  const value = headers.get(COPY_RANGE);
  if (value === undefined) return undefined;
  const { start, end } = parseCopyRange(value);
  return end - start + 1;
}

/**
 * The stretch of a source of `size` bytes that a part copies, by `x-amz-copy-source-range` as received: all of it where
 * there is none. Its end is before its start when the source is empty.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
 * @throws S3Error InvalidArgument
 */
export function copyRange(value: string | undefined, size: number): ByteRange {
  if (value === undefined) return { start: 0, end: size - 1 };
  const range = parseCopyRange(value);
  if (range.end < size) return range;
  throw invalidRange(`Range specified is not valid for source object of size: ${size}`, value);
}

function parseCopyRange(value: string): ByteRange {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(value);
  const range = { start: Number(match?.[1]), end: Number(match?.[2]) };
  if (range.start <= range.end) return range;
  throw invalidRange('The x-amz-copy-source-range value must be of the form bytes=first-last', value);
}

/** The error of a range that leaves the source. */
export function rangeBeyondSource(): S3Error {
  return invalidRange('The range is not within the source.');
}

/** What a refused read of the source means to the one who copies. */
export function copyRefusal(error: unknown): unknown {
  if (!(error instanceof S3Error)) return error;
  if (error.code === 'NotModified') return new S3Error('PreconditionFailed', { cause: error });
  return error.code === 'InvalidRange' ? rangeBeyondSource() : error;
}

function invalidRange(message: string, value?: string): S3Error {
  const detail = { ArgumentName: COPY_RANGE, ...(value !== undefined && { ArgumentValue: value }) };
  return new S3Error('InvalidArgument', { message, detail });
}

function invalidSource(): S3Error {
  return new S3Error('InvalidArgument', {
    message: 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    detail: { ArgumentName: COPY_SOURCE },
  });
}
