import { blockCount, readBlock } from './content.ts';
import { isSameVersion } from './description.ts';
import type { DiskStore } from './disk/store.ts';
import { type ObjectName, objectId } from './identity.ts';
import { type MemoryStore, opened } from './memory-store.ts';
import type { CacheStore, Draft, Opened, Stored } from './store.ts';

export interface TieredStoreOptions {
  readonly memory: MemoryStore;
  readonly disk: DiskStore;
  /** Objects up to this size are kept in memory as well. */
  readonly small: () => number;
}

/** Small objects that wait to be written; more come and go without the disk. */
const MAX_WAITING = 10_000;

/**
 * Memory over disk. Small objects are served from memory and written to disk behind the reader's back, so that they are
 * still here after a restart; all others lie on disk only, where the system keeps what is read often in memory.
 */
export function createTieredStore({ memory, disk, small }: TieredStoreOptions): CacheStore {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  /** Writes what memory holds to disk. From then on both hear of all that happens to it. */
  async function writeBehind(stored: Stored): Promise<void> {
    const held = memory.heldOf(stored);
    const draft = held && disk.draft(stored.name, stored.size);
    if (held === undefined || draft === undefined) return;
    try {
      for (const [index, block] of held.blocks.entries()) await draft.write(index, block);
      const { description } = held;
      const isCurrent = () => memory.heldOf(stored) !== undefined;
      const { validatedAt } = stored;
      const isKept = await draft.keep({ description, validatedAt, isConfirmed: false, isCurrent });
      const now = memory.heldOf(stored)?.stored;
      if (isKept && now?.isConfirmed === true) disk.validated(now, now.validatedAt);
    } finally {
      draft.close();
    }
  }

  function writeSoon(stored: Stored): void {
    if (waiting >= MAX_WAITING) return;
    waiting++;
    // A failure of the disk has been told by then; the object stays in memory.
    last = last
      .then(() => writeBehind(stored))
      .catch(() => undefined)
      .finally(() => waiting--);
  }

  function smallDraft(name: ObjectName, size: number): Draft | undefined {
    const draft = memory.draft(name, size);
    return (
      draft && {
        ...draft,
        keep: async (kept) => {
          if (!(await draft.keep(kept))) return false;
          const stored = memory.find(objectId(name));
          if (stored === undefined) return true;
          // There is one version of an object: another one on disk would come back when this one leaves the memory.
          const below = disk.find(stored.id);
          if (below !== undefined && !isSameVersion(below, stored)) await disk.drop(below);
          writeSoon(stored);
          return true;
        },
      }
    );
  }

  /** Takes a small object that was read from disk into memory. */
  async function promote({ content, description, stored }: Opened): Promise<Opened> {
    try {
      const blocks: Uint8Array[] = [];
      for (let index = 0; index < blockCount(stored.size); index++)
        blocks.push(await readBlock(content, stored.size, index));
      const held = { stored, description, blocks };
      const now = disk.find(stored.id);
      if (now !== undefined && isSameVersion(now, stored)) memory.adopt({ ...held, stored: now });
      return { ...opened(held), tier: 'disk' };
    } finally {
      content.close();
    }
  }

  return {
    find: (id) => memory.find(id) ?? disk.find(id),
    inMemory: (stored) => memory.inMemory?.(stored),
    open: async (stored) => {
      const found = (await memory.open(stored)) ?? (await disk.open(stored));
      if (found === undefined || found.tier === 'memory' || stored.size > small()) return found;
      // A damaged one is none.
      return promote(found).catch(() => undefined);
    },
    draft: (name, size) => {
      if (size <= small()) return smallDraft(name, size) ?? disk.draft(name, size);
      return disk.draft(name, size) ?? (disk.isUsable ? undefined : memory.draft(name, size));
    },
    fits: (size) => disk.fits(size),
    drop: async (stored) => {
      await Promise.all([memory.drop(stored), disk.drop(stored)]);
    },
    validated: (stored, at) => {
      disk.validated(stored, at);
      memory.validated(stored, at);
    },
    doubt: (id) => {
      disk.doubt(id);
      memory.doubt(id);
    },
    doubtAll: (place, bucket) => {
      disk.doubtAll(place, bucket);
      memory.doubtAll(place, bucket);
    },
    *entries() {
      yield* disk.entries();
      for (const stored of memory.entries()) if (disk.find(stored.id) === undefined) yield stored;
    },
    close: async () => {
      await last;
      await memory.close();
      await disk.close();
    },
  };
}
