import { Readable } from 'node:stream';
import { S3Error, type S3ErrorCode } from '../s3/error.ts';
import type { Body } from '../s3/message.ts';

/**
 * Reads a body whole. It is consumed or destroyed in every case.
 * @param limit most bytes; one more throws `tooLong`
 */
export async function readBody(body: Body, limit: number, tooLong: S3ErrorCode): Promise<Uint8Array> {
  if (body === null) return new Uint8Array();
  if (!(body instanceof Readable)) {
    if (body.byteLength > limit) throw new S3Error(tooLong);
    return body;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop by `throw` destroys the stream.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > limit) throw new S3Error(tooLong);
    chunks.push(chunk);
  }
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, length);
}

/** Lets go of a body nobody will read. */
export function dropBody(body: Body): void {
  if (body instanceof Readable) {
    body.on('error', ignore);
    body.destroy();
  }
}

/** An abandoned stream may still report why it broke; that was someone else's to answer. */
function ignore(): void {}
