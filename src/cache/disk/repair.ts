import { readdir, unlink } from 'node:fs/promises';
import { objectId } from '../identity.ts';
import { newStored } from '../memory-store.ts';
import { openFile, readTrailer } from './content.ts';
import type { DiskEntry, DiskIndex } from './entry-index.ts';
import type { Trailer } from './file.ts';
import { type DiskFolder, isCode, SHARDS } from './folder.ts';

export interface RepairOptions {
  readonly folder: DiskFolder;
  readonly index: DiskIndex;
  readonly isClosed: () => boolean;
  /** An entry has no file. */
  readonly onLost: (number: number) => Promise<void>;
  /** A whole file has no entry. */
  readonly onFound: (entry: DiskEntry) => void;
}

/**
 * Compares index and files while the cache is at work: takes in whole files that the index does not know, removes broken
 * ones, and takes out entries without a file.
 * @returns whether it came to its end
 * @throws Error when the disk fails
 */
export async function repairIndex(options: RepairOptions): Promise<boolean> {
  const { folder, index, isClosed, onLost } = options;
  for (const digits of SHARDS) {
    if (isClosed()) return false;
    for (const file of await readdir(folder.shard(digits))) await look(file, options);
  }
  for (const number of index.numbers()) {
    if (isClosed()) return false;
    // What came since the start has been marked then.
    if (!index.isMarked(number)) await onLost(number);
  }
  return true;
}

async function look(fileName: string, { folder, index, onFound }: RepairOptions): Promise<void> {
  const [id = '', file = ''] = fileName.split('-', 2);
  // Also when it was kept since the listing was made.
  const isKnown = (): boolean => {
    const number = index.find(id);
    if (number === undefined || index.entry(number).file !== file) return false;
    index.mark(number);
    return true;
  };
  if (isKnown()) return;
  const path = folder.pathOf(id, file);
  const trailer = await trailerOf(path);
  if (isKnown()) return;
  if (trailer === undefined || index.find(id) !== undefined || objectId(trailer.name) !== id) {
    await unlink(path);
    return;
  }
  const { name, description } = trailer;
  const kept = { description, validatedAt: 0, isConfirmed: false, isCurrent: () => true };
  onFound({ ...newStored(name, kept, 0), file });
}

/** Undefined when it is a link, gone, or not whole. @throws Error */
async function trailerOf(path: string): Promise<Trailer | undefined> {
  const file = await openFile(path).catch((error: unknown) => {
    if (isCode(error, 'ELOOP', 'ENOENT')) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    return await readTrailer(file);
  } finally {
    await file.close();
  }
}
