import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';

/**
 * Refuses a request that carries a header which changes its meaning and which nobody signed: with it, a URL to
 * write one object becomes a copy of any other. Every arriving `x-amz-*` counts, and `host`.
 *
 * The one exception is `x-amz-content-sha256` when it says what was signed anyway.
 * @param payload the payload line that the signature covers
 * @throws S3Error AccessDenied, naming the headers
 */
export function checkCoverage(headers: Headers, signedHeaders: readonly string[], payload: string): void {
  const signed = new Set(signedHeaders);
  const unsigned = signed.has('host') ? [] : ['host'];
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-') || signed.has(name)) continue;
    if (name !== 'x-amz-content-sha256' || value !== payload) unsigned.push(name);
  }
  if (unsigned.length === 0) return;
  throw new S3Error('AccessDenied', {
    message: 'There were headers present in the request which were not signed',
    detail: { HeadersNotSigned: unsigned.join(', ') },
  });
}
