import { BLOCK_BYTES, blockCount, blockLength } from './content.ts';
import type { Draft } from './store.ts';

/** A block of which only the first bytes have come. */
interface PartialBlock {
  readonly bytes: Uint8Array;
  filled: number;
  /** A reader was given some of it. */
  isRead: boolean;
}

type BlockDraft = Pick<Draft, 'holdsBytes' | 'read' | 'write'>;

/** Blocks that stay in memory for the readers behind the first one: those that read together read the disk once. */
const RECENT_BLOCKS = 8;

/**
 * The blocks of one version that is under way: bytes are put in anywhere, go to the draft block by block, and can be
 * read as soon as they have come.
 */
export class FillBlocks {
  readonly #size: number;
  readonly #draft: BlockDraft;
  readonly #done: Uint8Array;
  readonly #partials = new Map<number, PartialBlock>();
  /** Memory of blocks that were written and that nobody has: fresh memory for each makes the collector run all the time. */
  readonly #spare: Uint8Array[] = [];
  readonly #recent = new Map<number, Promise<Uint8Array>>();
  readonly #waiting = new Map<number, (() => void)[]>();

  constructor(size: number, draft: BlockDraft) {
    this.#size = size;
    this.#draft = draft;
    this.#done = new Uint8Array(blockCount(size));
  }

  /** Places of readers that wait: the first byte of each block. */
  get wanted(): number[] {
    return [...this.#waiting.keys()].map((index) => index * BLOCK_BYTES);
  }

  /** The first block that is not there, or -1. */
  get missing(): number {
    return this.#done.indexOf(0);
  }

  /** Where the first block between two places that is not there begins; `end` when all are. Both are blocks' begins. */
  firstMissing(start: number, end: number): number {
    let position = start;
    while (position < end && this.#done[position / BLOCK_BYTES] === 1) position += BLOCK_BYTES;
    return position;
  }

  /**
   * Bytes from `position` on, at least one and none beyond `end`, which is included; undefined when none has come yet.
   * @throws Error when the draft cannot be read
   */
  read(position: number, end: number): Promise<Uint8Array> | Uint8Array | undefined {
    const index = Math.floor(position / BLOCK_BYTES);
    const from = position - index * BLOCK_BYTES;
    const to = Math.min(BLOCK_BYTES, end + 1 - index * BLOCK_BYTES);
    if (this.#done[index] === 1) return this.#block(index).then((block) => block.subarray(from, to));
    const partial = this.#partials.get(index);
    if (partial === undefined || partial.filled <= from) return undefined;
    partial.isRead = true;
    return partial.bytes.subarray(from, Math.min(to, partial.filled));
  }

  /** Resolves when more of the block at `position` has come, or `wakeAll` was called. */
  wait(position: number): Promise<void> {
    const index = Math.floor(position / BLOCK_BYTES);
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(index);
      if (waiting === undefined) this.#waiting.set(index, [resolve]);
      else waiting.push(resolve);
    });
  }

  wakeAll(): void {
    for (const index of [...this.#waiting.keys()]) this.#wake(index);
  }

  /**
   * Puts bytes in their place, up to the end of a block.
   * @returns how many were taken
   * @throws Error when the draft takes no more
   */
  async put(position: number, bytes: Uint8Array): Promise<number> {
    const index = Math.floor(position / BLOCK_BYTES);
    const length = blockLength(this.#size, index);
    let partial = this.#partials.get(index);
    if (partial === undefined) {
      const spare = length === BLOCK_BYTES ? this.#spare.pop() : undefined;
      partial = { bytes: spare ?? Buffer.allocUnsafeSlow(length), filled: 0, isRead: false };
      this.#partials.set(index, partial);
    }
    const taken = Math.min(length - partial.filled, bytes.length);
    partial.bytes.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), partial.filled);
    partial.filled += taken;
    if (partial.filled === length) {
      await this.#draft.write(index, partial.bytes);
      this.#done[index] = 1;
      this.#partials.delete(index);
      if (partial.isRead) this.#remember(index, Promise.resolve(partial.bytes));
      else if (!this.#draft.holdsBytes && length === BLOCK_BYTES) this.#spare.push(partial.bytes);
    }
    this.#wake(index);
    return taken;
  }

  /** Forgets what has come of the block at `position`, unless all of it has. */
  forget(position: number): void {
    this.#partials.delete(Math.floor(position / BLOCK_BYTES));
  }

  /** A block that has come, read once for all who want it at about this time. */
  #block(index: number): Promise<Uint8Array> {
    const recent = this.#recent.get(index);
    if (recent !== undefined) return recent;
    const block = this.#draft.read(index);
    this.#remember(index, block);
    block.catch(() => this.#recent.delete(index));
    return block;
  }

  #remember(index: number, block: Promise<Uint8Array>): void {
    this.#recent.set(index, block);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > RECENT_BLOCKS && oldest !== undefined) this.#recent.delete(oldest);
  }

  #wake(index: number): void {
    const waiting = this.#waiting.get(index);
    this.#waiting.delete(index);
    for (const resolve of waiting ?? []) resolve();
  }
}
