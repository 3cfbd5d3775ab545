import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { objectId } from '../identity.ts';
import { newStored } from '../memory-store.ts';
import { openFile, readTrailer } from './content.ts';
import type { DiskEntry, DiskIndex } from './entry-index.ts';
import type { Trailer } from './file.ts';
import { type DiskFolder, isCode, SHARDS } from './folder.ts';

export interface RepairOptions {
  readonly folder: DiskFolder;
  readonly index: DiskIndex;
  /** Ends it when the cache is closed. */
  readonly signal: AbortSignal;
  /** What the disk refused is looked at again after so long. */
  readonly retryMs: number;
  /** Told once of each time that the disk refused any. */
  readonly onError: (error: unknown) => void;
  /** An entry has no file. */
  readonly onLost: (number: number) => Promise<void>;
  /** A whole file has no entry. */
  readonly onFound: (entry: DiskEntry) => void;
}

/**
 * Compares index and files while the cache is at work: takes in whole files that the index does not know, removes all that is
 * no file of the cache, and takes out entries without a file.
 * @returns whether it came to its end
 */
export async function repairIndex(options: RepairOptions): Promise<boolean> {
  const { index, signal, onLost } = options;
  let left: readonly string[] = SHARDS;
  while (left.length > 0 && !signal.aborted) {
    left = await lookAt(left, options);
    if (left.length > 0) await pause(options.retryMs, undefined, { signal }).catch(() => undefined);
  }
  for (const number of index.numbers()) {
    if (signal.aborted) return false;
    // What came since the start has been marked then.
    if (!index.isMarked(number)) await onLost(number);
  }
  return !signal.aborted;
}

/** Gives those that the disk refused. */
async function lookAt(shards: readonly string[], options: RepairOptions): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const digits of shards) {
    try {
      const shard = options.folder.shard(digits);
      for (const file of await readdir(shard).catch(noneWhereAbsent)) {
        if (options.signal.aborted) return shards;
        await look(shard, file, options);
      }
    } catch (error) {
      if (refused.length === 0) options.onError(error);
      refused.push(digits);
    }
  }
  return refused;
}

async function look(shard: string, fileName: string, { folder, index, onFound }: RepairOptions): Promise<void> {
  const [id = '', file = ''] = fileName.split('-', 2);
  // Also when it was kept since the listing was made.
  const isKnown = (): boolean => {
    if (folder.arriving.has(file)) return true;
    const number = index.find(id);
    if (number === undefined || index.entry(number).file !== file) return false;
    index.mark(number);
    return true;
  };
  const path = join(shard, fileName);
  // Evicted since, it is gone already.
  const remove = () => rm(path, { recursive: true, force: true });
  if (path !== folder.pathOf(id, file)) return remove();
  if (isKnown()) return;
  const trailer = await trailerOf(path);
  if (isKnown()) return;
  if (trailer === undefined || index.find(id) !== undefined || objectId(trailer.name) !== id) return remove();
  const { name, description } = trailer;
  const kept = { description, validatedAt: 0, isConfirmed: false, isCurrent: () => true };
  onFound({ ...newStored(name, kept, 0), file });
}

/** Undefined when it is none, gone, or not whole. @throws Error when that cannot be told */
async function trailerOf(path: string): Promise<Trailer | undefined> {
  try {
    const file = await openFile(path);
    try {
      return await readTrailer(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    // A link, a folder, somebody else's, a bad place of the disk.
    if (isCode(error, 'ELOOP', 'ENOENT', 'EISDIR', 'EACCES', 'ENXIO', 'EIO')) return undefined;
    throw error;
  }
}

function noneWhereAbsent(error: unknown): string[] {
  if (isCode(error, 'ENOENT')) return [];
  throw error;
}
