import type { Readable } from 'node:stream';
import { BLOCK_BYTES } from './content.ts';
import type { Permits } from './permits.ts';

/** How stretches of an object are asked for. */
export interface FillRanges {
  /**
   * Asks the storage for a stretch of exactly this version, both ends included. Undefined when it does not know ranges.
   * Rejects with an S3Error below 500 when there is another version by now.
   */
  readonly fetch: (start: number, end: number) => Promise<Readable | undefined>;
  /** The longest stretch that is asked for at a time, in bytes. */
  readonly partBytes: number;
  /** Turns at asking for stretches, which all fills from one place share. */
  readonly permits: Permits;
}

/**
 * Who fetches which stretch of an object: each is what one connection is asked for at a time, a whole number of blocks, and
 * claimed once. Positions are bytes.
 */
export interface Segments {
  /** The segment that holds a position: its first byte, and the one behind its last. */
  startOf(position: number): number;
  endOf(position: number): number;
  /** Claims the segment that holds `position`; false when another has it. */
  claim(position: number): boolean;
  free(position: number): void;
  /** Claims a free segment, one that starts at a place of `wanted` if possible, and gives its start; undefined when all are claimed. */
  take(wanted: readonly number[]): number | undefined;
  /** Whether any is free. */
  readonly areOpen: boolean;
}

/**
 * Segments of an object. The first connection goes through the object from its start; the others begin at the end of its
 * fair share, so that its answer need not be cut off before nearly all is there.
 * @param most bytes of a segment; they are shorter where some connection would have none
 */
export function createSegments(size: number, connections: number, most: number): Segments {
  const bytes = BLOCK_BYTES * Math.max(1, Math.ceil(Math.min(most, size / connections) / BLOCK_BYTES));
  const claimed = new Uint8Array(Math.ceil(size / bytes));
  const ahead = Math.ceil(claimed.length / connections);
  const claim = (position: number): boolean => {
    const index = Math.floor(position / bytes);
    if (claimed[index] !== 0) return false;
    claimed[index] = 1;
    return true;
  };
  const startOf = (position: number): number => position - (position % bytes);
  return {
    startOf,
    endOf: (position) => Math.min(startOf(position) + bytes, size),
    claim,
    free: (position) => {
      claimed[Math.floor(position / bytes)] = 0;
    },
    take: (wanted) => {
      const position = wanted.find(claim);
      if (position !== undefined) return position;
      const found = claimed.indexOf(0, ahead);
      const index = found >= 0 ? found : claimed.indexOf(0);
      if (index < 0) return undefined;
      claimed[index] = 1;
      return index * bytes;
    },
    get areOpen() {
      return claimed.includes(0);
    },
  };
}
