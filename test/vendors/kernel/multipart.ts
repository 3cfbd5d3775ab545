import { randomBytes } from 'node:crypto';
import { refusal } from '../rules.ts';
import { type Blob, read } from './blobs.ts';
import { type Context, checkWrite, copySource, rangeOf, receive, receiveText } from './context.ts';
import { type Answer, parameter, VendorError } from './message.ts';
import {
  bucketOf,
  checkConditions,
  joinedETag,
  keptHeaders,
  objectOf,
  singleETag,
  stored,
  type Upload,
  uploadOf,
  written,
} from './store.ts';
import { document, elements, text } from './xml.ts';

/** CreateMultipartUpload. */
export function createUpload(context: Context): Answer {
  const { asked, row, buckets, now } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const key = asked.key ?? '';
  checkWrite(context, bucket.objects.get(key));
  const id = randomBytes(16).toString('base64url');
  bucket.uploads.set(id, { id, key, headers: keptHeaders(asked.headers), begun: now, parts: new Map() });
  return {
    status: 200,
    body: document('InitiateMultipartUploadResult', row.namespace, { Bucket: asked.bucket, Key: key, UploadId: id }),
  };
}

function theUpload({ asked, buckets }: Context): Upload {
  return uploadOf(bucketOf(buckets, asked.bucket), parameter(asked, 'uploadId'), asked.key);
}

function partNumber({ asked }: Context): number {
  const number = Number(parameter(asked, 'partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > 10_000)
    throw new VendorError(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}

function keep(context: Context, blob: Blob): string {
  const etag = singleETag(blob, context.row);
  theUpload(context).parts.set(partNumber(context), { blob, etag, modified: context.now });
  return written(etag, context.row);
}

/** UploadPart. */
export async function uploadPart(context: Context): Promise<Answer> {
  theUpload(context);
  partNumber(context);
  return { status: 200, headers: { etag: keep(context, await receive(context)) } };
}

/** UploadPartCopy. */
export async function copyPart(context: Context): Promise<Answer> {
  const { asked, row, blobs, now } = context;
  if (row.partCopy !== 'served') throw refusal(row.partCopy);
  theUpload(context);
  const { from, key } = copySource(context);
  const object = objectOf(from, key);
  checkConditions(asked.headers, object, { isRead: false, prefix: 'x-amz-copy-source-' });
  const { start, end } = rangeOf(asked.headers['x-amz-copy-source-range'], object.size) ?? {
    start: 0,
    end: object.size - 1,
  };
  if (end - start + 1 > row.maxCopy) throw new VendorError(400, 'InvalidRequest', 'The copy source is too large.');
  const etag = keep(context, await blobs.take(read(object.blobs, start, end)));
  return {
    status: 200,
    body: document('CopyPartResult', row.namespace, { ETag: etag, LastModified: now.toISOString() }),
  };
}

/** ListParts, on one page. */
export function listParts(context: Context): Answer {
  const { asked, row } = context;
  const { id, key, parts } = theUpload(context);
  const sorted = [...parts].sort(([a], [b]) => a - b);
  const after = Number(parameter(asked, 'part-number-marker') ?? '0');
  const most = Number(parameter(asked, 'max-parts') ?? '1000');
  const shown = sorted.filter(([number]) => number > after);
  return {
    status: 200,
    body: document('ListPartsResult', row.namespace, {
      Bucket: asked.bucket,
      Key: key,
      UploadId: id,
      PartNumberMarker: after,
      NextPartNumberMarker: shown[Math.min(most, shown.length) - 1]?.[0],
      MaxParts: most,
      IsTruncated: shown.length > most,
      Part: shown.slice(0, most).map(([number, { blob, etag, modified }]) => ({
        PartNumber: number,
        LastModified: modified.toISOString(),
        ETag: written(etag, row),
        Size: blob.size,
      })),
    }),
  };
}

/** AbortMultipartUpload. */
export function abortUpload(context: Context): Answer {
  const { asked, buckets } = context;
  bucketOf(buckets, asked.bucket).uploads.delete(theUpload(context).id);
  return { status: 204 };
}

/** CompleteMultipartUpload. */
export async function completeUpload(context: Context): Promise<Answer> {
  const { asked, row, buckets, now } = context;
  const bucket = bucketOf(buckets, asked.bucket);
  const { id, key, parts, headers } = theUpload(context);
  const body = await receiveText(context);
  if (row.checksums !== 'verified' && row.checksums !== 'ignored' && /<Checksum/.test(body))
    throw new VendorError(
      400,
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  checkWrite(context, bucket.objects.get(key));
  const asks = elements(body, 'Part').map((part) => ({
    number: Number(text(part, 'PartNumber')),
    etag: (text(part, 'ETag') ?? '').replaceAll('"', ''),
  }));
  if (asks.length === 0) throw new VendorError(400, 'MalformedXML', 'The XML you provided was not well-formed.');
  const blobs: Blob[] = [];
  let previous = 0;
  for (const { number, etag } of asks) {
    const part = parts.get(number);
    if (part === undefined || part.etag !== etag)
      throw new VendorError(400, 'InvalidPart', 'One or more of the specified parts could not be found.', {
        PartNumber: String(number),
      });
    if (number <= previous)
      throw new VendorError(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.');
    previous = number;
    blobs.push(part.blob);
  }
  const allButLast = blobs.slice(0, -1);
  if (allButLast.some(({ size }) => size < row.minPart))
    throw new VendorError(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  if (row.equalParts && allButLast.some(({ size }) => size !== blobs[0]?.size || (blobs.at(-1)?.size ?? 0) > size))
    throw new VendorError(400, 'InvalidPart', 'All non-trailing parts must have the same length.');
  const etag = joinedETag(blobs, row);
  bucket.objects.set(key, stored(key, blobs, { etag, headers, now }));
  bucket.uploads.delete(id);
  return {
    status: 200,
    body: document('CompleteMultipartUploadResult', row.namespace, {
      Location: `http://${asked.host}/${key}`,
      Bucket: asked.bucket,
      Key: key,
      ETag: written(etag, row),
    }),
  };
}
