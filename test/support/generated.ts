import { Readable } from 'node:stream';

const BLOCK = 64 * 1024;

/** Bytes that look random and are the same for the same seed. */
export function generatedBytes(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  let index = 0;
  for (; index + 4 <= size; index += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(state, index);
  }
  for (; index < size; index++) bytes[index] = (state >>> (8 * (index % 4))) & 0xff;
  return bytes;
}

/** `generatedBytes(size, seed)` as a stream that makes nothing before it is asked for. */
export function generatedStream(size: number, seed: number): Readable {
  let state = (seed * 2654435761 + 1) >>> 0;
  let left = size;
  return new Readable({
    highWaterMark: BLOCK,
    read() {
      if (left === 0) return void this.push(null);
      const length = Math.min(BLOCK, left);
      const bytes = Buffer.allocUnsafe(length);
      let index = 0;
      for (; index + 4 <= length; index += 4) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        bytes.writeUInt32LE(state, index);
      }
      for (; index < length; index++) bytes[index] = (state >>> (8 * (index % 4))) & 0xff;
      left -= length;
      this.push(bytes);
    },
  });
}
