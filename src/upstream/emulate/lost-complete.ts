import { createHash } from 'node:crypto';
import { dropBody, readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import { unquoteEtag } from '../../s3/etag.ts';
import { AnswerFailure, TransportFailure } from '../../s3/failure.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import { childText, MAX_XML_BYTES, parseXml } from '../../s3/xml.ts';
import type { Dialect } from '../dialect.ts';
import { ACCESS_HEADERS, answerXml, ask, noteEmulation, pick, textOf, withText } from './ask.ts';

const MAX_COMPLETE_BYTES = 4 * MAX_XML_BYTES;

/**
 * A CompleteMultipartUpload whose answer got lost may have been done all the same; a second one is then told that there
 * is no such upload. Where ETags are made as AWS makes them, the object tells: if it is the one that these parts give,
 * the upload was completed, and that is the answer (facts R21). Some services leave the ETag of their answer empty; it
 * is filled in the same way. And some fail with 500 where the upload is gone, for good: a client told 503 would try for
 * ever.
 */
export function lostComplete({ etag }: Pick<Dialect, 'etag'>): Layer {
  return (next) => async (received) => {
    if (received.operation !== 'CompleteMultipartUpload' || etag !== 'aws') return next(received);
    const document = await readBody(received.body, MAX_COMPLETE_BYTES, 'MaxMessageLengthExceeded');
    const request = { ...received, body: document, bodyLength: document.byteLength };
    try {
      return await withEtag(await next(request), document);
    } catch (failure) {
      const error = (await isUploadGone(failure, request, next))
        ? new S3Error('NoSuchUpload', { cause: failure })
        : failure;
      const due = mayHaveBeenDone(error) ? etagOfParts(document) : undefined;
      const found = due === undefined ? undefined : await etagOfObject(request, next);
      if (found === undefined || found.etag !== due) throw error;
      noteEmulation(request, 'lost answer');
      return { ...completed(request, due), headers: new Map([...completed(request, due).headers, ...found.headers]) };
    }
  };
}

/** The service's answer, with the ETag that these parts give where it names none. */
async function withEtag(response: S3Response, document: Uint8Array): Promise<S3Response> {
  const text = await textOf(response);
  const empty = /<ETag>\s*<\/ETag>|<ETag\s*\/>/.exec(text);
  const due = empty === null ? undefined : etagOfParts(document);
  if (empty === null || due === undefined) return withText(response, text);
  return withText(response, text.replace(empty[0], `<ETag>&quot;${due}&quot;</ETag>`));
}

function mayHaveBeenDone(error: unknown): boolean {
  if (!(error instanceof S3Error)) return false;
  return error.code === 'NoSuchUpload' || (error.cause instanceof TransportFailure && error.cause.phase === 'exchange');
}

/** Asks after the upload where its Complete failed within the service. */
async function isUploadGone(failure: unknown, request: S3Request, next: Handler): Promise<boolean> {
  const cause = failure instanceof S3Error ? failure.cause : undefined;
  if (!(cause instanceof AnswerFailure) || cause.status !== 500) return false;
  const query = { uploadId: request.query.get('uploadId'), 'max-parts': '1' };
  try {
    const { body } = await next(ask(request, { operation: 'ListParts', query }));
    dropBody(body);
    return false;
  } catch (error) {
    // Any other refusal does not show that it is gone; the first error is the one to tell.
    if (error instanceof S3Error) return error.code === 'NoSuchUpload' || error.code === 'NoSuchKey';
    throw error;
  }
}

/** The MD5 over the parts' MD5s, and their number. Undefined when an ETag of a part is no MD5. */
function etagOfParts(document: Uint8Array): string | undefined {
  const parts = parseXml(document, 'CompleteMultipartUpload').children.filter(({ name }) => name === 'Part');
  const hash = createHash('md5');
  for (const part of parts) {
    const etag = unquoteEtag((childText(part, 'ETag') ?? '').trim());
    if (!/^[0-9a-f]{32}$/.test(etag)) return undefined;
    hash.update(etag, 'hex');
  }
  return parts.length === 0 ? undefined : `${hash.digest('hex')}-${parts.length}`;
}

async function etagOfObject(
  request: S3Request,
  next: Handler,
): Promise<{ readonly etag: string; readonly headers: ReadonlyMap<string, string> } | undefined> {
  try {
    const head = ask(request, { operation: 'HeadObject', headers: pick(request.headers, ACCESS_HEADERS) });
    const { headers, body } = await next(head);
    dropBody(body);
    return { etag: unquoteEtag(headers.get('etag') ?? ''), headers: pick(headers, /^x-amz-version-id$/) };
  } catch (error) {
    // Whatever it is, it does not show that the upload was completed; the first error is the one to tell.
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}

function completed({ bucket, key }: S3Request, etag: string): S3Response {
  return answerXml([
    'CompleteMultipartUploadResult',
    [
      ['Location', `/${bucket}/${key}`],
      ['Bucket', bucket],
      ['Key', key],
      ['ETag', `"${etag}"`],
    ],
  ]);
}
