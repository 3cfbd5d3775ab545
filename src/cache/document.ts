import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import type { Body } from '../s3/message.ts';

/**
 * Reads a request's document. The body is consumed, or destroyed when it is too long.
 * @throws S3Error MalformedXML beyond `limit` bytes; whatever broke the stream
 */
export async function readDocument(body: Body, limit: number): Promise<Uint8Array> {
  if (!(body instanceof Readable)) {
    if (body !== null && body.byteLength > limit) throw new S3Error('MalformedXML');
    return body ?? new Uint8Array(0);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop early destroys the stream.
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > limit) throw new S3Error('MalformedXML');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
