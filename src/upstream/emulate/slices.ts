import { Readable } from 'node:stream';
import type { Body } from '../../s3/message.ts';

/** A body read in blocks of one size. Destroy it when it is not read to its end. */
export interface Slices {
  /**
   * The whole body if it fits into one block, be it empty; undefined if it does not, and nothing is lost of it.
   * @throws what the body fails with
   */
  whole(): Promise<Buffer | undefined>;
  /** The blocks, each full but the last. @throws what the body fails with */
  blocks(): AsyncGenerator<Buffer>;
  destroy(): void;
}

/**
 * Cuts a body into blocks. Besides the blocks given out it holds what one chunk of the body has beyond them, and the two
 * that `whole` has read; the body is not read on while nobody asks.
 * @param body owned by the slices from here on
 * @param size bytes of a block
 */
export function sliceBody(body: Body, size: number): Slices {
  const source = body instanceof Readable ? body : Readable.from(body === null ? [] : [body]);
  const chunks: AsyncIterator<Uint8Array> = source[Symbol.asyncIterator]();
  const ahead: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);

  async function read(): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let length = 0;
    while (length < size) {
      if (rest.length === 0) {
        const { value, done } = await chunks.next();
        if (done === true) break;
        rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      }
      const taken = rest.subarray(0, size - length);
      rest = rest.subarray(taken.length);
      length += taken.length;
      parts.push(taken);
    }
    return length === 0 ? undefined : Buffer.concat(parts, length);
  }

  return {
    async whole() {
      const first = await read();
      if (first === undefined) return Buffer.alloc(0);
      const second = await read();
      if (second === undefined) return first;
      ahead.push(first, second);
      return undefined;
    },
    async *blocks() {
      for (let block = ahead.shift() ?? (await read()); block !== undefined; block = ahead.shift() ?? (await read())) {
        yield block;
      }
    },
    destroy() {
      source.on('error', ignore);
      source.destroy();
    },
  };
}

/** Whoever let go of a stream hears no more of it. */
function ignore(): void {}
