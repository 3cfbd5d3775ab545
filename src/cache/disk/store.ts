import { unlink } from 'node:fs/promises';
import { S3Error } from '../../s3/error.ts';
import type { ChunkPool } from '../chunk-pool.ts';
import type { ObjectName } from '../identity.ts';
import type { CacheLog } from '../shared.ts';
import type { CacheStore, Draft, Opened, Stored } from '../store.ts';
import { type CheckedFiles, createCheckedFiles } from './checked.ts';
import { fileContent, openFile } from './content.ts';
import { openDiskDraft } from './draft.ts';
import { type DiskEntry, DiskIndex, spaceOf } from './entry-index.ts';
import { type DiskFolder, freeSpace, isCode, openDiskFolder } from './folder.ts';
import { createDiskHealth, type DiskHealth } from './health.ts';
import { createJournal, type Journal, loadJournal } from './journal.ts';
import { repairIndex } from './repair.ts';

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
  /** Whether new files are made now; not for a while after the disk failed. */
  readonly isUsable: boolean;
  /** Has other limits from now on; what does not fit goes. */
  resize(size: number, minFree: number): void;
  /** The most bytes it may hold. */
  readonly size: number;
  readonly bytes: number;
  readonly count: number;
}

/** While there are writes, the free space is looked at this often. */
const STATFS_MS = 1_000;
/** Much longer than the disk is left alone after a failure: one bad folder must not keep all others out of use. */
const REPAIR_AGAIN_MS = 60_000;
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
  return new FileStore(options, folder).load();
}

class FileStore implements DiskStore {
  readonly #options: DiskStoreOptions;
  #limits: Pick<DiskStoreOptions, 'size' | 'minFree'>;
  readonly #folder: DiskFolder;
  readonly #journal: Journal;
  readonly #index = new DiskIndex();
  readonly #checked: CheckedFiles;
  readonly #health: DiskHealth;
  readonly #closing = new AbortController();
  /** Files go one after the other: many at once are slower, and hold up reads. */
  #removals = Promise.resolve();
  #repair: Promise<boolean> = Promise.resolve(true);
  #reserved = 0;
  #lookedAt = 0;

  constructor(options: DiskStoreOptions, folder: DiskFolder) {
    this.#options = options;
    this.#limits = options;
    this.#folder = folder;
    this.#checked = createCheckedFiles(options.now);
    this.#health = createDiskHealth(options);
    const onError = (error: unknown) => this.#restore(error);
    this.#journal = createJournal({ path: folder.journal, index: this.#index, onError });
  }

  /** Reads the index. After anything but a proper close, nothing is served unasked, and the files are gone through. */
  async load(): Promise<this> {
    const { journal, wasClosed, isNew } = this.#folder;
    const records = await loadJournal(journal, this.#index, { isTrusted: wasClosed, now: this.#options.now() });
    if (!wasClosed || (records ?? 0) > this.#index.count * 2 + 1000) void this.#journal.compact();
    if (!isNew && !(wasClosed && records !== undefined)) {
      this.#repair = repairIndex({
        folder: this.#folder,
        index: this.#index,
        signal: this.#closing.signal,
        retryMs: REPAIR_AGAIN_MS,
        onError: (error) => this.#fail(error),
        onLost: (number) => this.#remove(number),
        onFound: (entry) => this.#put(entry, 0),
      });
    }
    this.#makeRoom(0);
    return this;
  }

  get isUsable(): boolean {
    return !this.#isClosed && this.#health.isUsable;
  }

  get size(): number {
    return this.#limits.size;
  }
  resize(size: number, minFree: number): void {
    this.#limits = { size, minFree };
    this.#makeRoom(0);
  }

  get bytes(): number {
    return this.#index.bytes + this.#reserved;
  }

  get count(): number {
    return this.#index.count;
  }

  find(id: string): DiskEntry | undefined {
    const number = this.#index.find(id);
    return number === undefined ? undefined : this.#index.entry(number);
  }

  fits(size: number): boolean {
    return size <= this.#limits.size * LARGEST_SHARE;
  }

