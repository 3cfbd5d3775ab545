import type { Lender } from '../s3/lending.ts';

/**
 * Memory for bytes on their way from disk to sockets, used again and again: fresh memory for every chunk costs more than
 * reading and sending it, as the collector runs for each few megabytes of it.
 */
export interface ChunkPool extends Lender {
  /** Memory for `wanted` bytes, or for fewer when much is lent: `SMALLEST_CHUNK` is always given. */
  take(wanted: number): Buffer<ArrayBuffer>;
  /** Whether there is memory for more than what must be sent next. */
  readonly hasRoom: boolean;
  /** Has another budget from now on. */
  resize(budget: number): void;
  /** Bytes held, lent or not. */
  readonly bytes: number;
  /** Bytes lent. */
  readonly lent: number;
}

export const SMALLEST_CHUNK = 64 * 1024;
/** What is asked for of readers who may stop soon. They get no more than a part of all, so that those who go on have the rest. */
export const BRIEF_CHUNK = 256 * 1024;
const BRIEF_PART = 3 / 4;
/** Beyond this, larger reads cost no less. */
export const LARGEST_CHUNK = 2 ** 20;
/** Nobody gets more than this share of what is left, so that many slow readers hold little each. */
const SHARE = 8;

/** @param size bytes; more are held only when readers are so many that the smallest chunk of each is beyond it */
export function createChunkPool(size: number): ChunkPool {
  let budget = size;
  const idle = new Map<number, ArrayBuffer[]>();
  const lentOut = new WeakSet<ArrayBufferLike>();
  let bytes = 0;
  let idleBytes = 0;
  // A chunk may be dropped by somebody who never heard of lending.
  const collected = new FinalizationRegistry<number>((size) => {
    bytes -= size;
  });
  const forget = (memory: ArrayBufferLike): void => {
    collected.unregister(memory);
    bytes -= memory.byteLength;
  };
  const popIdle = (size: number): ArrayBuffer | undefined => {
    const memory = idle.get(size)?.pop();
    if (memory !== undefined) idleBytes -= size;
    return memory;
  };
  const shrink = (needed: number): void => {
    for (let size = LARGEST_CHUNK; size >= SMALLEST_CHUNK; size /= 2) {
      while (bytes + needed > budget) {
        const memory = popIdle(size);
        if (memory === undefined) break;
        forget(memory);
      }
    }
  };
  const allocate = (size: number): ArrayBuffer => {
    shrink(size);
    const { buffer } = Buffer.allocUnsafeSlow(size);
    bytes += size;
    collected.register(buffer, size, buffer);
    return buffer;
  };
  return {
    take: (wanted) => {
      const usable = wanted > BRIEF_CHUNK ? budget : budget * BRIEF_PART;
      const most = Math.min(wanted, (usable - (bytes - idleBytes)) / SHARE, LARGEST_CHUNK);
      let size = SMALLEST_CHUNK;
      while (size * 2 <= most) size *= 2;
      const memory = popIdle(size) ?? allocate(size);
      lentOut.add(memory);
      return Buffer.from(memory, 0, Math.min(size, wanted));
    },
    giveBack: ({ buffer }) => {
      if (!lentOut.delete(buffer)) return;
      // Taken from here, and so no shared memory.
      const memory = buffer as ArrayBuffer;
      if (bytes > budget) {
        forget(memory);
        return;
      }
      const size = memory.byteLength;
      idleBytes += size;
      const same = idle.get(size);
      if (same === undefined) idle.set(size, [memory]);
      else same.push(memory);
    },
    abandon: ({ buffer }) => {
      if (lentOut.delete(buffer)) forget(buffer);
    },
    resize: (other) => {
      budget = other;
      shrink(0);
    },
    get hasRoom() {
      return bytes - idleBytes < budget / 2;
    },
    get bytes() {
      return bytes;
    },
    get lent() {
      return bytes - idleBytes;
    },
  };
}
