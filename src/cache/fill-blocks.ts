import type { Lender } from '../s3/lending.ts';
import { BLOCK_BYTES, blockCount, blockLength } from './content.ts';
import type { Draft } from './store.ts';

/** One block's memory, and who has it. */
interface Block {
  /** Undefined where it is the draft's own. */
  readonly memory: Uint8Array | undefined;
  /** Resolves when what is there can be read. */
  readonly bytes: Promise<Uint8Array> | Uint8Array;
  /** Bytes that have come. */
  filled: number;
  /** This table, and readers who say when they have done with what they were given. At none its memory is used again. */
  holds: number;
  /** Somebody has it who does not say so. */
  isLost: boolean;
}

type BlockDraft = Pick<Draft, 'holdsBytes' | 'read' | 'write'>;

/** Blocks that stay in memory for the readers behind the first one: those that read together read the disk once. */
const RECENT_BLOCKS = 8;

/**
 * The blocks of one version that is under way: bytes are put in anywhere, go to the draft block by block, and can be
 * read as soon as they have come. Memory is used again as soon as nobody has it: fresh memory for each block makes the
 * collector run all the time.
 */
export class FillBlocks implements Lender {
  readonly #size: number;
  readonly #draft: BlockDraft;
  readonly #done: Uint8Array;
  /** Of which only the first bytes have come. */
  readonly #partials = new Map<number, Block & { readonly bytes: Uint8Array }>();
  readonly #recent = new Map<number, Block>();
  readonly #spare: Uint8Array[] = [];
  readonly #byMemory = new WeakMap<ArrayBufferLike, Block>();
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
   * @param isLent the reader calls `giveBack` or `abandon` with what it gets
   * @throws Error when the draft cannot be read
   */
  read(position: number, end: number, isLent = false): Promise<Uint8Array> | Uint8Array | undefined {
    const index = Math.floor(position / BLOCK_BYTES);
    const from = position - index * BLOCK_BYTES;
    const block = this.#done[index] === 1 ? this.#whole(index) : this.#partials.get(index);
    if (block === undefined || block.filled <= from) return undefined;
    // Held from now on, also while it is read from the draft.
    block.holds++;
    if (!isLent) block.isLost = true;
    const to = Math.min(block.filled, end + 1 - index * BLOCK_BYTES);
    const { bytes } = block;
    return bytes instanceof Uint8Array ? bytes.subarray(from, to) : bytes.then((whole) => whole.subarray(from, to));
  }

  giveBack({ buffer }: Uint8Array): void {
    const block = this.#byMemory.get(buffer);
    if (block !== undefined) this.#release(block);
  }

  abandon({ buffer }: Uint8Array): void {
    const block = this.#byMemory.get(buffer);
    if (block !== undefined) block.isLost = true;
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
      const memory = this.#take(length);
      partial = { memory, bytes: memory, filled: 0, holds: 1, isLost: this.#draft.holdsBytes };
      this.#byMemory.set(memory.buffer, partial);
      this.#partials.set(index, partial);
    }
    const taken = Math.min(length - partial.filled, bytes.length);
    partial.bytes.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), partial.filled);
    partial.filled += taken;
    if (partial.filled === length) {
      await this.#draft.write(index, partial.bytes);
      this.#done[index] = 1;
      this.#partials.delete(index);
      // Who has some of it will want the rest.
      if (partial.holds > 1) this.#remember(index, partial);
      else this.#release(partial);
    }
    this.#wake(index);
    return taken;
  }

  /** Forgets what has come of the block at `position`, unless all of it has. */
  forget(position: number): void {
    const index = Math.floor(position / BLOCK_BYTES);
    const partial = this.#partials.get(index);
    this.#partials.delete(index);
    if (partial !== undefined) this.#release(partial);
  }

  /** A block that has come, read once for all who want it at about this time. */
  #whole(index: number): Block {
    const recent = this.#recent.get(index);
    if (recent !== undefined) return recent;
    const length = blockLength(this.#size, index);
    const memory = this.#draft.holdsBytes ? undefined : this.#take(length);
    const bytes = this.#draft.read(index, memory);
    const block: Block = { memory, bytes, filled: length, holds: 1, isLost: memory === undefined };
    if (memory !== undefined) this.#byMemory.set(memory.buffer, block);
    this.#remember(index, block);
    bytes.catch(() => {
      block.isLost = true;
      if (this.#recent.get(index) === block) this.#recent.delete(index);
    });
    return block;
  }

  #remember(index: number, block: Block): void {
    this.#recent.set(index, block);
    if (this.#recent.size <= RECENT_BLOCKS) return;
    for (const [oldest, left] of this.#recent) {
      this.#recent.delete(oldest);
      this.#release(left);
      return;
    }
  }

  #take(length: number): Uint8Array {
    return (length === BLOCK_BYTES ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(length);
  }

  #release(block: Block): void {
    block.holds--;
    if (block.holds > 0 || block.isLost || block.memory?.length !== BLOCK_BYTES) return;
    this.#spare.push(block.memory);
  }

  #wake(index: number): void {
    const waiting = this.#waiting.get(index);
    this.#waiting.delete(index);
    for (const resolve of waiting ?? []) resolve();
  }
}
