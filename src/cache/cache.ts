import { LRUCache } from 'lru-cache';
import type { Layer } from '../s3/message.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { createChunkPool } from './chunk-pool.ts';
import { openDiskStore } from './disk-store.ts';
import { createKeyStates } from './key-state.ts';
import { type CachePlace, cacheLayer } from './layer.ts';
import { createMemoryStore } from './memory-store.ts';
import type { CacheLog, Shared } from './shared.ts';
import { type CacheStats, createRecorder } from './stats.ts';
import type { CacheStore, Stored } from './store.ts';
import { createTieredStore } from './tiered-store.ts';
import { createUploads } from './uploads.ts';

export interface CacheOptions {
  /** Bytes kept in memory. */
  readonly memory: number;
  readonly disk?: { readonly path: string; readonly size: number; readonly minFree: number } | undefined;
  /** The share of hits, from 0 to 1, that is checked with the storage afterwards. */
  readonly verify: number;
  readonly now: () => Date;
  readonly log: CacheLog;
  /** A number from 0 to 1; for tests. */
  readonly random?: () => number;
}

/** Objects kept near their readers. It outlives the configuration: rules come with each place, what is kept stays. */
export interface Cache {
  layer(place: CachePlace): Layer;
  readonly store: CacheStore;
  /** What the tiers hold now. */
  usage(): { readonly memory: TierUsage; readonly disk: TierUsage | undefined };
  stats(): CacheStats;
  /** Resolves when nothing goes on in the background: fills, and what is kept after writes. */
  idle(): Promise<void>;
  /** Ends what goes on, and releases the disk. */
  close(): Promise<void>;
}

export interface TierUsage {
  readonly bytes: number;
  readonly count: number;
  /** The most bytes it may hold. */
  readonly size: number;
}

/** Small enough to be served from memory where there is a disk for all others. */
const SMALL_BYTES = 2 ** 20;
/** An object that was not for the cache is tried again after this. */
const UNCACHEABLE_MS = 60_000;
const MAX_ABSENT = 100_000;
/** Memory for bytes on their way from disk to clients; beside what is configured. */
const CHUNK_BYTES = 24 * 2 ** 20;

export async function openCache(options: CacheOptions): Promise<Cache> {
  const { log } = options;
  const now = () => options.now().getTime();
  const recorder = createRecorder();
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const breakers = new Map<string, Breaker>();
  const uploads = createUploads();
  const onEvicted = ({ storedAt }: Stored) => recorder.evicted((now() - storedAt) / 1000);
  const largest = Math.floor(options.memory / 8);
  const memory = createMemoryStore({ size: options.memory, largest, now, onEvicted });
  const disk =
    options.disk &&
    (await openDiskStore({
      ...options.disk,
      chunks: createChunkPool(CHUNK_BYTES),
      now,
      log,
      onEvicted,
      onError: () => recorder.count('diskErrors'),
    }));
  const store =
    disk === undefined ? memory : createTieredStore({ memory, disk, small: Math.min(SMALL_BYTES, largest) });
  const shared: Shared = {
    store,
    states: createKeyStates(),
    recorder,
    log,
    now,
    breakerOf: (place) => {
      const breaker = breakers.get(place) ?? createBreaker(now);
      breakers.set(place, breaker);
      return breaker;
    },
    signal: closing.signal,
    uncacheable: new LRUCache({ max: 10_000, ttl: UNCACHEABLE_MS }),
    absent: new LRUCache({ max: MAX_ABSENT }),
    verify: options.verify,
    random: options.random ?? Math.random,
    background: (work) => {
      running.add(work);
      void work.finally(() => running.delete(work));
    },
  };
  const idle = async (): Promise<void> => {
    while (running.size > 0) await Promise.allSettled(running);
  };
  return {
    layer: (place) => cacheLayer(place, shared, uploads),
    store,
    usage: () => ({
      memory: { bytes: memory.bytes, count: memory.count, size: options.memory },
      disk: disk && options.disk && { bytes: disk.bytes, count: disk.count, size: options.disk.size },
    }),
    stats: () => recorder.snapshot(),
    idle,
    close: async () => {
      closing.abort(new Error('the cache closes'));
      await idle();
      uploads.clear();
      await store.close();
    },
  };
}
