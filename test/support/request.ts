import { Readable } from 'node:stream';
import { parseAddress } from '../../src/s3/address.ts';
import { type Headers, headersFromRaw } from '../../src/s3/headers.ts';
import type { Body, S3Request } from '../../src/s3/message.ts';
import { resolveOperation } from '../../src/s3/operation.ts';
import { Query } from '../../src/s3/query.ts';

export interface RequestOptions {
  readonly method?: string;
  /** Path and query as on the wire. */
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>> | Headers;
  readonly body?: Body | string;
  readonly domains?: readonly string[];
  readonly scheme?: 'http' | 'https';
}

/** An S3Request as the HTTP layer would make it from these bytes. `host` must be among the headers. */
export function requestOf(options: RequestOptions): S3Request {
  const { method = 'GET', target = '/', scheme = 'http', domains = [] } = options;
  const fields = options.headers instanceof Map ? [...options.headers] : Object.entries(options.headers ?? {});
  const headers = headersFromRaw(fields.flat() as string[]); // Pairs of strings either way.
  const mark = target.indexOf('?');
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? Query.empty : Query.parse(target.slice(mark + 1));
  const address = parseAddress(headers.get('host') ?? '', rawPath, domains);
  const body = bodyOf(options.body);
  const resolved = { method, bucket: address.bucket, key: address.key, query, headers };
  const length = headers.get('content-length');
  return {
    ...resolved,
    id: 'TEST',
    operation: resolveOperation(resolved),
    rawPath,
    addressing: address.addressing,
    scheme,
    peer: '127.0.0.1',
    identity: undefined,
    body,
    bodyLength: body === null ? 0 : length === undefined ? undefined : Number(length),
    bodyChecksum: () => undefined,
    signal: new AbortController().signal,
    notes: new Map(),
  };
}

function bodyOf(body: Body | string | undefined): Body {
  if (typeof body !== 'string') return body ?? null;
  return body === '' ? null : Readable.from([Buffer.from(body, 'latin1')]);
}

/** Reads a body to its end. Rejects with what it fails with. */
export async function bytesOf(body: Body): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  if (!(body instanceof Readable)) return Buffer.from(body);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer); // Byte streams give buffers.
  return Buffer.concat(chunks);
}
