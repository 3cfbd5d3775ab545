/** Bytes that are written, read, waited for and checked together. */
export const BLOCK_BYTES = 256 * 1024;

/** Number of blocks of an object; the last may be shorter. */
export function blockCount(size: number): number {
  return Math.ceil(size / BLOCK_BYTES);
}

/** Length of one block of an object. */
export function blockLength(size: number, index: number): number {
  return Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES);
}

/** The bytes of one whole version, opened for reading. */
export interface Content {
  /**
   * One block, found whole and right.
   * @throws Error when it is gone or damaged
   */
  read(index: number): Promise<Uint8Array>;
  close(): void;
}
