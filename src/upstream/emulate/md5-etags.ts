import { createHash } from 'node:crypto';
import { pipeline, Readable, Transform } from 'node:stream';
import { quoteEtag, unquoteEtag } from '../../s3/etag.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import { KEPT_MD5 } from './kept.ts';
import { withStorageConditions } from './md5-conditions.ts';
import { listed } from './md5-listing.ts';
import { createMd5Names, type Md5Names } from './md5-names.ts';
import { completeUpload, copied, listParts } from './md5-parts.ts';
import { readSmall } from './small-body.ts';

/**
 * Gives objects and parts the ETag that AWS gives them, the MD5 in lower case, whatever the storage's own are: in the
 * answers to uploads, in HEAD, GET, listings and ListParts alike, and takes it in conditions and in Complete.
 *
 * An object's MD5 is kept in its metadata when it is known before the body is sent: it came with the request, or the
 * body is no larger than 1 MiB. For larger ones, and for parts, the last 100,000 are remembered by this process. After
 * a restart, and at other gateways, those show the storage's ETag, and Complete goes by part numbers. An object of
 * parts keeps the storage's ETag, in lower case where it has AWS's form.
 */
export function md5Etags(): Layer {
  const names = createMd5Names();
  return (next) => async (received) => {
    const request = await withStorageConditions(received, next, names);
    switch (request.operation) {
      case 'PutObject':
        return putObject(request, next, names);
      case 'UploadPart':
        return uploadPart(request, next, names);
      case 'GetObject':
      case 'HeadObject':
        return named(await next(request), request, names);
      case 'CopyObject':
      case 'UploadPartCopy':
        return copied(await next(request), request, { next, names });
      case 'ListParts':
        return listParts(await next(request), request, names);
      case 'CompleteMultipartUpload':
        return completeUpload(request, next, names);
      case 'ListObjects':
      case 'ListObjectsV2':
      case 'ListObjectVersions':
        return listed(await next(request), request, { next, names });
      default:
        return next(request);
    }
  };
}

async function putObject(received: S3Request, next: Handler, names: Md5Names): Promise<S3Response> {
  const request = await readSmall(received);
  const known = knownMd5(request);
  const headers = known === undefined ? request.headers : new Map(request.headers).set(KEPT_MD5, known);
  const { body, md5 } = hashed(request);
  const response = await next({ ...request, headers, body });
  const etag = unquoteEtag(response.headers.get('etag') ?? '');
  names.rememberObject(request, { etag, md5: md5() });
  return withEtag(response, md5());
}

async function uploadPart(request: S3Request, next: Handler, names: Md5Names): Promise<S3Response> {
  const { body, md5 } = hashed(request);
  const response = await next({ ...request, body });
  const etag = unquoteEtag(response.headers.get('etag') ?? '');
  const part = { uploadId: request.query.get('uploadId') ?? '', number: request.query.get('partNumber') ?? '' };
  if (etag === md5()) names.forgetPart(part);
  else names.rememberPart(part, { etag, md5: md5() });
  return withEtag(response, md5());
}

/** The MD5 of a body before it is sent; undefined where that would mean to read it all. */
function knownMd5({ headers, body }: S3Request): string | undefined {
  const sent = headers.get('content-md5');
  if (sent !== undefined) return Buffer.from(sent, 'base64').toString('hex');
  if (body instanceof Readable) return undefined;
  return createHash('md5')
    .update(body ?? '')
    .digest('hex');
}

/** The body, and its MD5 once it has been read to the end. */
function hashed({ body }: S3Request): { readonly body: S3Request['body']; readonly md5: () => string } {
  const hash = createHash('md5');
  let digest: string | undefined;
  const md5 = (): string => {
    digest ??= hash.digest('hex');
    return digest;
  };
  if (!(body instanceof Readable)) {
    hash.update(body ?? '');
    return { body, md5 };
  }
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  // Whoever reads the result hears of a failure, and destroys both by destroying that.
  pipeline(body, through, () => undefined);
  return { body: through, md5 };
}

/** An answer about one object: its ETag becomes the client's. */
function named(response: S3Response, request: S3Request, names: Md5Names): S3Response {
  const etag = names.ofHeaders(request, response.headers);
  return etag === undefined ? response : withEtag(response, etag);
}

function withEtag(response: S3Response, etag: string): S3Response {
  return { ...response, headers: new Map(response.headers).set('etag', quoteEtag(etag)) };
}