  async open(stored: Stored): Promise<Opened | undefined> {
    const number = this.#numberOf(stored);
    const entry = number === undefined ? undefined : this.#index.entry(number);
    if (entry === undefined) return undefined;
    try {
      const file = await openFile(this.#folder.pathOf(entry.id, entry.file));
      try {
        const checked = await this.#checked.of(file, entry, entry.file);
        const { description } = checked.trailer;
        this.#use(stored);
        return { stored: entry, description, tier: 'disk', content: fileContent(file, checked, this.#options.chunks) };
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (err) {
      // The file is no worse for it; and whoever is asked instead needs a descriptor too.
      if (isCode(err, 'EMFILE', 'ENFILE')) throw new S3Error('ServiceUnavailable', { cause: err });
      this.#options.log.warn({ err }, 'a file of the cache cannot be used');
      if (isCode(err, 'EIO')) this.#fail(err);
      return undefined;
    }
  }

  draft(name: ObjectName, size: number): Draft | undefined {
    if (!this.fits(size) || !this.isUsable) return undefined;
    void this.#lookAtFreeSpace();
    const space = spaceOf(size);
    if (!this.#makeRoom(space)) return undefined;
    this.#reserved += space;
    return openDiskDraft(name, size, {
      folder: this.#folder,
      now: this.#options.now,
      onError: (error) => this.#fail(error),
      onKept: (entry) => this.#put(entry, this.#options.now(), space),
      onClosed: (remove, isCounted) => {
        if (!isCounted) this.#reserved -= space;
        this.#removals = this.#removals.then(remove).catch((error: unknown) => this.#fail(error));
      },
    });
  }

  async drop(stored: Stored): Promise<void> {
    await this.#remove(this.#numberOf(stored));
  }

  validated(stored: Stored, at: number): void {
    const number = this.#numberOf(stored);
    if (number !== undefined && at - this.#index.confirm(number, at) > TOUCH_MS) this.#journal.touch(number);
  }

  doubt(id: string): void {
    const number = this.#index.find(id);
    if (number !== undefined) this.#index.doubt(number);
  }

  doubtAll(place: string, bucket: string): void {
    this.#index.doubtAll(place, bucket);
  }

  *entries(): Iterable<DiskEntry> {
    for (const number of this.#index.numbers()) yield this.#index.entry(number);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const isRepaired = await this.#repair;
    await this.#removals;
    await this.#journal.compact();
    this.#folder.close(this.#journal.isWhole && isRepaired);
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #numberOf(stored: Stored): number | undefined {
    const number = this.#index.find(stored.id);
    return number !== undefined && this.#index.isVersion(number, stored) ? number : undefined;
  }

  /** @param reserved bytes that were set aside for it, and that the index counts from now on */
  #put(entry: DiskEntry, usedAt: number, reserved = 0): void {
    this.#reserved -= reserved;
    void this.#remove(this.#index.find(entry.id));
    this.#journal.put(this.#index.add(entry, usedAt));
    if (this.#journal.records > this.#index.count * 2 + 100_000) void this.#journal.compact();
  }

  #use(stored: Stored): void {
    const number = this.#numberOf(stored);
    if (number === undefined) return;
    const now = this.#options.now();
    if (now - this.#index.use(number, now) > TOUCH_MS) this.#journal.touch(number);
  }

  /** Not found from this moment on; resolves when the file is gone. */
  async #remove(number: number | undefined): Promise<void> {
    if (number !== undefined) await this.#unlink(this.#forget(number));
  }

  #forget(number: number): DiskEntry {
    const entry = this.#index.entry(number);
    this.#journal.drop(number);
    this.#index.remove(number);
    this.#checked.forget(entry.file);
    return entry;
  }

  async #unlink({ id, file }: DiskEntry): Promise<void> {
    await unlink(this.#folder.pathOf(id, file)).catch((error: unknown) => {
      if (!isCode(error, 'ENOENT')) this.#fail(error);
    });
  }

  /** Evicts until so many more bytes fit. False when they never will. */
  #makeRoom(bytes: number): boolean {
    while (this.#index.bytes + this.#reserved + bytes > this.#limits.size) {
      if (this.#evict() === undefined) return false;
    }
    return true;
  }

  #evict(): DiskEntry | undefined {
    const number = this.#index.victim(this.#limits.size);
    if (number === undefined) return undefined;
    const victim = this.#forget(number);
    this.#options.onEvicted(victim);
    this.#removals = this.#removals.then(() => this.#unlink(victim));
    return victim;
  }

  async #lookAtFreeSpace(): Promise<void> {
    const now = this.#options.now();
    if (now - this.#lookedAt < STATFS_MS) return;
    this.#lookedAt = now;
    try {
      const free = await freeSpace(this.#options.path);
      let missing = this.#limits.minFree - free.bytes;
      while (missing > 0) {
        const victim = this.#evict();
        if (victim === undefined) break;
        missing -= spaceOf(victim.size);
      }
      // Others fill the disk: what is evicted comes free, but nothing new is made of it.
      if (missing > 0 || free.isShortOfInodes) this.#health.leaveAlone();
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

  #fail(error: unknown): void {
    if (this.#isClosed || !this.#health.fail(error)) return;
    if (isCode(error, 'ENOSPC', 'EDQUOT')) for (let count = this.#index.count / 10; count > 0; count--) this.#evict();
  }
}
