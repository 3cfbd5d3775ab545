import type { StorageHealth } from './admin/sources.ts';
import type { Storage } from './generation.ts';
import { S3Error } from './s3/error.ts';
import { ownRequest } from './s3/own-request.ts';

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
    const response = await connection.handler(
      ownRequest({ id: 'internal', method, bucket, key, signal: AbortSignal.timeout(PROBE_MS) }),
    );
    if (response.body !== null && !(response.body instanceof Uint8Array)) response.body.destroy();
    return { name, isReady: response.status < 300 };
  } catch (error) {
    if (error instanceof S3Error) return { name, isReady: false };
    throw error;
  }
}
