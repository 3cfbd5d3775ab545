import type { FileHandle } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { objectId } from '../identity.ts';
import type { Stored } from '../store.ts';
import { readTrailer } from './content.ts';
import type { Trailer } from './file.ts';

/** Which blocks of one file were found right, for as long as nothing touches the file. */
export interface Checked {
  readonly trailer: Trailer;
  /** One for each block that was. */
  readonly blocks: Uint8Array;
  /** What the file system says of the file: all changes but those of the disk itself show in it. */
  readonly mark: string;
  /** When it was read first. */
  readonly since: number;
}

/** What is known of files that were read lately. */
export interface CheckedFiles {
  /**
   * @param file the entry's file, open
   * @param name of the file
   * @throws Error when it is not the one of that version, or cannot be read
   */
  of(file: FileHandle, stored: Stored, name: string): Promise<Checked>;
  forget(name: string): void;
}

/** A block that was found right is checked again after this: what a disk loses shows in nothing else. */
const CHECKED_MS = 3_600_000;
const MAX_BYTES = 32 * 2 ** 20;

export function createCheckedFiles(now: () => number): CheckedFiles {
  const files = new LRUCache<string, Checked>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ blocks }) => 1024 + 5 * blocks.byteLength,
  });
  return {
    of: async (file, stored, name) => {
      const mark = await markOfFile(file);
      const known = files.get(name);
      if (known?.mark === mark && now() - known.since < CHECKED_MS) return known;
      const trailer = await readTrailer(file);
      if (trailer === undefined || !isOf(trailer, stored)) throw new Error('the file is not the one it should be');
      const checked = { trailer, blocks: new Uint8Array(trailer.checksums.length), mark, since: now() };
      files.set(name, checked);
      return checked;
    },
    forget: (name) => void files.delete(name),
  };
}

/** Tells a file that was touched from one that was not: no write passes by its time of change. */
async function markOfFile(file: FileHandle): Promise<string> {
  const { ino, size, ctimeNs } = await file.stat({ bigint: true });
  return `${ino} ${size} ${ctimeNs}`;
}

function isOf({ name, description }: Trailer, stored: Stored): boolean {
  return objectId(name) === stored.id && description.etag === stored.etag && description.size === stored.size;
}
