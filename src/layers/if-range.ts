import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { Handler, Layer, S3Request, S3Response } from '../s3/message.ts';

/**
 * Keeps what If-Range promises (RFC 9110 section 13.1.5): the rest of the very object that a client has the beginning of, or
 * all of another. Many storages do not know the field, and would give the end of whatever is there now; so each is asked
 * without it, and once more for the whole object where the answer is of another version.
 */
export function ifRange(): Layer {
  return (next) => (request) => {
    const validator = request.headers.get('if-range');
    return validator === undefined ? next(request) : readIf(validator, request, next);
  };
}

async function readIf(validator: string, request: S3Request, next: Handler): Promise<S3Response> {
  const headers = new Map(request.headers);
  headers.delete('if-range');
  const asked = { ...request, headers };
  const whole = (): Promise<S3Response> => {
    const all = new Map(headers);
    all.delete('range');
    return next({ ...request, headers: all });
  };
  // A weak one says nothing of bytes.
  const isOther = ({ headers: found }: S3Response): boolean =>
    validator.startsWith('W/') || ![found.get('etag'), found.get('last-modified')].includes(validator);
  try {
    const response = await next(asked);
    if (response.status !== 206 || !isOther(response)) return response;
    dropBody(response.body);
    return await whole();
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 416) throw error;
    const response = await whole();
    if (isOther(response)) return response;
    dropBody(response.body);
    throw error;
  }
}
