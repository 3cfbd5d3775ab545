import { createHash } from 'node:crypto';
import { refusal } from '../rules.ts';
import type { Strictness } from '../strictness.ts';
import type { Blob, Blobs } from './blobs.ts';
import { unframe } from './chunks.ts';
import { type Asked, isFramed, VendorError } from './message.ts';
import type { Signed } from './signature.ts';
import { type Bucket, type Buckets, checkConditions, type StoredObject } from './store.ts';

/** What an operation works with. */
export interface Context {
  readonly asked: Asked;
  readonly signed: Signed;
  readonly row: Strictness;
  readonly buckets: Buckets;
  readonly blobs: Blobs;
  readonly now: Date;
}

/** Receives the body of an upload and holds it against every digest that came with it. */
export async function receive({ asked, signed, row, blobs }: Context): Promise<Blob> {
  const trailer: Record<string, string> = {};
  const blob = await blobs.take(
    isFramed(asked) ? unframe(asked.body, signed, trailer) : (asked.body as AsyncIterable<Buffer>),
  );
  const { headers } = asked;
  const decoded = headers['x-amz-decoded-content-length'];
  if (decoded !== undefined && Number(decoded) !== blob.size)
    throw new VendorError(
      400,
      'IncompleteBody',
      'You did not provide the number of bytes specified by the Content-Length HTTP header.',
    );
  const md5 = headers['content-md5'];
  if (md5 !== undefined && Buffer.from(md5, 'base64').toString('hex') !== blob.md5)
    throw new VendorError(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
  if (/^[0-9a-f]{64}$/.test(signed.payload) && signed.payload !== blob.sha256)
    throw new VendorError(
      400,
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  if (row.checksums === 'verified') checkSums({ ...headers, ...trailer }, blob);
  return blob;
}

/** Receives a document, which is small. */
export async function receiveText(context: Context): Promise<string> {
  const { place, sha256 } = await receive(context);
  if (!Buffer.isBuffer(place)) throw new VendorError(400, 'MaxMessageLengthExceeded', 'Your request was too big.');
  return sha256 === createHash('sha256').digest('hex') ? '' : place.toString('utf8');
}

function checkSums(headers: Readonly<Record<string, string>>, blob: Blob): void {
  for (const [name, value] of Object.entries(headers)) {
    const algorithm = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/.exec(name)?.[1];
    if (algorithm === undefined) continue;
    const found = Object.entries(blob.checksums).find(([other]) => other === algorithm)?.[1];
    if (found === undefined)
      throw new VendorError(501, 'NotImplemented', `This stand-in does not compute ${algorithm}.`);
    if (found !== value)
      throw new VendorError(
        400,
        'BadDigest',
        `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
      );
  }
}

/** Holds a write against its conditions, in S3's headers and in the vendor's. */
export function checkWrite({ asked: { headers }, row }: Context, old: StoredObject | undefined): void {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match !== undefined || noneMatch !== undefined) {
    if (typeof row.conditions !== 'string') throw refusal(row.conditions);
    if (row.conditions === 'honoured') {
      if ((match !== undefined && noneMatch !== undefined) || (noneMatch ?? '*') !== '*')
        throw new VendorError(
          501,
          'NotImplemented',
          'A header you provided implies functionality that is not implemented',
        );
      checkConditions(headers, old, { isRead: false });
    }
  }
  if (row.forbidOverwrite !== undefined && headers[row.forbidOverwrite] === 'true' && old !== undefined)
    throw new VendorError(
      409,
      'FileAlreadyExists',
      'The object you specified already exists and can not be overwritten.',
    );
}

/** The bucket and key that a copy is made from. */
export function copySource({ asked, buckets }: Context): {
  readonly bucket: string;
  readonly key: string;
  readonly from: Bucket;
} {
  const [path = ''] = (asked.headers['x-amz-copy-source'] ?? '').split('?');
  const [, bucket = '', key = ''] = /^\/?([^/]*)\/(.*)$/s.exec(decodeURIComponent(path)) ?? [];
  const from = buckets.get(bucket);
  if (from === undefined)
    throw new VendorError(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket });
  return { bucket, key, from };
}

/** Reads a Range. `undefined` is the whole; @throws VendorError InvalidRange */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  const start = first === undefined ? Math.max(size - Number(suffix), 0) : Number(first);
  const end = first === undefined || last === '' || last === undefined ? size - 1 : Math.min(Number(last), size - 1);
  if (start > end)
    throw new VendorError(416, 'InvalidRange', 'The requested range is not satisfiable', {
      ActualObjectSize: String(size),
    });
  return { start, end };
}
