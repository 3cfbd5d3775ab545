import { setImmediate as turn } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Layer } from '../s3/message.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { createChunkPool } from './chunk-pool.ts';
import { openDiskStore } from './disk/store.ts';
import { createKeyStates } from './key-state.ts';
import { type CachePlace, cacheLayer } from './layer.ts';
import { createMemoryStore } from './memory-store.ts';
import { createPermits, type Permits } from './permits.ts';
import type { CacheLog, Shared } from './shared.ts';
import { type CacheStats, createRecorder, type Tier } from './stats.ts';
import type { CacheStore, Stored } from './store.ts';
import { createTieredStore } from './tiered-store.ts';
import { createUploads } from './uploads.ts';

export interface CacheSizes {
  /** Bytes of memory: small objects, and what is on its way from disk. */
  readonly memory: number;
  readonly disk?: { readonly path: string; readonly size: number; readonly minFree: number } | undefined;
  /** The share of hits, from 0 to 1, that is checked with the storage afterwards. */
  readonly verify: number;
}

export interface CacheOptions extends CacheSizes {
  readonly now: () => Date;
  readonly log: CacheLog;
  /** Told of the bytes that came from storages. */
  readonly onFetched?: ((bytes: number) => void) | undefined;
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
  /** Takes other sizes, at once: what does not fit any more goes. False when another disk is wanted: that needs a new cache. */
  adjust(sizes: CacheSizes): boolean;
  /**
   * Takes out what is meant, and forgets what is known to be absent; nothing that is on its way now is kept. Others have their
   * turn meanwhile.
   * @returns number of objects taken out
   */
  purge(isMeant: (stored: Stored) => boolean): Promise<number>;
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
/** Stretches of large objects that are fetched from one place at a time: well below the connections to a storage, which are 256. */
const MOST_RANGES = 96;
/**
 * A quarter of the memory is for bytes that are moved, half of that for those from disk to clients. More than so many bytes
 * would gain nothing; the rest is what fills, sockets and the allocator take that nobody counts.
 */
const MOVED_SHARE = 1 / 4;
const MOVED_BYTES = 64 * 2 ** 20;
const CHUNK_BYTES = 24 * 2 ** 20;

/** There may be a million entries: requests have their turn between them. */
const ENTRIES_A_TURN = 1000;

export async function openCache(options: CacheOptions): Promise<Cache> {
  const { log } = options;
  const now = () => options.now().getTime();
  const recorder = createRecorder(options.onFetched);
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const breakers = new Map<string, Breaker>();
  const permits = new Map<string, Permits>();
  const uploads = createUploads({ fits: (bytes) => store.fits(bytes) });
  const evictedFrom =
    (tier: Tier) =>
    ({ storedAt }: Stored) =>
      recorder.evicted(tier, (now() - storedAt) / 1000);
  let { verify } = options;
  let shares = sharesOf(options);
  const memory = createMemoryStore({
    size: shares.memory,
    largest: shares.largest,
    now,
    onEvicted: evictedFrom('memory'),
  });
  const chunks = createChunkPool(shares.chunks);
  const onError = () => recorder.count('diskErrors');
  const onEvicted = evictedFrom('disk');
  const disk = options.disk && (await openDiskStore({ ...options.disk, chunks, now, log, onEvicted, onError }));
  const store = disk === undefined ? memory : createTieredStore({ memory, disk, small: () => shares.small });
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
    permitsOf: (place) => {
      const found = permits.get(place) ?? createPermits(MOST_RANGES);
      permits.set(place, found);
      return found;
    },
    signal: closing.signal,
    uncacheable: new LRUCache({ max: 10_000, ttl: UNCACHEABLE_MS }),
    absent: new LRUCache({ max: MAX_ABSENT }),
    get verify() {
      return verify;
    },
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
      memory: { bytes: memory.bytes, count: memory.count, size: shares.memory },
      disk: disk && { bytes: disk.bytes, count: disk.count, size: disk.size },
    }),
    adjust: (sizes) => {
      verify = sizes.verify;
      shares = sharesOf(sizes);
      memory.resize(shares.memory, shares.largest);
      chunks.resize(shares.chunks);
      if (sizes.disk !== undefined) disk?.resize(sizes.disk.size, sizes.disk.minFree);
      return sizes.disk?.path === options.disk?.path;
    },
    stats: () => recorder.snapshot(),
    purge: async (isMeant) => {
      shared.absent.clear();
      shared.uncacheable.clear();
      shared.states.overtakeAll();
      let looked = 0;
      let purged = 0;
      for (const stored of store.entries()) {
        looked++;
        if (looked % ENTRIES_A_TURN === 0) await turn();
        if (!isMeant(stored)) continue;
        await store.drop(stored);
        purged++;
      }
      return purged;
    },
    idle,
    close: async () => {
      closing.abort(new Error('the cache closes'));
      await idle();
      uploads.clear();
      await store.close();
    },
  };
}

/** What the memory is used for. */
function sharesOf({ memory, disk }: CacheSizes): {
  readonly memory: number;
  readonly chunks: number;
  readonly largest: number;
  readonly small: number;
} {
  const moved = Math.min(MOVED_BYTES, Math.floor(memory * MOVED_SHARE));
  const chunks = Math.min(CHUNK_BYTES, Math.floor(moved / 2));
  const largest = Math.floor(memory / 8);
  return {
    memory: disk === undefined ? memory : memory - moved,
    chunks,
    largest,
    small: Math.min(SMALL_BYTES, largest),
  };
}
