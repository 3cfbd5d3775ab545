import { dropBody } from '../../s3/body.ts';
import { type BodyChecksum, checksumHeader, checksumOfHeader, isChecksumValue } from '../../s3/checksum.ts';
import { copyRefusal } from '../../s3/copy-source.ts';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import type { Dialect } from '../dialect.ts';
import { pick } from './ask.ts';
import { formatChecksum, KEPT_CHECKSUM, KEPT_PREFIX, keptChecksum } from './kept.ts';
import { readOf } from './part-copy.ts';
import { readSmall } from './small-body.ts';

const MODE = 'x-amz-checksum-mode';
const OURS = new RegExp(`^${KEPT_PREFIX}`);

/**
 * Checksums as S3 answers them. The one that came with an upload, verified before, is repeated in its answer. Where the
 * service refuses checksums it is kept in metadata, and given to who asks with `x-amz-checksum-mode`. One that comes
 * in a trailer is known in time for bodies up to 1 MiB, which are read first; behind a longer one it is not kept.
 *
 * Metadata of ours never reaches a client, and a client that sends some is refused.
 */
export function checksums({ checksums: kind, etag }: Pick<Dialect, 'checksums' | 'etag'>): Layer {
  const isKeptHere = kind === 'strip';
  const hasKept = isKeptHere || etag === 'md5';
  return (next) => async (received) => {
    refuseOurs(received);
    const { operation } = received;
    switch (operation) {
      case 'PutObject':
        return putObject(received, next, isKeptHere);
      case 'UploadPart':
        return withUploaded(await next(received), received, false);
      case 'CopyObject':
        return next(hasKept && replacesMetadata(received) ? await withKeptOfSource(received, next) : received);
      case 'GetObject':
      case 'HeadObject':
        return withoutOurs(await next(received), received);
      default:
        return next(received);
    }
  };
}

function refuseOurs({ headers }: S3Request): void {
  for (const name of headers.keys()) {
    if (name.startsWith(KEPT_PREFIX)) {
      throw new S3Error('InvalidArgument', {
        message: 'Metadata of this name is reserved.',
        detail: { ArgumentName: name },
      });
    }
  }
}

async function putObject(received: S3Request, next: Handler, isKeptHere: boolean): Promise<S3Response> {
  const request = received.headers.has('x-amz-trailer') ? await readSmall(received) : received;
  const checksum = request.bodyChecksum() ?? headerChecksum(request.headers);
  if (checksum === undefined) return withUploaded(await next(request), request, true);
  const headers = new Map(request.headers);
  if (isKeptHere) headers.set(KEPT_CHECKSUM, formatChecksum(checksum));
  else headers.set(checksumHeader(checksum.algorithm), checksum.value);
  return withUploaded(await next({ ...request, headers }), request, true);
}

/** A checksum that was sent beforehand. The body fails when it is not the body's. */
function headerChecksum(headers: Headers): BodyChecksum | undefined {
  for (const [name, value] of headers) {
    const algorithm = checksumOfHeader(name);
    if (algorithm !== undefined && isChecksumValue(algorithm, value)) return { algorithm, value };
  }
  return undefined;
}

/** The upload's own checksum, known for certain now that its body has ended. */
function withUploaded(response: S3Response, request: S3Request, isObject: boolean): S3Response {
  const checksum = request.bodyChecksum();
  if (checksum === undefined) return response;
  const headers = new Map(response.headers).set(checksumHeader(checksum.algorithm), checksum.value);
  return { ...response, headers: isObject ? headers.set('x-amz-checksum-type', 'FULL_OBJECT') : headers };
}

function replacesMetadata({ headers }: S3Request): boolean {
  return headers.get('x-amz-metadata-directive')?.toUpperCase() === 'REPLACE';
}

/** New metadata takes the place of the old, and the bytes stay the same: what was kept of them goes along. */
async function withKeptOfSource(request: S3Request, next: Handler): Promise<S3Request> {
  const source = await next(readOf(request, 'HeadObject')).catch((error: unknown) => {
    throw copyRefusal(error);
  });
  dropBody(source.body);
  const kept = pick(source.headers, OURS);
  return kept.size === 0 ? request : { ...request, headers: new Map([...request.headers, ...kept]) };
}

function withoutOurs(response: S3Response, request: S3Request): S3Response {
  if (![...response.headers.keys()].some((name) => name.startsWith(KEPT_PREFIX))) return response;
  const checksum = keptChecksum(response.headers);
  const headers = new Map([...response.headers].filter(([name]) => !name.startsWith(KEPT_PREFIX)));
  // It is the whole object's, and would be held against a part of it.
  const isWhole = response.status === 200 && !request.query.has('partNumber');
  if (checksum !== undefined && isWhole && request.headers.get(MODE)?.toUpperCase() === 'ENABLED') {
    headers.set(checksumHeader(checksum.algorithm), checksum.value).set('x-amz-checksum-type', 'FULL_OBJECT');
  }
  return { ...response, headers };
}
