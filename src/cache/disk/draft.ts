import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, blockCount, blockLength } from '../content.ts';
import { type ObjectName, objectId, versionId } from '../identity.ts';
import { newStored } from '../memory-store.ts';
import type { Draft, KeepOptions } from '../store.ts';
import { readInto, writeAt } from './content.ts';
import type { DiskEntry } from './entry-index.ts';
import { encodeTrailer } from './file.ts';
import { type DiskFolder, isCode } from './folder.ts';

export interface DiskDraftOptions {
  readonly folder: DiskFolder;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
  /** Puts what is whole and in its place into the index. */
  readonly onKept: (entry: DiskEntry) => void;
  /** Told once, with what is left to do, and whether the index has counted it since it was kept: readers may follow it for long. */
  readonly onClosed: (remove: () => Promise<void>, isCounted: boolean) => void;
}

/** A file that is written in any order, and gets its name when it is whole. */
export function openDiskDraft(name: ObjectName, size: number, options: DiskDraftOptions): Draft {
  const { folder, now, onError } = options;
  const path = folder.temporary(randomBytes(12).toString('hex'));
  const file = createFile(path, folder);
  // Whoever uses it hears of a failure.
  file.catch(() => undefined);
  const checksums = new Uint32Array(blockCount(size));
  let isKept = false;
  let isCounted = false;
  let isClosed = false;

  const keep = async (kept: KeepOptions): Promise<boolean> => {
    await writeAt(await file, size, encodeTrailer({ name, description: kept.description, checksums }));
    const id = objectId(name);
    const own = versionId(kept.description.etag, size) + randomBytes(4).toString('hex');
    folder.arriving.add(own);
    try {
      await moveIn(path, folder.pathOf(id, own), folder);
      isKept = true;
      if (!kept.isCurrent()) {
        await unlink(folder.pathOf(id, own)).catch(ignoreAbsent);
        return false;
      }
      isCounted = true;
      options.onKept({ ...newStored(name, kept, now()), file: own });
      return true;
    } finally {
      folder.arriving.delete(own);
    }
  };
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      onError(error);
      throw error;
    }
  };
  const write = async (index: number, bytes: Uint8Array): Promise<void> => {
    checksums[index] = crc32(bytes);
    await writeAt(await file, index * BLOCK_BYTES, bytes);
  };
  return {
    holdsBytes: false,
    write: (index, bytes) => guarded(write(index, bytes)),
    read: async (index, into) => {
      const length = blockLength(size, index);
      const bytes = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
      await readInto(await file, bytes, index * BLOCK_BYTES);
      if (crc32(bytes) !== checksums[index]) throw new Error(`block ${index} is damaged`);
      return bytes;
    },
    keep: (kept) => guarded(keep(kept)),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      options.onClosed(async () => {
        const opened = await file.catch(() => undefined);
        if (opened === undefined) return;
        await opened.close();
        if (!isKept) await unlink(path).catch(ignoreAbsent);
      }, isCounted);
    },
  };
}

async function createFile(path: string, folder: DiskFolder): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  return open(path, flags, 0o600).catch((error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw error;
    // Emptying the cache by hand is allowed.
    folder.repair();
    return open(path, flags, 0o600);
  });
}

async function moveIn(path: string, place: string, folder: DiskFolder): Promise<void> {
  await rename(path, place).catch((error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw error;
    folder.repair();
    return rename(path, place);
  });
}

function ignoreAbsent(error: unknown): void {
  if (!isCode(error, 'ENOENT')) throw error;
}
