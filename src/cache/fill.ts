import type { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import { BLOCK_BYTES, blockCount, blockLength } from './content.ts';
import type { Description } from './description.ts';
import { createSegments, SEGMENT_BYTES, type Segments } from './segments.ts';
import type { Draft } from './store.ts';

export interface FillOptions {
  readonly description: Description;
  readonly draft: Draft;
  /** The whole object's bytes, from the first on. Owned by the fill. */
  readonly first: Readable;
  /**
   * Asks the storage for a stretch of exactly this version, both ends included. Undefined when it does not know ranges.
   * Rejects with an S3Error below 500 when there is another version by now.
   */
  readonly fetchRange: (start: number, end: number) => Promise<Readable | undefined>;
  /** Bytes that came from the storage, as they come. */
  readonly onBytes: (count: number) => void;
}

/** Larger objects come over several connections at once. */
const PARALLEL_BYTES = 32 * 2 ** 20;
const CONNECTIONS = 8;
/** Further connections, for readers that wait for a stretch that nobody is at. */
const EXTRA_CONNECTIONS = 8;
/** How often a stretch is asked for again after the storage broke off within it. */
const RETRIES = 2;
/** A connection that brings nothing for so long is given up, in milliseconds. */
const STALL_MS = 10_000;

/** A block of which only the first bytes have come. */
interface PartialBlock {
  readonly bytes: Uint8Array;
  filled: number;
}

/**
 * The bytes of one version on their way from the storage. Any number of readers follow from any place, each at its own
 * speed: bytes go to the draft, and readers take them from there. Nobody's leaving stops it, and a slow reader holds up
 * nobody. A large object comes in several stretches at once, first of all the one that a reader waits for.
 */
export class Fill {
  readonly description: Description;
  /** Resolves when all blocks are written; its rejection needs no handler. */
  readonly finished: Promise<void>;
  readonly #options: FillOptions;
  readonly #segments: Segments;
  readonly #done: Uint8Array;
  readonly #partials = new Map<number, PartialBlock>();
  readonly #waiting = new Map<number, (() => void)[]>();
  readonly #streams = new Set<Readable>();
  readonly #extras = new Set<Promise<void>>();
  #failure: Error | undefined;
  #hasRanges: boolean;
  /** Where the first connection goes on next, so that nobody takes that from it; undefined when it has ended. */
  #leadNext: number | undefined = SEGMENT_BYTES;
  #holders = 1;

  constructor(options: FillOptions) {
    const { size } = options.description;
    this.#options = options;
    this.description = options.description;
    this.#done = new Uint8Array(blockCount(size));
    this.#segments = createSegments(size, CONNECTIONS);
    this.#hasRanges = size >= PARALLEL_BYTES;
    this.finished = this.#run();
    this.finished.catch(() => undefined);
  }

  /**
   * Bytes from `position` on, at least one and none beyond `end` (which is included); waits for them.
   * @throws Error when they will not come
   */
  async read(position: number, end: number): Promise<Uint8Array> {
    const index = Math.floor(position / BLOCK_BYTES);
    const from = position - index * BLOCK_BYTES;
    const to = Math.min(BLOCK_BYTES, end + 1 - index * BLOCK_BYTES);
    for (;;) {
      if (this.#done[index] === 1) return (await this.#options.draft.read(index)).subarray(from, to);
      if (this.#failure !== undefined) throw this.#failure;
      const partial = this.#partials.get(index);
      if (partial !== undefined && partial.filled > from) {
        return partial.bytes.subarray(from, Math.min(to, partial.filled));
      }
      this.#fetchWanted(position);
      await new Promise<void>((resolve) => {
        const waiting = this.#waiting.get(index);
        if (waiting === undefined) this.#waiting.set(index, [resolve]);
        else waiting.push(resolve);
      });
    }
  }

  /**
   * The draft stays readable until as many releases as holds, and one more for the fill itself, have been made. False when
   * it is over already: what was kept is found in the store by then.
   */
  hold(): boolean {
    if (this.#holders === 0) return false;
    this.#holders++;
    return true;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#options.draft.close();
  }

  get hasReaders(): boolean {
    return this.#holders > 1;
  }

  get isFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Gives up: its connections are closed, and readers that wait fail. */
  abort(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const stream of this.#streams) stream.destroy();
    for (const index of [...this.#waiting.keys()]) this.#wake(index);
  }

  async #run(): Promise<void> {
    try {
      const workers = this.#hasRanges ? CONNECTIONS - 1 : 0;
      await Promise.all([this.#lead(), ...Array.from({ length: workers }, () => this.#work())]);
      await Promise.all(this.#extras);
      if (this.#failure !== undefined) throw this.#failure;
      const missing = this.#done.indexOf(0);
      if (missing >= 0) throw new Error(`block ${missing} never came`);
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  /** Takes the first answer's body as far as no other connection has taken over, then works like the others. */
  async #lead(): Promise<void> {
    const { first } = this.#options;
    const { size } = this.description;
    let claimed = 0;
    this.#segments.claim(0);
    try {
      await this.#receive(first, 0, size, (position) => {
        if (position > 0 && !this.#segments.claim(position)) return false;
        claimed = position;
        this.#leadNext = position + SEGMENT_BYTES;
        return true;
      });
    } catch (error) {
      if (this.#failure !== undefined || isAnswer(error)) throw error;
      await this.#fetch(claimed, Math.min(claimed + SEGMENT_BYTES, size));
    } finally {
      this.#leadNext = undefined;
    }
    await this.#work();
  }

  async #work(): Promise<void> {
    for (;;) {
      const start = this.#hasRanges || this.#segments.areOpen ? this.#segments.take(this.#wanted()) : undefined;
      if (start === undefined || this.#failure !== undefined) return;
      const isServed = await this.#fetch(start, Math.min(start + SEGMENT_BYTES, this.description.size));
      if (!isServed) return;
    }
  }

  /** A reader waits for a place that no connection is at: it gets one of its own. */
  #fetchWanted(position: number): void {
    const start = position - (position % SEGMENT_BYTES);
    if (!this.#hasRanges || start === this.#leadNext || this.#extras.size >= EXTRA_CONNECTIONS) return;
    if (!this.#segments.claim(start)) return;
    const extra = this.#fetch(start, Math.min(start + SEGMENT_BYTES, this.description.size)).then(
      () => void this.#extras.delete(extra),
      (error: unknown) => this.abort(error instanceof Error ? error : new Error(String(error))),
    );
    this.#extras.add(extra);
  }

  #wanted(): number[] {
    const starts = [...this.#waiting.keys()].map(
      (index) => Math.floor((index * BLOCK_BYTES) / SEGMENT_BYTES) * SEGMENT_BYTES,
    );
    return starts.filter((start) => start !== this.#leadNext);
  }

  /** Fetches what is missing of a claimed stretch. False when the storage turned out not to know ranges. */
  async #fetch(start: number, end: number): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      const from = this.#firstMissing(start, end);
      if (from >= end || this.#failure !== undefined) return true;
      try {
        const stream = await this.#options.fetchRange(from, end - 1);
        if (stream === undefined) {
          this.#hasRanges = false;
          this.#segments.free(start);
          return false;
        }
        await this.#receive(stream, from, end, () => true);
      } catch (error) {
        if (this.#failure !== undefined || attempt >= RETRIES || isAnswer(error)) throw error;
      }
    }
  }

  #firstMissing(start: number, end: number): number {
    let position = start;
    while (position < end && this.#done[position / BLOCK_BYTES] === 1) position += BLOCK_BYTES;
    return position;
  }

  /** Puts a stream's bytes into blocks, until `end` or until `mayEnter` says no at the start of a segment. */
  async #receive(stream: Readable, start: number, end: number, mayEnter: (position: number) => boolean): Promise<void> {
    let position = start;
    this.#streams.add(stream);
    const stalled = setTimeout(() => stream.destroy(new Error('the storage sends no more')), STALL_MS);
    try {
      // Iterating destroys the stream on every way out.
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        for (let rest = chunk; rest.length > 0; ) {
          if (this.#failure !== undefined) throw this.#failure;
          if (position >= end) throw new Error('the storage sent more than it announced');
          if (position % SEGMENT_BYTES === 0 && !mayEnter(position)) return;
          const taken = await this.#take(position, rest);
          rest = rest.subarray(taken);
          position += taken;
        }
        stalled.refresh();
      }
    } catch (error) {
      this.#partials.delete(Math.floor(position / BLOCK_BYTES));
      throw error;
    } finally {
      clearTimeout(stalled);
      this.#streams.delete(stream);
    }
    if (position < end) {
      this.#partials.delete(Math.floor(position / BLOCK_BYTES));
      throw new Error(`the storage sent ${position - start} bytes of ${end - start}`);
    }
  }

  async #take(position: number, bytes: Uint8Array): Promise<number> {
    const index = Math.floor(position / BLOCK_BYTES);
    const length = blockLength(this.description.size, index);
    let partial = this.#partials.get(index);
    if (partial === undefined) {
      partial = { bytes: Buffer.allocUnsafeSlow(length), filled: 0 };
      this.#partials.set(index, partial);
    }
    const taken = Math.min(length - partial.filled, bytes.length);
    partial.bytes.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), partial.filled);
    partial.filled += taken;
    this.#options.onBytes(taken);
    if (partial.filled === length) {
      await this.#options.draft.write(index, partial.bytes);
      this.#done[index] = 1;
      this.#partials.delete(index);
    }
    this.#wake(index);
    return taken;
  }

  #wake(index: number): void {
    const waiting = this.#waiting.get(index);
    this.#waiting.delete(index);
    for (const resolve of waiting ?? []) resolve();
  }
}

/** What the storage said, rather than what happened on the way: asking again gives the same. */
function isAnswer(error: unknown): boolean {
  return error instanceof S3Error && error.status < 500;
}
