import { Readable } from 'node:stream';
import type { IncomingResponse } from '../../http/transport.ts';
import { dropBody } from '../../s3/body.ts';
import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import type { Body } from '../../s3/message.ts';
import { type ByteRange, parseRange } from '../../s3/range.ts';
import { checkReadConditions } from '../conditions.ts';
import type { GetObjectInput, GetObjectOutput, ObjectPlace, PartInfo } from '../object-store.ts';
import { type Blob, blobOfHeaders, describeBlob } from './blob.ts';
import type { AzureClient } from './client.ts';
import type { Context } from './context.ts';
import { deliveryUrl, mayDeliver } from './delivery.ts';
import { azureStatus } from './errors.ts';
import { blobName, SYSTEM_PREFIX } from './names.ts';
import { tellParts } from './parts.ts';

/** How often a read begins anew when the object is replaced between looking at it and reading it. */
const ATTEMPTS = 3;

/** A blob's description. @throws S3Error NoSuchKey, NoSuchBucket */
export async function headBlob(
  client: AzureClient,
  container: string,
  blob: string,
  signal?: AbortSignal,
): Promise<Blob> {
  return blobOfHeaders(await client.head({ method: 'HEAD', container, blob, signal }));
}

/** As `headBlob`; undefined when there is none. @throws S3Error NoSuchBucket */
export async function findBlob(
  client: AzureClient,
  container: string,
  blob: string,
  signal?: AbortSignal,
): Promise<Blob | undefined> {
  try {
    return await headBlob(client, container, blob, signal);
  } catch (error) {
    if (error instanceof S3Error && error.code === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** The blob that is an object. @throws S3Error NoSuchKey, NoSuchBucket */
export async function headObjectBlob(context: Context, place: ObjectPlace, signal?: AbortSignal): Promise<Blob> {
  const blob = await headBlob(context.client, place.bucket, objectName(place.key), signal);
  return checkObject(place.key, blob);
}

/** The name that an object would have. @throws S3Error NoSuchKey for ours, which no client sees */
function objectName(key: string): string {
  if (key.startsWith(SYSTEM_PREFIX)) throw new S3Error('NoSuchKey');
  return blobName(key);
}

/**
 * A folder of a hierarchical account is an object only by its own name with a slash. What is still being copied, or
 * was left behind by a copy that failed, has the headers of an object and not its bytes.
 */
function checkObject(key: string, blob: Blob): Blob {
  const isFailed = blob.copyStatus === 'failed' || blob.copyStatus === 'aborted';
  if (isFailed || (blob.isFolder && !key.endsWith('/'))) throw new S3Error('NoSuchKey');
  if (blob.copyStatus === 'pending') throw new S3Error('SlowDown');
  return blob;
}

/**
 * Reads an object. A plain read, or one of a range that begins at a known byte, is one request; whatever has to be
 * decided first costs a look at the object, and the read is then bound to the ETag that was seen.
 */
export async function getObject(
  context: Context,
  input: GetObjectInput,
  signal: AbortSignal,
): Promise<GetObjectOutput> {
  const { range, partNumber, conditions, headOnly, hasPartChecksums } = input;
  const isDirect = !headOnly && partNumber === undefined && !hasConditions(conditions) && !isSuffix(range);
  // Whether a redirect pays shows when the size is known.
  if (isDirect && !mayDeliver(context, input)) {
    const output = await readDirectly(context, input, signal);
    if (output !== undefined) return output;
  }
  for (let attempt = 1; ; attempt++) {
    const blob = await headObjectBlob(context, input, signal);
    const object = describeBlob(input, blob);
    checkReadConditions(conditions, blob);
    const parts =
      object.parts !== undefined && (hasPartChecksums === true || partNumber !== undefined)
        ? await tellParts(
            context,
            input,
            { parts: object.parts, whole: object.checksum, kept: blob.record.multipart?.checksums },
            signal,
          )
        : object.parts;
    const described = { ...object, parts };
    const wanted = partNumber === undefined ? rangeOf(range, blob.size) : partRange(partNumber, parts, blob.size);
    const redirect = deliveryUrl(context, input, blob, wanted);
    if (headOnly || redirect !== undefined) return { object: described, range: wanted, body: null, redirect };
    try {
      const headers = { 'if-match': blob.azureEtag, 'x-ms-range': wanted && `bytes=${wanted.start}-${wanted.end}` };
      const response = await request(context, input, headers, signal);
      return { object: described, range: wanted, body: bodyOf(response, wanted, blob.size) };
    } catch (error) {
      if (azureStatus(error) !== 412 || attempt === ATTEMPTS) throw replaced(error);
    }
  }
}

/**
 * One request. It is for a range even when all is wanted: only then the MD5 that is kept with the blob comes in a
 * header of its own, and is not confused with one that was computed for this answer.
 * @returns undefined when the object is to be looked at first, as nothing of it can be read so
 */
async function readDirectly(
  context: Context,
  input: GetObjectInput,
  signal: AbortSignal,
): Promise<GetObjectOutput | undefined> {
  // What S3 does not understand is no range; the size does not matter for that.
  const asked = parseRange(input.range, Number.MAX_SAFE_INTEGER);
  if (asked === 'unsatisfiable') return undefined;
  // No more digits than Azure counts.
  const isOpen = asked === undefined || asked.end === Number.MAX_SAFE_INTEGER - 1;
  const range = `bytes=${asked?.start ?? 0}-${isOpen ? '' : asked.end}`;
  let response: IncomingResponse;
  try {
    response = await request(context, input, { 'x-ms-range': range }, signal);
  } catch (error) {
    if (azureStatus(error) === 416) return undefined;
    throw error;
  }
  try {
    const blob = checkObject(input.key, blobOfHeaders(response.headers));
    if (blob.size === 0) {
      dropBody(response.body);
      return undefined;
    }
    const wanted = rangeOf(input.range, blob.size);
    const whole = response.headers.has('content-range') ? { start: 0, end: blob.size - 1 } : undefined;
    const body = bodyOf(response, wanted ?? whole, blob.size);
    return { object: describeBlob(input, blob), range: wanted, body };
  } catch (error) {
    dropBody(response.body);
    throw error;
  }
}

function request(
  { client }: Context,
  { bucket, key }: ObjectPlace,
  headers: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<IncomingResponse> {
  return client.send({ method: 'GET', container: bucket, blob: objectName(key), headers, signal });
}

/** `bytes=-5`: some services misread it, and none tells the size beforehand. */
function isSuffix(range: string | undefined): boolean {
  return range !== undefined && /^bytes=-/i.test(range.replaceAll(' ', ''));
}

/** @throws S3Error ServiceUnavailable when the answer is not of the stretch that was asked for */
function bodyOf({ headers, body }: IncomingResponse, range: ByteRange | undefined, size: number): Body {
  const expected = range === undefined ? undefined : `bytes ${range.start}-${range.end}/${size}`;
  const length = range === undefined ? size : range.end - range.start + 1;
  if (headers.get('content-range') !== expected || headers.get('content-length') !== String(length)) {
    dropBody(body);
    throw new S3Error('ServiceUnavailable', { cause: new Error('Azure answered with another range') });
  }
  return body instanceof Readable ? body : null;
}

function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const range = parseRange(header, size);
  if (range !== 'unsatisfiable') return range;
  throw new S3Error('InvalidRange', {
    detail: { RangeRequested: header ?? '', ActualObjectSize: String(size) },
    headers: new Map([['content-range', `bytes */${size}`]]),
  });
}

/** The bytes of one part. An object written in one piece is its own part 1. */
function partRange(partNumber: number, parts: readonly PartInfo[] | undefined, size: number): ByteRange | undefined {
  let start = 0;
  for (const part of parts ?? [{ partNumber: 1, size }]) {
    if (part.partNumber === partNumber) return part.size === 0 ? undefined : { start, end: start + part.size - 1 };
    start += part.size;
  }
  throw new S3Error('InvalidPartNumber', {
    detail: { PartNumberRequested: String(partNumber), ActualPartCount: String(parts?.length ?? 1) },
  });
}

/** The client asked for no condition that could fail. */
function replaced(error: unknown): unknown {
  return azureStatus(error) === 412 ? new S3Error('SlowDown', { cause: error }) : error;
}
