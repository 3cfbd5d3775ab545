import { unlink } from 'node:fs/promises';
import type { ChunkPool } from './chunk-pool.ts';
import { isSameVersion } from './description.ts';
import { type CheckedFiles, createCheckedFiles } from './disk-checked.ts';
import { fileContent, openFile } from './disk-content.ts';
import { type DiskDraft, openDiskDraft } from './disk-draft.ts';
import { type DiskFolder, freeSpace, isCode, openDiskFolder } from './disk-folder.ts';
import { createJournal, type Journal, readJournal } from './disk-journal.ts';
import { type DiskEntry, DiskLru, spaceOf } from './disk-lru.ts';
import { repairIndex } from './disk-repair.ts';
import type { ObjectName } from './identity.ts';
import type { CacheLog } from './shared.ts';
import type { CacheStore, Opened, Stored } from './store.ts';

export interface DiskStoreOptions {
  readonly path: string;
  /** Bytes for all files. */
  readonly size: number;
  /** Bytes of the file system that are left free. */
  readonly minFree: number;
  /** Memory for what is read. */
  readonly chunks: ChunkPool;
  readonly now: () => number;
  readonly log: CacheLog;
  readonly onEvicted: (entry: DiskEntry) => void;
  /** Told of every failure of the disk. */
  readonly onError: () => void;
}

export interface DiskStore extends CacheStore {
  draft(name: ObjectName, size: number): DiskDraft | undefined;
  /** Whether new files are made now; not for a while after the disk failed. */
  readonly isUsable: boolean;
  /** Has other limits from now on; what does not fit goes. */
  resize(size: number, minFree: number): void;
  /** The most bytes it may hold. */
  readonly size: number;
  readonly bytes: number;
  readonly count: number;
}

