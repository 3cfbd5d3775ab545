import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Stored bytes: in memory while small, else in a file, so that a gigabyte costs no memory. */
export interface Blob {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  readonly place: Buffer | string;
}

/** What is computed over a body besides its MD5, as it passes. */
export interface Digest {
  update(chunk: Buffer): void;
}

const IN_MEMORY = 256 * 1024;

/** Keeps bytes below a folder of its owner, who removes it. */
export class Blobs {
  readonly #folder: string;
  /** Bytes of bodies taken so far, finished or not. */
  received = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Stores what a source gives, until its end. Rejects with the source's error and keeps nothing then. */
  async take(source: AsyncIterable<Buffer>, digests: readonly Digest[] = []): Promise<Blob> {
    const md5 = createHash('md5');
    let size = 0;
    const note = (chunk: Buffer): void => {
      md5.update(chunk);
      for (const digest of digests) digest.update(chunk);
      size += chunk.length;
      this.received += chunk.length;
    };
    const place = await this.#spill(source, join(this.#folder, randomUUID()), note);
    return { size, md5: md5.digest('hex'), place };
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
