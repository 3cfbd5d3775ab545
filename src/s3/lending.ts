import type { Readable } from 'node:stream';

/**
 * A body that would like its memory back. Whoever calls `lend` says of every chunk it then gets when nobody reads it any
 * more; the chunk's bytes are others' from that moment on. Who does not call it keeps its chunks as of any stream.
 */
export interface LendingBody extends Readable {
  lend(): Lender;
}

export interface Lender {
  /** The chunk was read to its end: nothing refers to it any more. */
  giveBack(chunk: Uint8Array): void;
  /** It may still be in use somewhere: its memory is left to the collector. */
  abandon(chunk: Uint8Array): void;
}

export function isLending(body: Readable): body is LendingBody {
  return 'lend' in body && typeof body.lend === 'function';
}
