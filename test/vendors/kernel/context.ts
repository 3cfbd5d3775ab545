import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
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
  const { headers } = asked;
  const isHashed = /^[0-9a-f]{64}$/.test(signed.payload);
  const sha256 = isHashed ? createHash('sha256') : undefined;
  const said = row.checksums === 'verified' ? [...Object.keys(headers), headers['x-amz-trailer']] : [];
  const sums = Object.entries(SUMS).filter(([name]) => said.includes(`x-amz-checksum-${name}`));
  const running = sums.map(([name, start]) => [name, start()] as const);

  // A request's chunks are Buffers, as it has no encoding.
  const plain = isFramed(asked) ? unframe(asked.body, signed, trailer) : (asked.body as AsyncIterable<Buffer>);
  const blob = await blobs.take(plain, [...running.map(([, sum]) => sum), ...(sha256 ? [sha256] : [])]);

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
  if (sha256 !== undefined && signed.payload !== sha256.digest('hex'))
    throw new VendorError(
      400,
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  for (const [name, sum] of running) {
    const value = headers[`x-amz-checksum-${name}`] ?? trailer[`x-amz-checksum-${name}`];
    if (value !== sum.digest('base64'))
      throw new VendorError(
        400,
        'BadDigest',
        `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
      );
  }
  return blob;
}

/** Receives a document, which is small. */
export async function receiveText(context: Context): Promise<string> {
  const { place } = await receive(context);
  if (!Buffer.isBuffer(place)) throw new VendorError(400, 'MaxMessageLengthExceeded', 'Your request was too big.');
  return place.toString('utf8');
}

interface Sum {
  update(chunk: Buffer): void;
  digest(encoding: 'base64'): string;
}

const uncomputed = (name: string) => (): Sum => {
  throw new VendorError(501, 'NotImplemented', `This stand-in does not compute ${name}.`);
};

/** By the algorithm's name in `x-amz-checksum-`. */
const SUMS: Readonly<Record<string, () => Sum>> = {
  crc32: crc32Sum,
  crc32c: uncomputed('crc32c'),
  crc64nvme: uncomputed('crc64nvme'),
  sha1: () => createHash('sha1'),
  sha256: () => createHash('sha256'),
};

function crc32Sum(): Sum {
  let sum = 0;
  return {
    update(chunk) {
      sum = crc32(chunk, sum);
    },
    digest(encoding) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(sum);
      return bytes.toString(encoding);
    },
  };
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
