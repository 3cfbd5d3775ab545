import { dropBody } from '../../s3/body.ts';
import { COPY_RANGE, copyRangeLength, copyRefusal, parseCopySource, rangeBeyondSource } from '../../s3/copy-source.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import type { Dialect } from '../dialect.ts';
import { ACCESS_HEADERS, answerXml, ask, isUnsupported, noteEmulation, pick } from './ask.ts';

/**
 * UploadPartCopy where the service has none: the source is read, and streamed into an UploadPart. A source that breaks
 * off fails the part.
 */
export function partCopy(
  { uploadPartCopy }: Pick<Dialect, 'uploadPartCopy'>,
  { now }: { readonly now: () => Date },
): Layer {
  return (next) => async (request) => {
    if (request.operation !== 'UploadPartCopy') return next(request);
    if (uploadPartCopy === 'missing') return copyPart(request, next, now);
    try {
      return await next(request);
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      return copyPart(request, next, now);
    }
  };
}

async function copyPart(request: S3Request, next: Handler, now: () => Date): Promise<S3Response> {
  noteEmulation(request, 'part copy by reading');
  const due = copyRangeLength(request.headers);
  const source = await next(readOf(request)).catch((error: unknown) => {
    throw copyRefusal(error);
  });
  const length = Number(source.headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(length) || (due !== undefined && length !== due)) {
    dropBody(source.body);
    throw rangeBeyondSource();
  }
  const written = await next(
    ask(request, {
      operation: 'UploadPart',
      query: { partNumber: request.query.get('partNumber'), uploadId: request.query.get('uploadId') },
      headers: pick(request.headers, ACCESS_HEADERS),
      body: source.body,
      bodyLength: length,
    }),
  );
  dropBody(written.body);
  return answerXml([
    'CopyPartResult',
    [
      ['LastModified', now().toISOString()],
      ['ETag', written.headers.get('etag')],
    ],
  ]);
}

/** The source's range, version, conditions and key become those of a read. */
export function readOf(request: S3Request, operation: 'GetObject' | 'HeadObject' = 'GetObject'): S3Request {
  const { bucket, key, versionId } = parseCopySource(request.headers);
  const headers = new Map(pick(request.headers, /^x-amz-request-payer$/));
  for (const [name, value] of request.headers) {
    const condition = /^x-amz-copy-source-(if-.*)$/.exec(name)?.[1];
    if (condition !== undefined) headers.set(condition, value);
    const secret = /^x-amz-copy-source-(server-side-encryption-customer-.*)$/.exec(name)?.[1];
    if (secret !== undefined) headers.set(`x-amz-${secret}`, value);
    if (name === COPY_RANGE && operation === 'GetObject') headers.set('range', value);
  }
  return ask(request, { operation, bucket, key, query: { versionId }, headers });
}
