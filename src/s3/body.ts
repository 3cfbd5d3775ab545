import { Readable } from 'node:stream';
import { S3Error, type S3ErrorCode } from './error.ts';
import type { Body } from './message.ts';

/**
 * Reads a body whole. It is consumed or destroyed in every case.
 * @param limit most bytes; one more throws `tooLong`
 * @throws S3Error `tooLong`, or whatever broke the stream
 */
export async function readBody(body: Body, limit: number, tooLong: S3ErrorCode): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  if (!(body instanceof Readable)) {
    if (body.byteLength > limit) throw longerThan(limit, tooLong);
    return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop by `throw` destroys the stream.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > limit) throw longerThan(limit, tooLong);
    chunks.push(chunk);
  }
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, length);
}

/** Lets go of a body that nobody will read. It may still say why it broke: that is nobody's trouble any more. */
export function dropBody(body: Body): void {
  if (body instanceof Readable) body.on('error', () => undefined).destroy();
}

/** AWS says how long it may be where the code is the one for that. */
function longerThan(limit: number, code: S3ErrorCode): S3Error {
  const detail = code === 'MaxMessageLengthExceeded' ? { MaxMessageLengthBytes: String(limit) } : undefined;
  return new S3Error(code, detail && { detail });
}
