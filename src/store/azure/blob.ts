import { createHash } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Checksum, ObjectDescription, ObjectPlace, PartInfo } from '../object-store.ts';
import { classOfTier, metadataOf, readAttributes } from './attributes.ts';
import { type BlobRecord, RECORD_NAME, unpackRecord } from './record.ts';

/** A blob as Azure describes it, whichever request told. */
export interface Blob {
  /** Azure's own ETag, in quotes, for conditions that Azure decides. */
  readonly azureEtag: string;
  /** The client's ETag, without quotes. */
  readonly etag: string;
  readonly size: number;
  readonly lastModified: Date;
  /** Base64, of the content; undefined for what was committed from blocks. */
  readonly contentMd5: string | undefined;
  readonly record: BlobRecord;
  /** Content headers by their plain names. */
  readonly properties: Headers;
  /** Names without `x-ms-meta-`, lower case. */
  readonly metadata: Headers;
  readonly tier: string | undefined;
  /** Tags that Azure keeps. */
  readonly tagCount: number;
  readonly copyStatus: string | undefined;
  readonly isFolder: boolean;
}

/** Reads a blob from an answer to GET or HEAD. @throws S3Error ServiceUnavailable when it is none */
export function blobOfHeaders(headers: Headers): Blob {
  const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] ?? headers.get('content-length');
  const properties = new Map(headers);
  // On a range these are of the range, if at all.
  const md5 =
    headers.get('x-ms-blob-content-md5') ?? (headers.has('content-range') ? undefined : headers.get('content-md5'));
  return makeBlob({
    azureEtag: headers.get('etag') ?? '',
    size: Number(total),
    lastModified: headers.get('last-modified') ?? '',
    contentMd5: md5,
    properties,
    metadata: metadataOf(headers),
    tier: headers.get('x-ms-access-tier'),
    tagCount: Number(headers.get('x-ms-tag-count') ?? 0),
    copyStatus: headers.get('x-ms-copy-status'),
    isFolder: headers.get('x-ms-resource-type') === 'directory',
  });
}

/** What `makeBlob` is given: as Azure wrote it. */
export interface RawBlob {
  readonly azureEtag: string;
  readonly size: number;
  readonly lastModified: string;
  readonly contentMd5: string | undefined;
  readonly properties: Headers;
  readonly metadata: Headers;
  readonly tier: string | undefined;
  readonly tagCount: number;
  readonly copyStatus: string | undefined;
  readonly isFolder: boolean;
}

/** @throws S3Error ServiceUnavailable when what a blob must have is not there */
export function makeBlob(raw: RawBlob): Blob {
  const lastModified = new Date(raw.lastModified);
  if (!Number.isSafeInteger(raw.size) || Number.isNaN(lastModified.getTime()) || raw.azureEtag === '') {
    throw new S3Error('ServiceUnavailable', { cause: new Error('Azure described a blob without ETag, size or date') });
  }
  const record = unpackRecord(raw.metadata.get(RECORD_NAME));
  const contentMd5 = raw.contentMd5 === '' ? undefined : raw.contentMd5;
  return {
    ...raw,
    // Listings leave the quotes out.
    azureEtag: raw.azureEtag.includes('"') ? raw.azureEtag : `"${raw.azureEtag}"`,
    etag: etagOf(record, contentMd5, raw),
    lastModified,
    contentMd5,
    record,
    isFolder: raw.isFolder || raw.metadata.get('hdi_isfolder') === 'true',
  };
}

/**
 * The ETag of an object: of its parts where we made it of some, the MD5 of its content where Azure knows it, else
 * Azure's own in a form that no client takes for an MD5. Whoever overwrites a blob with other tools may carry our
 * record along, so it counts only for the content it was made for.
 */
function etagOf(record: BlobRecord, contentMd5: string | undefined, { size, azureEtag }: RawBlob): string {
  const { multipart } = record;
  if (multipart !== undefined && multipart.size === size && contentMd5 === undefined) return multipart.etag;
  return clientEtag(contentMd5, azureEtag);
}

/** The ETag of a blob of which Azure alone knows something. @param contentMd5 base64 */
export function clientEtag(contentMd5: string | undefined, azureEtag: string): string {
  const md5 = Buffer.from(contentMd5 ?? '', 'base64');
  if (md5.byteLength === 16) return md5.toString('hex');
  const digits = /^(?:W\/)?"?0x([0-9a-f]{1,32})"?$/i.exec(azureEtag)?.[1]?.toLowerCase();
  return `${digits?.padStart(32, '0') ?? createHash('md5').update(azureEtag).digest('hex')}-1`;
}

/** The object that a blob is. */
export function describeBlob(place: ObjectPlace, blob: Blob): ObjectDescription & { readonly tagCount: number } {
  const { record } = blob;
  return {
    ...place,
    ...readAttributes(blob.properties, blob.metadata, record),
    tags: record.tags ?? [],
    tagCount: record.tags?.length ?? blob.tagCount,
    storageClass: record.storageClass ?? classOfTier(blob.tier),
    size: blob.size,
    etag: blob.etag,
    lastModified: blob.lastModified,
    checksum: checksumOf(blob),
    parts: partsOf(blob),
  };
}

/** The checksum kept with a blob, unless its content has been changed by others since. */
export function checksumOf({ record, etag }: Blob): Checksum | undefined {
  if (record.checksum === undefined || record.checksum.etag !== etag) return undefined;
  const { algorithm, type, value } = record.checksum;
  return { algorithm, type, value };
}

/**
 * The parts an object was made of, without their checksums; undefined when it was written in one piece, and none where
 * only its blocks tell.
 */
function partsOf({ record: { multipart }, etag }: Blob): readonly PartInfo[] | undefined {
  if (multipart === undefined || multipart.etag !== etag) return undefined;
  return (multipart.parts ?? []).flatMap(([first, count, size]) =>
    Array.from({ length: count }, (_, index) => ({ partNumber: first + index, size, checksum: undefined })),
  );
}

/** When a write was, by Azure's clock. @throws S3Error ServiceUnavailable when the answer does not say */
export function writtenAt(headers: Headers): Date {
  const date = new Date(headers.get('last-modified') ?? headers.get('date') ?? '');
  if (!Number.isNaN(date.getTime())) return date;
  throw new S3Error('ServiceUnavailable', { cause: new Error('Azure said no date') });
}
