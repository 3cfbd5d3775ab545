import { BLOCK_BYTES } from './content.ts';

/** What one connection is asked for at a time: a whole number of blocks. */
export const SEGMENT_BYTES = 32 * BLOCK_BYTES;

/** Who fetches which stretch of an object: each is claimed once. Positions are bytes. */
export interface Segments {
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
 */
export function createSegments(size: number, connections: number): Segments {
  const claimed = new Uint8Array(Math.ceil(size / SEGMENT_BYTES));
  const ahead = Math.ceil(claimed.length / connections);
  const claim = (position: number): boolean => {
    const index = Math.floor(position / SEGMENT_BYTES);
    if (claimed[index] !== 0) return false;
    claimed[index] = 1;
    return true;
  };
  return {
    claim,
    free: (position) => {
      claimed[Math.floor(position / SEGMENT_BYTES)] = 0;
    },
    take: (wanted) => {
      const position = wanted.find(claim);
      if (position !== undefined) return position;
      const found = claimed.indexOf(0, ahead);
      const index = found >= 0 ? found : claimed.indexOf(0);
      if (index < 0) return undefined;
      claimed[index] = 1;
      return index * SEGMENT_BYTES;
    },
    get areOpen() {
      return claimed.includes(0);
    },
  };
}
