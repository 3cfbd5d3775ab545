import { LRUCache } from 'lru-cache';
import { blockCount } from './content.ts';
import type { Description } from './description.ts';
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

interface Held {
  readonly stored: Stored;
  readonly description: Description;
  readonly blocks: readonly Uint8Array[];
}

/** What an entry weighs besides its bytes: names, headers, the index. */
const OVERHEAD = 2048;

/** Small objects in memory, least recently used first out. Drafts count as well, so that the limit is one. */
export function createMemoryStore(options: MemoryStoreOptions): CacheStore & {
  /** Puts what another store holds here as well. */
  adopt(stored: Stored, description: Description, blocks: readonly Uint8Array[]): void;
  readonly bytes: () => number;
} {
  let reserved = 0;
  const held = new LRUCache<string, Held>({
    maxSize: Math.max(1, options.size),
    maxEntrySize: Math.max(1, options.largest + OVERHEAD),
    sizeCalculation: ({ stored }) => stored.size + OVERHEAD,
    dispose: ({ stored }, _id, reason) => {
      if (reason === 'evict') options.onEvicted?.(stored);
    },
  });
  const makeRoom = (bytes: number): boolean => {
    if (reserved + bytes > options.size) return false;
    while (held.calculatedSize + reserved + bytes > options.size && held.size > 0) {
      const oldest = held.pop();
      if (oldest !== undefined) options.onEvicted?.(oldest.stored);
    }
    return true;
  };
  const adopt = (stored: Stored, description: Description, blocks: readonly Uint8Array[]): void => {
    if (makeRoom(stored.size + OVERHEAD)) held.set(stored.id, { stored, description, blocks });
    else held.delete(stored.id);
  };

  function draft(name: ObjectName, size: number): Draft | undefined {
    const weight = size + OVERHEAD;
    if (size > options.largest || !makeRoom(weight)) return undefined;
    reserved += weight;
    const blocks: Uint8Array[] = new Array(blockCount(size));
    let isReserved = true;
    const release = () => {
      if (isReserved) reserved -= weight;
      isReserved = false;
    };
    return {
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
        adopt(newStored(name, kept, options.now()), kept.description, blocks);
        return true;
      },
      close: release,
    };
  }

  return {
    find: (id) => held.get(id)?.stored,
    open: async (stored) => {
      const found = held.get(stored.id);
      return found?.stored === stored ? opened(found) : undefined;
    },
    draft,
    fits: (size) => size <= options.largest,
    drop: async (stored) => {
      if (held.peek(stored.id)?.stored === stored) held.delete(stored.id);
    },
    validated: (stored, at) => {
      stored.validatedAt = at;
      stored.isConfirmed = true;
    },
    *entries() {
      for (const { stored } of held.values()) yield stored;
    },
    close: async () => held.clear(),
    adopt,
    bytes: () => held.calculatedSize + reserved,
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

function opened({ stored, description, blocks }: Held): Opened {
  return {
    stored,
    description,
    tier: 'memory',
    content: {
      read: async (index) => {
        const block = blocks[index];
        if (block === undefined) throw new Error(`no block ${index}`);
        return block;
      },
      close: () => undefined,
    },
  };
}
