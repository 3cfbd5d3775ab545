import { headersOf } from './headers.ts';
import type { Identity, S3Request } from './message.ts';
import { resolveOperation } from './operation.ts';
import { Query } from './query.ts';

/** What a request of Sluice's own says; everything else is empty. */
export interface OwnRequest {
  /** Stands in logs where a client's request has its id. */
  readonly id: string;
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key?: string | undefined;
  readonly query?: Query;
  /** Names and values; `host` is there already. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array | null;
  readonly identity?: Identity;
  readonly signal: AbortSignal;
}

/** A request that Sluice makes by itself, without a client. */
export function ownRequest(own: OwnRequest): S3Request {
  const { id, method, bucket, key, query = Query.empty, body = null, identity, signal } = own;
  const headers = headersOf({ host: 'localhost', ...own.headers });
  return {
    id,
    method,
    operation: resolveOperation({ method, bucket, key, query, headers }),
    bucket,
    key,
    rawPath: '/',
    addressing: 'path',
    query,
    headers,
    scheme: 'http',
    peer: '',
    identity,
    body,
    bodyLength: body?.byteLength ?? 0,
    bodyChecksum: () => undefined,
    signal,
    notes: new Map(),
  };
}
