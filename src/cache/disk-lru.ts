import type { JournalEntry } from './disk-journal.ts';
import type { Stored } from './store.ts';

/** One file of the disk cache. */
export interface DiskEntry extends Stored, Omit<JournalEntry, 'validatedAt' | 'isConfirmed'> {
  validatedAt: number;
  isConfirmed: boolean;
  usedAt: number;
}

/** Small objects have a part of the space to themselves, so that large ones cannot push them all out. */
const SMALL_BYTES = 4 * 2 ** 20;
const SMALL_SHARE = 0.1;

/** What a file takes: whole blocks of the file system, and one for its inode. */
export function spaceOf(size: number): number {
  return Math.ceil((size + 1024) / 4096) * 4096 + 4096;
}

/** All files, in two classes of size, each in the order of last use. */
export class DiskLru {
  readonly #small = new Map<string, DiskEntry>();
  readonly #large = new Map<string, DiskEntry>();
  #smallBytes = 0;
  #largeBytes = 0;

  get bytes(): number {
    return this.#smallBytes + this.#largeBytes;
  }

  get count(): number {
    return this.#small.size + this.#large.size;
  }

  get(id: string): DiskEntry | undefined {
    return this.#small.get(id) ?? this.#large.get(id);
  }

  /** Adds as the last used. What was there of the same object must have been removed. */
  add(entry: DiskEntry): void {
    if (entry.size <= SMALL_BYTES) {
      this.#small.set(entry.id, entry);
      this.#smallBytes += spaceOf(entry.size);
    } else {
      this.#large.set(entry.id, entry);
      this.#largeBytes += spaceOf(entry.size);
    }
  }

  /** Makes it the last used. */
  touch(entry: DiskEntry): void {
    const entries = entry.size <= SMALL_BYTES ? this.#small : this.#large;
    if (entries.delete(entry.id)) entries.set(entry.id, entry);
  }

  /** False when it was not there. */
  remove(entry: DiskEntry): boolean {
    if (this.get(entry.id) !== entry) return false;
    if (this.#small.delete(entry.id)) this.#smallBytes -= spaceOf(entry.size);
    else if (this.#large.delete(entry.id)) this.#largeBytes -= spaceOf(entry.size);
    return true;
  }

  /** What should go next, when `limit` bytes are all there is. */
  victim(limit: number): DiskEntry | undefined {
    const [small] = this.#small.values();
    const [large] = this.#large.values();
    if (small === undefined || large === undefined) return small ?? large;
    if (this.#smallBytes <= limit * SMALL_SHARE) return large;
    return small.usedAt < large.usedAt ? small : large;
  }

  *values(): Iterable<DiskEntry> {
    yield* this.#small.values();
    yield* this.#large.values();
  }
}
