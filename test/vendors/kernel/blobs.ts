import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';

/** Stored bytes: in memory while small, else in a file, so that a gigabyte costs no memory. */
export interface Blob {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  readonly sha256: string;
  /** Base64, as in the `x-amz-checksum-` headers. */
  readonly checksums: Readonly<Record<'crc32' | 'sha1' | 'sha256', string>>;
  readonly place: Buffer | string;
}

const IN_MEMORY = 256 * 1024;

/** Keeps bytes below a folder of its owner, who removes it. */
export class Blobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Stores what a source gives, until its end. Rejects with the source's error and keeps nothing then. */
  async take(source: AsyncIterable<Buffer>): Promise<Blob> {
    const hashes: readonly Hash[] = [createHash('md5'), createHash('sha256'), createHash('sha1')];
    let sum = 0;
    let size = 0;
    const note = (chunk: Buffer): void => {
      for (const hash of hashes) hash.update(chunk);
      sum = crc32(chunk, sum);
      size += chunk.length;
    };
    const path = join(this.#folder, randomUUID());
    const place = await this.#spill(source, path, note);
    const [md5 = '', sha256 = '', sha1 = ''] = hashes.map((hash) => hash.digest('base64'));
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(sum);
    const hex = (text: string): string => Buffer.from(text, 'base64').toString('hex');
    return {
      size,
      md5: hex(md5),
      sha256: hex(sha256),
      checksums: { crc32: crc.toString('base64'), sha1, sha256 },
      place,
    };
  }

  async #spill(source: AsyncIterable<Buffer>, path: string, note: (chunk: Buffer) => void): Promise<Buffer | string> {
    const held: Buffer[] = [];
    let size = 0;
    const iterator = source[Symbol.asyncIterator]();
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) return Buffer.concat(held);
      note(value);
      held.push(Buffer.from(value));
      size += value.length;
      if (size > IN_MEMORY) break;
    }
    async function* all(): AsyncGenerator<Buffer> {
      yield* held.splice(0);
      for (;;) {
        const { value, done } = await iterator.next();
        if (done === true) return;
        note(value);
        yield value;
      }
    }
    try {
      await pipeline(all, createWriteStream(path));
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
    return path;
  }
}

/** The bytes from `start` to `end`, `end` included, of blobs one after another. */
export function read(blobs: readonly Blob[], start: number, end: number): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const { size, place } of blobs) {
      const from = Math.max(start - offset, 0);
      const to = Math.min(end - offset, size - 1);
      offset += size;
      if (from > to) continue;
      if (Buffer.isBuffer(place)) yield place.subarray(from, to + 1);
      else yield* createReadStream(place, { start: from, end: to });
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
