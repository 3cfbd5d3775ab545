import type { StorageHealth } from './admin/server.ts';
import type { Storage } from './generation.ts';
import { S3Error } from './s3/error.ts';
import { headersOf } from './s3/headers.ts';
import type { S3Request } from './s3/message.ts';
import { resolveOperation } from './s3/operation.ts';
import { Query } from './s3/query.ts';

/** A health check that takes longer has failed. */
const PROBE_MS = 5000;

/**
 * Asks a storage one small question: its sentinel if it has one, else its bucket, else the list of buckets.
 * Ready is a storage that answers and lets us in.
 */
export async function probeStorage({ config, connection }: Storage): Promise<StorageHealth> {
  const { name, bucket, prefix, sentinel } = config;
  const key = sentinel !== undefined && bucket !== undefined ? `${prefix}${sentinel}` : undefined;
  const method = bucket === undefined ? 'GET' : 'HEAD';
  try {
    const response = await connection.handler(internalRequest({ method, bucket, key }));
    if (response.body !== null && !(response.body instanceof Uint8Array)) response.body.destroy();
    return { name, isReady: response.status < 300 };
  } catch (error) {
    if (error instanceof S3Error) return { name, isReady: false };
    throw error;
  }
}

/** A request that Sluice makes by itself, without a client. */
function internalRequest(target: Pick<S3Request, 'method' | 'bucket' | 'key'>): S3Request {
  const headers = headersOf({ host: 'localhost' });
  return {
    ...target,
    id: 'internal',
    operation: resolveOperation({ ...target, query: Query.empty, headers }),
    rawPath: '/',
    addressing: 'path',
    query: Query.empty,
    headers,
    scheme: 'http',
    peer: '',
    identity: undefined,
    body: null,
    bodyLength: 0,
    bodyChecksum: () => undefined,
    signal: AbortSignal.timeout(PROBE_MS),
    notes: new Map(),
  };
}
