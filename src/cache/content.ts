import type { Lender } from '../s3/lending.ts';

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

/** The bytes of one whole version, opened for reading. What is given is right. */
export interface Content {
  /**
   * Bytes from `position` on, up to `end`, which is included, or to the end of the block, whichever comes first.
   * @throws Error when they are gone or damaged
   */
  read(position: number, end: number): Promise<Uint8Array>;
  /** The same in memory that wants to be given back. */
  readonly lending?: LendingContent;
  close(): void;
}

export interface LendingContent {
  /** Bytes from `position` on, at least one and none beyond `end`, which is included; of several blocks where there is memory. @throws Error */
  read(position: number, end: number): Promise<Uint8Array>;
  readonly lender: Lender;
  /** Whether there is memory to read ahead into. */
  readonly hasRoom: boolean;
}

/** One block of a version of this size. @throws Error */
export function readBlock(content: Content, size: number, index: number): Promise<Uint8Array> {
  return content.read(index * BLOCK_BYTES, size - 1);
}
