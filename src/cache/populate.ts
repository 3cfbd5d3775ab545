import { BLOCK_BYTES, blockCount, blockLength, type Content } from './content.ts';
import { isIntact } from './integrity.ts';
import type { KeyState } from './key-state.ts';
import type { ObjectWrite } from './object-write.ts';
import type { Shared } from './shared.ts';
import type { Draft } from './store.ts';
import type { Write } from './write.ts';
import { afterWrite, askWritten } from './written.ts';

/** What is to be kept after a write. */
export interface Product {
  readonly draft: Draft;
  readonly size: number;
  /** As the storage answered to the write; unquoted. */
  readonly etag: string;
  readonly counter: 'writesKept' | 'copiesKept';
  /** Brings the draft's bytes; false when they are not all there, or not those that were written. */
  readonly fill: () => Promise<boolean>;
}

/** Keeps what was written, in the background; readers whose rule need not ask wait for it. Takes over the draft. */
export function keep(write: ObjectWrite, own: Write, product: Product, shared: Shared): void {
  afterWrite(write, own, shared, async (isCurrent) => {
    try {
      if (!(await product.fill()) || !isCurrent()) return;
      if (await keepAsShown(write, own.state, { ...product, isCurrent }, shared))
        shared.recorder.count(product.counter);
    } finally {
      product.draft.close();
    }
  });
}

/** Keeps it as the storage shows it; when it shows another version by then, nothing is kept. @returns whether it was kept */
async function keepAsShown(
  write: ObjectWrite,
  state: KeyState,
  { draft, isCurrent, ...written }: Product & { readonly isCurrent: () => boolean },
  shared: Shared,
): Promise<boolean> {
  const shown = await askWritten(write, state, { ...written, isCurrent }, shared);
  if (shown === undefined || !(await isIntact(shown.description, draft))) return false;
  const { description, askedAt: validatedAt } = shown;
  return draft.keep({ description, validatedAt, isConfirmed: true, isCurrent: shown.isCurrent });
}

/** Bytes one behind the other. */
export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A stretch of a kept version, both ends included. */
export async function* bytesOfContent(content: Content, start: number, end: number): AsyncIterable<Uint8Array> {
  for (let position = start; position <= end; ) {
    const bytes = await content.read(position, end);
    yield bytes;
    position += bytes.length;
  }
}

/** All that was written into a draft. */
export async function* bytesOfDraft({ read }: Pick<Draft, 'read'>, size: number): AsyncIterable<Uint8Array> {
  for (let index = 0; index < blockCount(size); index++) yield await read(index);
}

/** Writes the bytes of several pieces, `size` in all, one behind the other, into a draft. @throws Error */
export async function concatenate(
  pieces: readonly Bytes[],
  size: number,
  draft: Pick<Draft, 'holdsBytes' | 'write'>,
): Promise<void> {
  let index = 0;
  let filled = 0;
  let block = Buffer.allocUnsafeSlow(size === 0 ? 0 : blockLength(size, 0));
  for (const piece of pieces) {
    for await (const bytes of piece) {
      for (let rest = bytes; rest.length > 0; ) {
        const taken = Math.min(block.length - filled, rest.length);
        if (taken === 0) throw new Error(`there are more than ${size} bytes`);
        block.set(rest.subarray(0, taken), filled);
        filled += taken;
        rest = rest.subarray(taken);
        if (filled < block.length) continue;
        await draft.write(index, block);
        index++;
        filled = 0;
        const length = Math.max(0, Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES));
        if (draft.holdsBytes || block.length !== length) block = Buffer.allocUnsafeSlow(length);
      }
    }
  }
  if (index !== blockCount(size)) throw new Error(`there are fewer than ${size} bytes`);
}
