import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES, blockLength, type Content } from './content.ts';
import { decodeTrailer, TAIL_BYTES, type Trailer, trailerLength } from './disk-file.ts';

/** Most trailers are shorter; a longer one takes a second read. */
const FIRST_READ = 4096;

/** Opens a file of the cache for reading; never through a link. @throws Error */
export function openFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
}

/** Reads what lies behind the bytes of a version. Undefined when the file is not a whole one. @throws Error */
export async function readTrailer(file: FileHandle): Promise<Trailer | undefined> {
  const { size } = await file.stat();
  if (size < TAIL_BYTES) return undefined;
  const last = await readAt(file, Math.max(0, size - FIRST_READ), Math.min(size, FIRST_READ));
  const length = trailerLength(last.subarray(last.length - TAIL_BYTES), size);
  if (length === undefined) return undefined;
  return decodeTrailer(
    length <= last.length ? last.subarray(last.length - length) : await readAt(file, size - length, length),
  );
}

/** A version's bytes, each block checked as it is read. Closes the file. */
export function fileContent(file: FileHandle, { description, checksums }: Trailer): Content {
  const { size } = description;
  return {
    read: async (index) => {
      const block = await readAt(file, index * BLOCK_BYTES, blockLength(size, index));
      if (crc32(block) !== checksums[index]) throw new Error(`block ${index} is damaged`);
      return block;
    },
    close: () => void file.close().catch(() => undefined),
  };
}

/** @throws Error when the file has no such bytes */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) throw new Error(`the file ends before byte ${position + length}`);
    filled += bytesRead;
  }
  return bytes;
}

export async function writeAt(file: FileHandle, position: number, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
