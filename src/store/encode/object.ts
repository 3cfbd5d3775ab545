import { checksumHeader } from '../../s3/checksum.ts';
import { quoteEtag } from '../../s3/etag.ts';
import type { Headers } from '../../s3/headers.ts';
import type { S3Response } from '../../s3/message.ts';
import type { ByteRange } from '../../s3/range.ts';
import type { GetObjectOutput, ObjectDescription } from '../object-store.ts';
import { checksumHeaders } from './answer.ts';

/** What the request asked of the answer. */
export interface ReadOptions {
  readonly partNumber: number | undefined;
  /** The client sent `x-amz-checksum-mode: ENABLED`. */
  readonly hasChecksums: boolean;
  readonly overrides: Headers;
}

/** The answer to GetObject and HeadObject. It cannot fail, for the body would be lost. */
export function objectAnswer(output: GetObjectOutput, options: ReadOptions): S3Response {
  const { object, range, body } = output;
  const headers = objectHeaders(object);
  headers.set('content-length', String(range === undefined ? object.size : range.end - range.start + 1));
  if (range !== undefined) headers.set('content-range', `bytes ${range.start}-${range.end}/${object.size}`);
  if (options.hasChecksums) addChecksums(headers, object, range, options.partNumber);
  if (options.partNumber !== undefined && object.parts !== undefined) {
    headers.set('x-amz-mp-parts-count', String(object.parts.length));
  }
  for (const [name, value] of options.overrides) headers.set(name, value);
  return { status: range === undefined ? 200 : 206, headers, body };
}

function objectHeaders(object: ObjectDescription): Map<string, string> {
  const headers = new Map<string, string>([
    ['content-type', 'binary/octet-stream'],
    ...object.systemHeaders,
    ['etag', quoteEtag(object.etag)],
    ['last-modified', object.lastModified.toUTCString()],
    ['accept-ranges', 'bytes'],
  ]);
  if (object.storageClass !== 'STANDARD') headers.set('x-amz-storage-class', object.storageClass);
  const tagCount = object.tagCount ?? object.tags.length;
  if (tagCount > 0) headers.set('x-amz-tagging-count', String(tagCount));
  for (const [name, value] of object.userMetadata) headers.set(`x-amz-meta-${name}`, value);
  return headers;
}

/** A checksum goes with the bytes it is of: the whole object, or the part read. */
function addChecksums(
  headers: Map<string, string>,
  object: ObjectDescription,
  range: ByteRange | undefined,
  partNumber: number | undefined,
): void {
  if (partNumber !== undefined && object.parts !== undefined) {
    const part = object.parts.find((candidate) => candidate.partNumber === partNumber);
    if (part?.checksum !== undefined) headers.set(checksumHeader(part.checksum.algorithm), part.checksum.value);
    if (object.checksum !== undefined) headers.set('x-amz-checksum-type', object.checksum.type);
    return;
  }
  const isWhole = range === undefined || (range.start === 0 && range.end === object.size - 1);
  if (!isWhole) return;
  for (const [name, value] of Object.entries(checksumHeaders(object.checksum))) headers.set(name, value);
}
