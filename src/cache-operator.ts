import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import type { CacheEntryView, CacheSource, WarmOrder } from './admin/cache-api.ts';
import type { Cache } from './cache/cache.ts';
import type { ObjectName } from './cache/identity.ts';
import type { CacheLog } from './cache/shared.ts';
import type { Stored } from './cache/store.ts';
import { type WarmObject, type WarmState, warm } from './cache/warm.ts';
import { type Generation, OPERATOR } from './generation.ts';
import { poolBuckets } from './route/pool.ts';
import type { S3Request } from './s3/message.ts';
import { ownRequest } from './s3/own-request.ts';
import { Query } from './s3/query.ts';
import { decodeUri } from './s3/uri.ts';
import { childText, parseXml } from './s3/xml.ts';

export interface OperatorOptions {
  readonly cache: () => Cache | undefined;
  readonly generation: () => Generation;
  readonly log: CacheLog;
  /** Aborts when the gateway closes. */
  readonly signal: AbortSignal;
}

/** There may be a million: requests have their turn between them. */
const ENTRIES_A_TURN = 1000;
/** Jobs that can still be asked about. */
const MAX_JOBS = 32;

/** Lists, purges and warms the cache in the names of clients. Gives undefined while there is no cache. */
export function operateCache({ cache, generation, log, signal }: OperatorOptions): () => CacheSource | undefined {
  const jobs = new Map<string, WarmState>();
  return () => {
    const opened = cache();
    return opened && sourceOf(opened, generation, { jobs, log, signal });
  };
}

function sourceOf(
  cache: Cache,
  generation: () => Generation,
  { jobs, log, signal }: Pick<OperatorOptions, 'log' | 'signal'> & { readonly jobs: Map<string, WarmState> },
): CacheSource {
  return {
    stats: () => ({ usage: cache.usage(), ...cache.stats() }),
    list: async (bucket, prefix, limit) => {
      const found: CacheEntryView[] = [];
      const buckets = cachedBuckets(generation());
      let looked = 0;
      for (const stored of cache.store.entries()) {
        looked++;
        if (looked % ENTRIES_A_TURN === 0) await turn();
        if (found.length >= limit) break;
        const name = clientName(stored.name, buckets);
        if (name === undefined || (bucket !== undefined && name.bucket !== bucket) || !name.key.startsWith(prefix))
          continue;
        const { size, etag } = stored;
        const [storedAt, validatedAt] = [stored.storedAt, stored.validatedAt].map((at) => new Date(at).toISOString());
        found.push({ ...name, size, etag, storedAt: storedAt ?? '', validatedAt: validatedAt ?? '' });
      }
      return found;
    },
    purge: (bucket, prefix) => {
      const buckets = cachedBuckets(generation());
      const isMeant = ({ name }: Stored): boolean => {
        if (bucket === undefined) return true;
        const names = buckets.filter((each) => each.name === bucket).flatMap((each) => nameIn(name, each) ?? []);
        return names.some((key) => key.startsWith(prefix));
      };
      return cache.purge(isMeant);
    },
    warm: (order) => {
      const { state, finished } = warm({
        pages: order.keys === undefined ? listPages(order, generation(), signal) : given(order.keys),
        read: async (key, pace) => {
          const request = operatorRequest(order.bucket, key, Query.empty, signal);
          const { body } = await generation().operator(pace === undefined ? request : { ...request, pace });
          return body;
        },
        rate: order.rate,
        signal,
        onFailure: (err) => log.warn({ err, bucket: order.bucket }, 'what is to be warmed could not be listed'),
      });
      // It never rejects.
      void finished;
      jobs.set(state.id, state);
      const [oldest] = jobs.keys();
      if (jobs.size > MAX_JOBS && oldest !== undefined) jobs.delete(oldest);
      return { ...state };
    },
    progress: (id) => jobs.get(id),
  };
}

/** A bucket that clients see and that is cached, with where its objects are. */
interface CachedBucket {
  readonly name: string;
  readonly storage: string;
  readonly place: string;
  readonly buckets: ReadonlySet<string>;
  readonly prefix: string;
}

function cachedBuckets({ config, storages }: Generation): readonly CachedBucket[] {
  return config.buckets.flatMap(({ name, storage, bucket, prefix, pool, cache }) => {
    const found = storages.find(({ config: { name: each } }) => each === storage);
    if (found === undefined || cache === undefined || cache === 'off') return [];
    const own = bucket ?? found.config.bucket ?? name;
    const buckets = new Set(pool === undefined ? [own] : [own, ...poolBuckets(pool)]);
    return [{ name, storage, place: found.connection.place, buckets, prefix: `${found.config.prefix}${prefix}` }];
  });
}

function clientName(
  name: ObjectName,
  buckets: readonly CachedBucket[],
): { readonly bucket: string; readonly key: string } | undefined {
  for (const bucket of buckets) {
    const key = nameIn(name, bucket);
    if (key !== undefined) return { bucket: bucket.name, key };
  }
  return undefined;
}

/** The key under which clients of this bucket know the object; undefined when they do not. */
function nameIn(name: ObjectName, { storage, place, buckets, prefix }: CachedBucket): string | undefined {
  const isThere = name.storage === storage && name.place === place && buckets.has(name.bucket);
  return isThere && name.key.startsWith(prefix) ? name.key.slice(prefix.length) : undefined;
}

async function* given(keys: readonly string[]): AsyncIterable<readonly WarmObject[]> {
  yield keys.map((key) => ({ key, size: undefined }));
}

async function* listPages(
  { bucket, prefix }: WarmOrder,
  generation: Generation,
  signal: AbortSignal,
): AsyncIterable<readonly WarmObject[]> {
  for (let token: string | undefined; ; ) {
    const query = new Query([
      { name: 'list-type', value: '2' },
      { name: 'prefix', value: prefix },
      { name: 'encoding-type', value: 'url' },
      ...(token === undefined ? [] : [{ name: 'continuation-token', value: token }]),
    ]);
    const { body } = await generation.operator(operatorRequest(bucket, undefined, query, signal));
    const root = parseXml(body instanceof Readable ? await buffer(body) : (body ?? new Uint8Array(0)));
    yield root.children
      .filter(({ name }) => name === 'Contents')
      .map((item) => ({
        key: decodeUri((childText(item, 'Key') ?? '').replaceAll('+', ' ')) ?? '',
        size: Number(childText(item, 'Size')),
      }));
    token = childText(root, 'IsTruncated') === 'true' ? childText(root, 'NextContinuationToken') : undefined;
    if (token === undefined) return;
  }
}

function operatorRequest(bucket: string, key: string | undefined, query: Query, signal: AbortSignal): S3Request {
  return ownRequest({ id: 'WARM', method: 'GET', bucket, key, query, identity: OPERATOR, signal });
}
