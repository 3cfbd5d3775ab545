import { BLOCK_BYTES, blockCount, blockLength } from './content.ts';
import { describe, mayBeKept } from './description.ts';
import { isIntact } from './integrity.ts';
import type { KeyState } from './key-state.ts';
import { dropBody, type Origin } from './origin.ts';
import type { Shared } from './shared.ts';
import type { Draft } from './store.ts';

/** What was written, and where its bytes lie. */
export interface Written {
  readonly state: KeyState;
  /** The object's generation when the write had ended. */
  readonly epoch: number;
  readonly draft: Draft;
  /** As the storage answered to the write; unquoted. */
  readonly etag: string;
  readonly size: number;
}

/**
 * Keeps what was just written. The storage's answer to a write lacks what a reader must be told - the date, how it spells
 * the type - so it is asked once; when it shows another version by then, nothing is kept.
 * @returns whether it was kept
 */
export async function keepWritten(written: Written, origin: Origin, shared: Shared): Promise<boolean> {
  const { state, epoch, draft, etag, size } = written;
  const isCurrent = () => state.writes === 0 && state.epoch === epoch;
  const askedAt = shared.now();
  if (!isCurrent()) return false;
  const response = await origin.head();
  dropBody(response.body);
  const found = describe(response.headers);
  if (found === undefined || found.etag !== etag || found.size !== size || !mayBeKept(found)) return false;
  if (!isCurrent() || !(await isIntact(found, draft))) return false;
  return draft.keep({ description: found, validatedAt: askedAt, isConfirmed: true, isCurrent });
}

/** Bytes that can be read block by block. */
export interface Blocks {
  readonly size: number;
  read(index: number): Promise<Uint8Array>;
}

/** Writes the bytes of several pieces, one behind the other, into a draft. @throws Error */
export async function concatenate(pieces: readonly Blocks[], draft: Pick<Draft, 'write'>): Promise<void> {
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
  let index = 0;
  let filled = 0;
  let block = Buffer.allocUnsafeSlow(size === 0 ? 0 : blockLength(size, 0));
  for (const piece of pieces) {
    for (let each = 0; each < blockCount(piece.size); each++) {
      let rest = await piece.read(each);
      while (rest.length > 0) {
        const taken = Math.min(block.length - filled, rest.length);
        block.set(rest.subarray(0, taken), filled);
        filled += taken;
        rest = rest.subarray(taken);
        if (filled < block.length) continue;
        await draft.write(index, block);
        index++;
        filled = 0;
        block = Buffer.allocUnsafeSlow(Math.max(0, Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES)));
      }
    }
  }
}
