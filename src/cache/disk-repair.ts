import { readdir, unlink } from 'node:fs/promises';
import { openFile, readTrailer } from './disk-content.ts';
import type { Trailer } from './disk-file.ts';
import { type DiskFolder, isCode, SHARDS } from './disk-folder.ts';
import type { DiskEntry, DiskLru } from './disk-lru.ts';
import { objectId } from './identity.ts';
import { newStored } from './memory-store.ts';

export interface RepairOptions {
  readonly isClosed: () => boolean;
  /** An entry has no file. */
  readonly onLost: (entry: DiskEntry) => Promise<void>;
  /** A whole file has no entry. */
  readonly onFound: (entry: DiskEntry) => void;
}

/**
 * Compares index and files while the cache is at work: takes in whole files that the index does not know, removes broken
 * ones, and takes out entries without a file.
 * @throws Error when the disk fails
 */
export async function repairIndex(folder: DiskFolder, lru: DiskLru, options: RepairOptions): Promise<void> {
  const byShard = Map.groupBy(lru.values(), ({ id }) => id.slice(0, 2));
  for (const digits of SHARDS) {
    if (options.isClosed()) return;
    const files = new Set(await readdir(folder.shard(digits)));
    for (const entry of byShard.get(digits) ?? []) {
      if (!files.delete(`${entry.id}-${entry.file}`)) await options.onLost(entry);
    }
    for (const file of files) await adopt(file, folder, lru, options.onFound);
  }
}

async function adopt(
  fileName: string,
  folder: DiskFolder,
  lru: DiskLru,
  onFound: (entry: DiskEntry) => void,
): Promise<void> {
  const [id = '', file = ''] = fileName.split('-', 2);
  // Kept since the listing was made.
  const isKnown = () => lru.get(id)?.file === file;
  if (isKnown()) return;
  const path = folder.pathOf(id, file);
  const trailer = await trailerOf(path);
  if (isKnown()) return;
  if (trailer === undefined || lru.get(id) !== undefined || objectId(trailer.name) !== id) {
    await unlink(path);
    return;
  }
  const { name, description } = trailer;
  const kept = { description, validatedAt: 0, isConfirmed: false, isCurrent: () => true };
  onFound({ ...newStored(name, kept, 0), file, usedAt: 0 });
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
