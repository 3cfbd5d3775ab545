import type { StorageHealth } from './admin/sources.ts';
import type { Storage } from './generation.ts';
import { S3Error } from './s3/error.ts';
import { ownRequest } from './s3/own-request.ts';

/** A health check that takes longer has failed, in milliseconds. */
const PROBE_MS = 5000;

/**
 * A check of all storages at once. Who asks while one is under way hears of that one: anybody may ask, and must not
 * be able to make many requests of it.
 * @throws only for mistakes of our own
 */
export function createProbe(storages: () => readonly Storage[]): () => Promise<readonly StorageHealth[]> {
  let underWay: Promise<readonly StorageHealth[]> | undefined;
  return () => {
    underWay ??= Promise.all(storages().map((storage) => probeStorage(storage))).finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

/**
 * Asks a storage one small question: its sentinel if it has one, which is in its bucket; else its bucket, else the list
 * of buckets.
 * Ready is a storage that answers in time and lets us in.
 */
export async function probeStorage({ config, connection }: Storage, withinMs = PROBE_MS): Promise<StorageHealth> {
  const { name, bucket, prefix, sentinel } = config;
  const key = sentinel !== undefined && bucket !== undefined ? `${prefix}${sentinel}` : undefined;
  const method = bucket === undefined ? 'GET' : 'HEAD';
  const signal = AbortSignal.timeout(withinMs);
  try {
    const response = await connection.handler(ownRequest({ id: 'internal', method, bucket, key, signal }));
    if (response.body !== null && !(response.body instanceof Uint8Array)) response.body.destroy();
    return { name, isReady: response.status < 300 };
  } catch (error) {
    // Whoever is cut short throws the signal's reason.
    if (error instanceof S3Error || signal.aborted) return { name, isReady: false };
    throw error;
  }
}
