import { Readable } from 'node:stream';
import { readBody } from '../../s3/body.ts';
import { S3Error } from '../../s3/error.ts';
import type { S3Request } from '../../s3/message.ts';

/** A body up to this size is read whole where something about it must be known before it is sent. */
const SMALL_BYTES = 1024 * 1024;

/** The request with its body in memory, if it is small; as it is otherwise. @throws what the body fails with */
export async function readSmall(request: S3Request): Promise<S3Request> {
  const { body, bodyLength } = request;
  if (!(body instanceof Readable) || bodyLength === undefined || bodyLength > SMALL_BYTES) return request;
  const bytes = await readBody(body, bodyLength, 'IncompleteBody');
  if (bytes.byteLength !== bodyLength) throw new S3Error('IncompleteBody');
  return { ...request, body: bytes };
}
