import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { S3Request } from '../../s3/message.ts';
import type { ObjectAttributes } from '../object-store.ts';
import { parseTagHeader } from './tags.ts';

const SYSTEM_HEADERS = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
  'expires',
  'x-amz-website-redirect-location',
] as const;

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_RequestSyntax */
const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'SNOW',
  'EXPRESS_ONEZONE',
  'FSX_OPENZFS',
]);

const METADATA_PREFIX = 'x-amz-meta-';
const MAX_METADATA_BYTES = 2048;

/** Header names, or beginnings of them, that ask for what a store cannot do. Ignoring one would break a promise. */
const REFUSED = [
  'x-amz-server-side-encryption',
  'x-amz-copy-source-server-side-encryption',
  'x-amz-object-lock-',
  'x-amz-bucket-object-lock-enabled',
  'x-amz-grant-',
  'x-amz-write-offset-bytes',
  'x-amz-if-match-',
] as const;

/** ACLs that say what holds anyway: one owner, who may do all. */
const PRIVATE_ACLS: ReadonlySet<string> = new Set([
  'private',
  'bucket-owner-full-control',
  'bucket-owner-read',
  'aws-exec-read',
]);

/**
 * Refuses a request that asks for encryption by us, locks, grants or public access.
 * @throws S3Error NotImplemented, naming the header
 */
export function refuseUnsupported(headers: Headers): void {
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-')) continue;
    const isRefused = REFUSED.some((start) => name.startsWith(start)) && value.toLowerCase() !== 'false';
    if (isRefused || (name === 'x-amz-acl' && !PRIVATE_ACLS.has(value))) {
      throw new S3Error('NotImplemented', { detail: { Header: name } });
    }
  }
}

/** What a PutObject, CopyObject or CreateMultipartUpload says of the object. @throws S3Error */
export function parseAttributes(request: S3Request): ObjectAttributes {
  const { headers } = request;
  return {
    systemHeaders: parseSystemHeaders(headers),
    userMetadata: parseUserMetadata(headers),
    tags: parseTagHeader(headers.get('x-amz-tagging')),
    storageClass: parseStorageClass(headers) ?? 'STANDARD',
  };
}

/** @throws S3Error InvalidStorageClass */
export function parseStorageClass(headers: Headers): string | undefined {
  const name = headers.get('x-amz-storage-class');
  if (name === undefined || STORAGE_CLASSES.has(name)) return name;
  throw new S3Error('InvalidStorageClass', { detail: { StorageClassRequested: name } });
}

function parseSystemHeaders(headers: Headers): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of SYSTEM_HEADERS) {
    const value = name === 'content-encoding' ? contentEncoding(headers) : headers.get(name);
    if (value !== undefined && value !== '') found.set(name, value);
  }
  return found;
}

/** `aws-chunked` is the framing of the upload, not of the object. */
function contentEncoding(headers: Headers): string | undefined {
  const codings = headers.get('content-encoding')?.split(',');
  return codings
    ?.map((coding) => coding.trim())
    .filter((coding) => coding.toLowerCase() !== 'aws-chunked')
    .join(', ');
}

function parseUserMetadata(headers: Headers): Map<string, string> {
  const metadata = new Map<string, string>();
  let size = 0;
  for (const [name, value] of headers) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    metadata.set(name.slice(METADATA_PREFIX.length), value);
    size += name.length - METADATA_PREFIX.length + value.length;
  }
  if (size > MAX_METADATA_BYTES) {
    throw new S3Error('MetadataTooLarge', {
      detail: { Size: String(size), MaxSizeAllowed: String(MAX_METADATA_BYTES) },
    });
  }
  return metadata;
}
