import { LRUCache } from 'lru-cache';
import { BLOCK_BYTES, blockCount } from './content.ts';
import { type Description, isSameVersion } from './description.ts';
import { type ObjectName, objectId } from './identity.ts';
import type { CacheStore, Draft, KeepOptions, Opened, Stored } from './store.ts';

export interface MemoryStoreOptions {
  /** Bytes, with some for each entry's own weight. */
  readonly size: number;
  /** Largest object kept. */
  readonly largest: number;
  readonly now: () => number;
  readonly onEvicted?: (stored: Stored) => void;
}

export interface MemoryStore extends CacheStore {
  /** Puts what another store holds here as well, under that store's entry. */
  adopt(held: Held): void;
  /** What is held of this version; undefined when it is not here. */
  heldOf(stored: Stored): Held | undefined;
  /** Has other limits from now on; what does not fit goes. */
  resize(size: number, largest: number): void;
  readonly bytes: number;
  readonly count: number;
}

export interface Held {
  stored: Stored;
  readonly description: Description;
  readonly blocks: readonly Uint8Array[];
}

/** What an entry weighs besides its bytes: names, headers, the index. */
const OVERHEAD = 2048;

/** Small objects in memory, least recently used first out. Drafts count as well, so that the limit is one. */
export function createMemoryStore(options: MemoryStoreOptions): MemoryStore {
  let { size: limit, largest } = options;
  let reserved = 0;
  const held = new LRUCache<string, Held>({
    // Its own limit cannot be changed; ours can.
    maxSize: Number.MAX_SAFE_INTEGER,
    sizeCalculation: ({ stored }) => stored.size + OVERHEAD,
  });
  const makeRoom = (bytes: number): boolean => {
    if (bytes > 0 && reserved + bytes > limit) return false;
    while (held.calculatedSize + reserved + bytes > limit && held.size > 0) {
      const oldest = held.pop();
      if (oldest !== undefined) options.onEvicted?.(oldest.stored);
    }
    return true;
  };
  const adopt = (entry: Held): void => {
    const { id, size } = entry.stored;
    held.delete(id);
    if (makeRoom(size + OVERHEAD)) held.set(id, entry);
  };
  const heldOf = (stored: Stored): Held | undefined => {
    const found = held.peek(stored.id);
    return found !== undefined && isSameVersion(found.stored, stored) ? found : undefined;
  };

  function draft(name: ObjectName, size: number): Draft | undefined {
    const weight = size + OVERHEAD;
    if (size > largest || !makeRoom(weight)) return undefined;
    reserved += weight;
    const blocks: Uint8Array[] = new Array(blockCount(size));
    let isReserved = true;
    const release = () => {
      if (isReserved) reserved -= weight;
      isReserved = false;
    };
    return {
      holdsBytes: true,
      write: async (index, bytes) => {
        blocks[index] = bytes;
      },
      read: async (index) => {
        const block = blocks[index];
        if (block === undefined) throw new Error(`block ${index} was not written`);
        return block;
      },
      keep: async (kept) => {
        release();
        if (!kept.isCurrent()) return false;
        adopt({ stored: newStored(name, kept, options.now()), description: kept.description, blocks });
        return true;
      },
      close: release,
    };
  }

  return {
    find: (id) => held.get(id)?.stored,
    inMemory: (stored) => {
      const found = heldOf(stored);
      const bytes = found?.blocks[0];
      return found === undefined || bytes?.length !== stored.size
        ? undefined
        : { description: found.description, bytes };
    },
    open: async (stored) => {
      const found = heldOf(stored);
      return found && opened(found);
    },
    draft,
    fits: (size) => size <= largest,
    drop: async (stored) => {
      if (heldOf(stored) !== undefined) held.delete(stored.id);
    },
    validated: (stored, at) => {
      const found = heldOf(stored);
      if (found !== undefined) found.stored = { ...found.stored, validatedAt: at, isConfirmed: true };
    },
    doubt: (id) => {
      const found = held.peek(id);
      if (found !== undefined) found.stored = { ...found.stored, isConfirmed: false };
    },
    doubtAll: (place, bucket) => {
      for (const found of held.values()) {
        const { stored } = found;
        if (stored.name.place === place && stored.name.bucket === bucket)
          found.stored = { ...stored, isConfirmed: false };
      }
    },
    *entries() {
      for (const { stored } of [...held.values()]) yield stored;
    },
    close: async () => held.clear(),
    adopt,
    heldOf,
    resize: (newSize, newLargest) => {
      limit = newSize;
      largest = newLargest;
      makeRoom(0);
    },
    get bytes() {
      return held.calculatedSize + reserved;
    },
    get count() {
      return held.size;
    },
  };
}

/** The index entry of a version that was just kept. */
export function newStored(name: ObjectName, kept: KeepOptions, now: number): Stored {
  const { description, validatedAt, isConfirmed } = kept;
  return {
    id: objectId(name),
    name,
    etag: description.etag,
    size: description.size,
    lastModified: description.lastModified.getTime(),
    validatedAt,
    isConfirmed,
    storedAt: now,
  };
}

/** A version out of memory. */
export function opened({ stored, description, blocks }: Held): Opened {
  return {
    stored,
    description,
    tier: 'memory',
    content: {
      read: async (position, end) => {
        const index = Math.floor(position / BLOCK_BYTES);
        const start = index * BLOCK_BYTES;
        const block = blocks[index];
        if (block === undefined) throw new Error(`no block ${index}`);
        return position === start && end + 1 >= start + block.length
          ? block
          : block.subarray(position - start, end + 1 - start);
      },
      close: () => undefined,
    },
  };
}
