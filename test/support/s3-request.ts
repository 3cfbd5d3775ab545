import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { headersOf } from '../../src/s3/headers.ts';
import type { Body, S3Request, S3Response } from '../../src/s3/message.ts';
import { resolveOperation } from '../../src/s3/operation.ts';
import { Query } from '../../src/s3/query.ts';

export interface RequestParts {
  readonly method: string;
  readonly bucket?: string;
  readonly key?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | string;
  /** Left out: the size of a buffer or text; a stream's is unknown. */
  readonly bodyLength?: number;
  readonly signal?: AbortSignal;
}

/** A request as the layers above a handler leave it: decoded, verified, its signature gone. */
export function s3Request(parts: RequestParts): S3Request {
  const { method, bucket, key } = parts;
  const query = Query.parse(parts.query ?? '');
  const headers = headersOf(parts.headers ?? {});
  const body = typeof parts.body === 'string' ? Buffer.from(parts.body) : (parts.body ?? null);
  const bodyLength = parts.bodyLength ?? (body instanceof Readable ? undefined : (body?.byteLength ?? 0));
  return {
    id: 'TESTREQUEST00001',
    method,
    operation: resolveOperation({ method, bucket, key, query, headers }),
    bucket,
    key,
    rawPath: '/',
    addressing: 'path',
    query,
    headers,
    scheme: 'http',
    peer: '127.0.0.1',
    identity: { name: 'test', accessKey: 'LOCAL' },
    body,
    bodyLength,
    bodyChecksum: () => undefined,
    signal: parts.signal ?? new AbortController().signal,
    notes: new Map(),
  };
}

/** The answer's bytes; consumes its body. */
export async function bytesOf(response: S3Response): Promise<Buffer> {
  const { body } = response;
  if (body === null) return Buffer.alloc(0);
  return body instanceof Readable ? buffer(body) : Buffer.from(body);
}

export async function textOf(response: S3Response): Promise<string> {
  return (await bytesOf(response)).toString('utf8');
}