/** After a failure the disk is left alone for so long, then tried again. */
const ASIDE_MS = 5_000;
/** While there are writes, the free space is looked at this often. */
const STATFS_MS = 1_000;
/** A larger object would push out too much. */
const LARGEST_SHARE = 0.25;
/** Uses are written down no more often than this for each file. */
const TOUCH_MS = 600_000;
/**
 * Keeps versions in files of a folder, up to a size, and leaves a part of the file system free. A failing disk is never a
 * client's trouble: then nothing new is kept for a while.
 * @throws Error when the folder cannot be used
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<DiskStore> {
  const folder = await openDiskFolder(options.path, options.onError);
  const store = new FileStore(options, folder);
  await store.load();
  return store;
}

class FileStore implements DiskStore {
  readonly #options: DiskStoreOptions;
  #limits: Pick<DiskStoreOptions, 'size' | 'minFree'>;
  readonly #folder: DiskFolder;
  readonly #journal: Journal;
  readonly #lru = new DiskLru();
  readonly #checked: CheckedFiles;
  /** Files go one after the other: many at once are slower, and hold up reads. */
  #removals = Promise.resolve();
  #repair: Promise<void> = Promise.resolve();
  #reserved = 0;
  #asideUntil = 0;
  #lookedAt = 0;
  #isClosed = false;

  constructor(options: DiskStoreOptions, folder: DiskFolder) {
    this.#options = options;
    this.#limits = options;
    this.#folder = folder;
    this.#checked = createCheckedFiles(options.now);
    this.#journal = createJournal(folder.journal, (error) => this.#restore(error));
  }

  /** Reads the index. After anything but a proper close, nothing is served unasked, and the files are gone through. */
  async load(): Promise<void> {
    const { wasClosed } = this.#folder;
    const storedAt = this.#options.now();
    const lru = this.#lru;
    const forget = (id: string): void => {
      const entry = lru.get(id);
      if (entry !== undefined) lru.remove(entry);
    };
    const records = readJournal(this.#folder.journal, {
      put: (entry) => {
        forget(entry.id);
        lru.add({ ...entry, isConfirmed: wasClosed && entry.isConfirmed, storedAt, usedAt: storedAt });
      },
      drop: forget,
      touch: (id, validatedAt) => {
        const entry = lru.get(id);
        if (entry === undefined) return;
        entry.validatedAt = validatedAt;
        lru.touch(entry);
      },
    });
    if (!wasClosed || records > this.#lru.count * 2 + 1000) await this.#journal.compact(this.#lru.values());
    if (!wasClosed) {
      this.#repair = repairIndex(this.#folder, this.#lru, {
        isClosed: () => this.#isClosed,
        onLost: (entry) => this.#remove(entry),
        onFound: (entry) => this.#put(entry),
      }).catch((error: unknown) => this.#fail(error));
    }
    this.#makeRoom(0);
  }

  get isUsable(): boolean {
    return !this.#isClosed && this.#options.now() >= this.#asideUntil;
  }

  get size(): number {
    return this.#limits.size;
  }
  resize(size: number, minFree: number): void {
    this.#limits = { size, minFree };
    this.#makeRoom(0);
  }

  get bytes(): number {
    return this.#lru.bytes + this.#reserved;
  }

  get count(): number {
    return this.#lru.count;
  }

  find(id: string): Stored | undefined {
    return this.#lru.get(id);
  }

  fits(size: number): boolean {
    return size <= this.#limits.size * LARGEST_SHARE;
  }

  async open(stored: Stored): Promise<Opened | undefined> {
    const entry = this.#entryOf(stored);
    if (entry === undefined) return undefined;
    try {
      const file = await openFile(this.#folder.pathOf(entry.id, entry.file));
      try {
        const checked = await this.#checked.of(file, entry, entry.file);
        const { description } = checked.trailer;
        this.#use(entry);
        return { stored: entry, description, tier: 'disk', content: fileContent(file, checked, this.#options.chunks) };
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (err) {
      this.#options.log.warn({ err }, 'a file of the cache cannot be used');
      if (isCode(err, 'EIO')) this.#fail(err);
      return undefined;
    }
  }

  draft(name: ObjectName, size: number): DiskDraft | undefined {
    if (!this.fits(size) || !this.isUsable) return undefined;
    void this.#lookAtFreeSpace();
    const space = spaceOf(size);
    if (!this.#makeRoom(space)) return undefined;
    this.#reserved += space;
    return openDiskDraft(name, size, {
      folder: this.#folder,
      now: this.#options.now,
      onError: (error) => this.#fail(error),
      onKept: (entry) => this.#put(entry),
      onClosed: (remove) => {
        this.#reserved -= space;
        this.#removals = this.#removals.then(remove).catch((error: unknown) => this.#fail(error));
      },
    });
  }

  async drop(stored: Stored): Promise<void> {
    await this.#remove(this.#entryOf(stored));
  }

  validated(stored: Stored, at: number): void {
    const entry = this.#entryOf(stored);
    if (entry === undefined) return;
    if (at - entry.validatedAt > TOUCH_MS) this.#journal.touch(entry.id, at);
    entry.validatedAt = at;
    entry.isConfirmed = true;
  }

  entries(): Iterable<Stored> {
    return this.#lru.values();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#repair;
    await this.#removals;
    await this.#journal.compact(this.#lru.values());
    this.#folder.close(this.#journal.isWhole);
  }

  #entryOf(stored: Stored): DiskEntry | undefined {
    const entry = this.#lru.get(stored.id);
    return entry !== undefined && isSameVersion(entry, stored) ? entry : undefined;
  }

  #put(entry: DiskEntry): void {
    const old = this.#lru.get(entry.id);
    if (old !== undefined) void this.#remove(old);
    this.#lru.add(entry);
    this.#journal.put(entry);
    if (this.#journal.records > this.#lru.count * 2 + 100_000) void this.#journal.compact(this.#lru.values());
  }

  #use(entry: DiskEntry): void {
    const now = this.#options.now();
    this.#lru.touch(entry);
    if (now - entry.usedAt > TOUCH_MS) this.#journal.touch(entry.id, entry.validatedAt);
    entry.usedAt = now;
  }

  /** Not found from this moment on; resolves when the file is gone. */
  async #remove(entry: DiskEntry | undefined): Promise<void> {
    if (entry !== undefined && this.#forget(entry)) await this.#unlink(entry);
  }

  #forget(entry: DiskEntry): boolean {
    if (!this.#lru.remove(entry)) return false;
    this.#checked.forget(entry.file);
    this.#journal.drop(entry.id);
    return true;
  }

  async #unlink({ id, file }: DiskEntry): Promise<void> {
    await unlink(this.#folder.pathOf(id, file)).catch((error: unknown) => {
      if (!isCode(error, 'ENOENT')) this.#fail(error);
    });
  }

  /** Evicts until so many more bytes fit. False when they never will. */
  #makeRoom(bytes: number): boolean {
    while (this.#lru.bytes + this.#reserved + bytes > this.#limits.size) {
      if (!this.#evict()) return false;
    }
    return true;
  }

  #evict(): boolean {
    const victim = this.#lru.victim(this.#limits.size);
    if (victim === undefined) return false;
    this.#options.onEvicted(victim);
    this.#forget(victim);
    this.#removals = this.#removals.then(() => this.#unlink(victim));
    return true;
  }

  async #lookAtFreeSpace(): Promise<void> {
    const now = this.#options.now();
    if (now - this.#lookedAt < STATFS_MS) return;
    this.#lookedAt = now;
    try {
      const free = await freeSpace(this.#options.path);
      let missing = this.#limits.minFree - free.bytes;
      while (missing > 0) {
        const victim = this.#lru.victim(this.#limits.size);
        if (victim === undefined || !this.#evict()) break;
        missing -= spaceOf(victim.size);
      }
      // Others fill the disk: what is evicted comes free, but nothing new is made of it.
      if (missing > 0 || free.isShortOfInodes) this.#asideUntil = now + ASIDE_MS;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Emptying the cache by hand is allowed: the journal goes on in a new folder, and the next start looks at all files. */
  #restore(error: unknown): void {
    try {
      if (!isCode(error, 'ENOENT') || this.#isClosed) throw error;
      this.#folder.repair();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #fail(err: unknown): void {
    if (this.#isClosed) return;
    this.#options.onError();
    if (this.isUsable) this.#options.log.warn({ err }, 'the cache disk fails; nothing new is kept on it for a while');
    this.#asideUntil = this.#options.now() + ASIDE_MS;
    if (isCode(err, 'ENOSPC', 'EDQUOT')) for (let count = this.#lru.count / 10; count > 0; count--) this.#evict();
  }
}
