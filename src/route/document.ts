import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';

/** The longest answer that is edited: 1,000 keys of 1,024 bytes, each byte percent-encoded, and what is around them. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The document of an answer, as text. @throws S3Error InternalError when it is too long or not UTF-8 */
export async function readAnswer(response: S3Response): Promise<string> {
  const bytes = await readBody(response.body, MAX_ANSWER_BYTES, 'InternalError');
  if (!isUtf8(bytes)) throw new S3Error('InternalError', { cause: new Error('the document is not UTF-8') });
  return bytes.toString('utf8');
}

/** The answer with another document as its body. */
export function withAnswer(response: S3Response, text: string): S3Response {
  const body = Buffer.from(text);
  const headers = new Map(response.headers);
  headers.set('content-length', String(body.byteLength));
  headers.set('content-type', 'application/xml');
  // What was said about the bytes is untrue of the new ones.
  for (const name of ['content-md5', 'content-encoding', 'transfer-encoding', 'etag']) headers.delete(name);
  return { status: response.status, headers, body };
}

/** A fresh answer that is a document. */
export function xmlAnswer(text: string, status = 200): S3Response {
  return withAnswer({ status, headers: new Map(), body: null }, text);
}

/** The request with another document as its body; what the client said about the bytes of its own is left out. */
export function withDocument(request: S3Request, text: string): S3Request {
  const body = Buffer.from(text);
  const headers = headersOfOtherBytes(request);
  headers.set('content-length', String(body.byteLength));
  headers.set('content-md5', createHash('md5').update(body).digest('base64'));
  headers.set('x-amz-content-sha256', createHash('sha256').update(body).digest('hex'));
  return {
    ...request,
    headers,
    body,
    bodyLength: body.byteLength,
    bodyChecksum: () => undefined,
    bodyClaims: undefined,
  };
}

/** The request without a body, and without what the client said about the bytes of its own. */
export function withoutBody(request: S3Request): S3Request {
  const headers = headersOfOtherBytes(request);
  headers.delete('x-amz-content-sha256');
  return { ...request, headers, body: null, bodyLength: 0, bodyChecksum: () => undefined, bodyClaims: undefined };
}

function headersOfOtherBytes({ headers }: S3Request): Map<string, string> {
  return new Map([...headers].filter(([name]) => !ABOUT_THE_BYTES.test(name)));
}

const ABOUT_THE_BYTES =
  /^(content-(md5|length|encoding)|transfer-encoding|trailer|expect|x-amz-(trailer|decoded-content-length|sdk-checksum-algorithm|checksum-.*))$/;
