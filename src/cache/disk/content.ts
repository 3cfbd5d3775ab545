import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { ChunkPool } from '../chunk-pool.ts';
import { BLOCK_BYTES, blockLength, type Content } from '../content.ts';
import type { Checked } from './checked.ts';
import { decodeTrailer, TAIL_BYTES, type Trailer, trailerLength } from './file.ts';

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

/** A version's bytes; each block is checked when it is read for the first time. Closes the file. */
export function fileContent(file: FileHandle, { trailer, blocks }: Checked, chunks: ChunkPool): Content {
  const { checksums } = trailer;
  const { size } = trailer.description;

  /** Goes through a block of which only a part is wanted. */
  async function checkWhole(index: number): Promise<void> {
    const chunk = chunks.take(BLOCK_BYTES);
    try {
      const end = index * BLOCK_BYTES + blockLength(size, index);
      let checksum = 0;
      for (let position = index * BLOCK_BYTES; position < end; position += chunk.length) {
        checksum = crc32(await readInto(file, chunk.subarray(0, end - position), position), checksum);
      }
      check(index, checksum);
    } finally {
      chunks.giveBack(chunk);
    }
  }

  function check(index: number, checksum: number): void {
    if (checksum !== checksums[index]) throw new Error(`block ${index} is damaged`);
    blocks[index] = 1;
  }

  async function readChecked(bytes: Buffer, position: number): Promise<Buffer> {
    const end = position + bytes.length;
    const whole: number[] = [];
    for (let index = Math.floor(position / BLOCK_BYTES); index * BLOCK_BYTES < end; index++) {
      const start = index * BLOCK_BYTES;
      if (blocks[index] === 1) continue;
      if (start >= position && start + blockLength(size, index) <= end) whole.push(index);
      else await checkWhole(index);
    }
    await readInto(file, bytes, position);
    for (const index of whole) {
      const start = index * BLOCK_BYTES - position;
      check(index, crc32(bytes.subarray(start, start + blockLength(size, index))));
    }
    return bytes;
  }

  return {
    read: (position, end) => {
      const stop = Math.min(end + 1, (Math.floor(position / BLOCK_BYTES) + 1) * BLOCK_BYTES);
      return readChecked(Buffer.allocUnsafeSlow(stop - position), position);
    },
    lending: {
      lender: chunks,
      get hasRoom() {
        return chunks.hasRoom;
      },
      read: async (position, end) => {
        const chunk = chunks.take(end + 1 - position);
        try {
          return await readChecked(chunk.subarray(0, lengthOfWhole(position, chunk.length, end)), position);
        } catch (error) {
          chunks.giveBack(chunk);
          throw error;
        }
      },
    },
    close: () => void file.close().catch(() => undefined),
  };
}

/** Ends at the end of a block where there is one: then no block is read for its check alone. */
function lengthOfWhole(position: number, length: number, end: number): number {
  const stop = position + length;
  const wholeStop = Math.floor(stop / BLOCK_BYTES) * BLOCK_BYTES;
  return stop > end || wholeStop <= position ? length : wholeStop - position;
}

/** @throws Error when the file has no such bytes */
export function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  return readInto(file, Buffer.allocUnsafeSlow(length), position);
}

/** Fills `bytes`. @throws Error when the file has no such bytes */
export async function readInto<T extends Uint8Array>(file: FileHandle, bytes: T, position: number): Promise<T> {
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled);
    if (bytesRead === 0) throw new Error(`the file ends before byte ${position + bytes.length}`);
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
