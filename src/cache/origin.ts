import { Readable } from 'node:stream';
import { dropBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import { quoteEtag, unquoteEtag } from '../s3/etag.ts';
import { headersOf } from '../s3/headers.ts';
import type { Body, Handler, S3Request, S3Response } from '../s3/message.ts';
import { Query } from '../s3/query.ts';
import type { Breaker } from './breaker.ts';
import { isLineDown } from './breaker.ts';

/** One object's storage, asked in the cache's own name: no client's leaving, conditions or ranges touch these requests. */
export interface Origin {
  /** The whole object; status 304 when it still has this ETag. @throws S3Error */
  get(unlessEtag?: string): Promise<S3Response>;
  head(): Promise<S3Response>;
  /** A stretch of one version, both ends included; undefined when the storage gives whole objects only. */
  range(etag: string, start: number, end: number): Promise<Readable | undefined>;
}

export interface OriginOptions {
  readonly next: Handler;
  /** The request that is being answered: its names and its caller. */
  readonly request: S3Request;
  readonly breaker: Breaker;
  /** Aborts when the cache closes. */
  readonly signal: AbortSignal;
}

/** Clients give up, or fail, when nothing comes for long; a cache that is only a help must not be what they wait for. */
const FIRST_BYTE_MS = 5_000;

export function createOrigin({ next, request, breaker, signal }: OriginOptions): Origin {
  const send = async (method: 'GET' | 'HEAD', fields: Readonly<Record<string, string | undefined>>) => {
    const patience = new AbortController();
    const { answers } = breaker;
    const timer = setTimeout(() => patience.abort(new S3Error('ServiceUnavailable')), FIRST_BYTE_MS);
    try {
      const response = await next({
        ...request,
        method,
        operation: method === 'GET' ? 'GetObject' : 'HeadObject',
        query: Query.empty,
        headers: headersOf({ 'accept-encoding': 'identity', ...fields }),
        body: null,
        bodyLength: 0,
        bodyChecksum: () => undefined,
        bodyClaims: undefined,
        signal: AbortSignal.any([signal, patience.signal]),
        notes: new Map(),
      });
      if (response.status >= 400) {
        dropBody(response.body);
        throw new S3Error(
          response.status === 404 ? 'NoSuchKey' : response.status < 500 ? 'AccessDenied' : 'ServiceUnavailable',
        );
      }
      breaker.succeeded();
      return response;
    } catch (error) {
      if (error instanceof S3Error && error.status === 304) {
        breaker.succeeded();
        return { status: 304, headers: error.headers ?? new Map<string, string>(), body: null };
      }
      if (isLineDown(error)) breaker.failed(error, patience.signal.aborted && breaker.answers === answers);
      else if (error instanceof S3Error) breaker.succeeded();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    get: (unlessEtag) =>
      send('GET', {
        'x-amz-checksum-mode': 'ENABLED',
        'if-none-match': unlessEtag === undefined ? undefined : quoteEtag(unlessEtag),
      }),
    head: () => send('HEAD', { 'x-amz-checksum-mode': 'ENABLED' }),
    range: async (etag, start, end) => {
      const response = await send('GET', { 'if-match': quoteEtag(etag), range: `bytes=${start}-${end}` });
      const isThis = unquoteEtag(response.headers.get('etag') ?? '') === etag;
      const range = response.headers.get('content-range') ?? '';
      if (response.status === 206 && isThis && range.startsWith(`bytes ${start}-${end}/`))
        return toStream(response.body);
      dropBody(response.body);
      if (!isThis) throw new S3Error('PreconditionFailed');
      if (response.status === 200) return undefined;
      throw new S3Error('ServiceUnavailable', { cause: new Error(`asked for bytes ${start}-${end}, got ${range}`) });
    },
  };
}

/** A body as a stream. */
export function toStream(body: Body): Readable {
  return body instanceof Readable ? body : Readable.from(body === null ? [] : [body], { objectMode: false });
}

/** A body that comes no faster than that. Owns `body`. */
export function atPace(body: Readable, pace: (bytes: number) => Promise<void>): Readable {
  const chunks = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      await pace(chunk.length);
      yield chunk;
    }
  };
  return Readable.from(chunks(), { objectMode: false });
}

/** Whether the storage says that the object is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof S3Error && error.status === 404;
}
