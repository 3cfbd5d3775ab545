import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from '../s3/error.ts';
import type { Lender } from '../s3/lending.ts';
import { BLOCK_BYTES } from './content.ts';
import type { Description } from './description.ts';
import { FillBlocks } from './fill-blocks.ts';
import { createSegments, type FillRanges, type Segments } from './segments.ts';
import type { Draft } from './store.ts';

export interface FillOptions {
  readonly description: Description;
  readonly draft: Draft;
  /** The whole object's bytes, from the first on. Owned by the fill. */
  readonly first: Readable;
  /** How a large object comes in several stretches; undefined where `first` brings all of it. */
  readonly ranges: FillRanges | undefined;
  /** Whether requests for the object wait to hear which version is the current one, and may want this. */
  readonly isAwaited: () => boolean;
  /** Awaited for what has come, as long as nobody but the one who began it wants it; then it comes over one connection. */
  readonly pace: ((bytes: number) => Promise<void>) | undefined;
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

/**
 * A large object holds still while more readers come: node accepts one connection a turn of its event loop, and moving bytes
 * at full speed makes turns long. In milliseconds: until no newcomer is seen for so long, and in all.
 */
const QUIET_MS = 6;
const SETTLE_MS = 250;
const LOOK_MS = 2;
const FIRST_BYTES = BLOCK_BYTES;

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
  readonly #blocks: FillBlocks;
  readonly #streams = new Set<Readable>();
  readonly #extras = new Set<Promise<void>>();
  #failure: Error | undefined;
  #hasRanges: boolean;
  /** Where the first connection goes on next, so that nobody takes that from it; undefined when it has ended. */
  #leadNext: number | undefined;
  #holders = 1;
  #joined = 0;
  /** Resolves when no more readers come for now; undefined when that is so. */
  #settling: Promise<void> | undefined;
  #patience = SETTLE_MS;
  /** Resolves when the line need not be spared. */
  readonly #hurried = Promise.withResolvers<void>();

  constructor(options: FillOptions) {
    const { size } = options.description;
    this.#options = options;
    this.description = options.description;
    this.#blocks = new FillBlocks(size, options.draft);
    this.#segments = createSegments(size, CONNECTIONS, options.ranges?.partBytes ?? size);
    this.#leadNext = this.#segments.endOf(0);
    this.#hasRanges = options.ranges !== undefined && size >= PARALLEL_BYTES;
    if (options.pace === undefined) this.#hurried.resolve();
    this.#beginSettling();
    this.finished = this.#run();
    this.finished.catch(() => undefined);
  }

  /**
   * Bytes from `position` on, at least one and none beyond `end` (which is included); waits for them.
   * @param isLent the reader tells `lender` when it has done with them
   * @throws Error when they will not come
   */
  async read(position: number, end: number, isLent = false): Promise<Uint8Array> {
    for (;;) {
      // Nothing may happen between looking and waiting.
      const bytes = this.#blocks.read(position, end, isLent);
      if (bytes !== undefined) return bytes;
      if (this.#failure !== undefined) throw this.#failure;
      this.#fetchWanted(position);
      await this.#blocks.wait(position);
    }
  }

  /**
   * The draft stays readable until as many releases as holds, and one more for the fill itself, have been made. False when
   * it is over already: what was kept is found in the store by then.
   */
  hold(): boolean {
    if (this.#holders === 0) return false;
    this.#holders++;
    this.#joined++;
    if (this.#joined > 1) {
      this.#hurried.resolve();
      this.#beginSettling();
    }
    return true;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#options.draft.close();
  }

  get lender(): Lender {
    return this.#blocks;
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
    this.#blocks.wakeAll();
  }

  async #run(): Promise<void> {
    try {
      const workers = this.#hasRanges ? CONNECTIONS - 1 : 0;
      const open = Promise.all([this.#settling, this.#hurried.promise]);
      const others = open.then(() => Promise.all(Array.from({ length: workers }, () => this.#work())));
      await Promise.all([this.#lead(), others]);
      await Promise.all(this.#extras);
      if (this.#failure !== undefined) throw this.#failure;
      const { missing } = this.#blocks;
      if (missing >= 0) throw new Error(`block ${missing} never came`);
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #beginSettling(): void {
    if (!this.#hasRanges || this.#patience <= 0) return;
    this.#settling ??= this.#settle();
  }

  /** Waits for those who come at about the same time. */
  async #settle(): Promise<void> {
    let joined = 0;
    for (let quiet = 0; quiet < QUIET_MS && this.#patience > 0; quiet += LOOK_MS) {
      await delay(LOOK_MS);
      this.#patience -= LOOK_MS;
      if (this.#joined !== joined || this.#options.isAwaited()) quiet = 0;
      joined = this.#joined;
    }
    this.#settling = undefined;
  }

  /** Takes the first answer's body as far as no other connection has taken over, then works like the others. */
  async #lead(): Promise<void> {
    let claimed = 0;
    this.#segments.claim(0);
    try {
      await this.#receive(this.#options.first, 0, this.description.size, (position) => {
        if (position > 0 && !this.#segments.claim(position)) return false;
        claimed = position;
        this.#leadNext = this.#segments.endOf(position);
        return true;
      });
    } catch (error) {
      if (this.#failure !== undefined || this.#options.ranges === undefined || isAnswer(error)) throw error;
      await this.#fetch(claimed);
    } finally {
      this.#leadNext = undefined;
      this.#hurried.resolve();
    }
    await this.#work();
  }

  async #work(): Promise<void> {
    for (;;) {
      const start = this.#hasRanges || this.#segments.areOpen ? this.#segments.take(this.#wanted()) : undefined;
      if (start === undefined || this.#failure !== undefined) return;
      if (!(await this.#fetch(start))) return;
    }
  }

  /** A reader waits for a place that no connection is at: it gets one of its own. */
  #fetchWanted(position: number): void {
    const start = this.#segments.startOf(position);
    if (!this.#hasRanges || start === this.#leadNext || this.#extras.size >= EXTRA_CONNECTIONS) return;
    if (!this.#segments.claim(start)) return;
    const extra = this.#fetch(start).then(
      () => void this.#extras.delete(extra),
      (error: unknown) => this.abort(error instanceof Error ? error : new Error(String(error))),
    );
    this.#extras.add(extra);
  }

  #wanted(): number[] {
    const starts = this.#blocks.wanted.map((position) => this.#segments.startOf(position));
    return starts.filter((start) => start !== this.#leadNext);
  }

  /** Fetches what is missing of a claimed stretch. False when the storage turned out not to know ranges. */
  async #fetch(start: number): Promise<boolean> {
    const { ranges } = this.#options;
    const end = this.#segments.endOf(start);
    for (let attempt = 0; ranges !== undefined; attempt++) {
      const from = this.#blocks.firstMissing(start, end);
      if (from >= end || this.#failure !== undefined) return true;
      const endTurn = await ranges.permits.take();
      try {
        if (this.#failure !== undefined) return true;
        const stream = await ranges.fetch(from, end - 1);
        if (stream === undefined) {
          this.#hasRanges = false;
          this.#segments.free(start);
          return false;
        }
        await this.#receive(stream, from, end, () => true);
      } catch (error) {
        if (this.#failure !== undefined || attempt >= RETRIES || isAnswer(error)) throw error;
      } finally {
        endTurn();
      }
    }
    return false;
  }

  /** Puts a stream's bytes into blocks, until `end` or until `mayEnter` says no at the start of a segment. */
  async #receive(stream: Readable, start: number, end: number, mayEnter: (position: number) => boolean): Promise<void> {
    let position = start;
    this.#streams.add(stream);
    let isOurTurn = false;
    const stalled = setTimeout(() => {
      if (isOurTurn) stalled.refresh();
      else stream.destroy(new Error('the storage sends no more'));
    }, STALL_MS);
    try {
      // Iterating destroys the stream on every way out.
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        for (let rest = chunk; rest.length > 0; ) {
          if (this.#failure !== undefined) throw this.#failure;
          if (position >= end) throw new Error('the storage sent more than it announced');
          if (position === this.#segments.startOf(position) && !mayEnter(position)) return;
          // A stream's first bytes may be what a newcomer waits for.
          if (this.#settling !== undefined && position >= start + FIRST_BYTES) await this.#settling;
          const taken = await this.#blocks.put(position, rest);
          this.#options.onBytes(taken);
          rest = rest.subarray(taken);
          position += taken;
        }
        if (this.#joined <= 1 && this.#options.pace !== undefined) {
          isOurTurn = true;
          await Promise.race([this.#options.pace(chunk.length), this.#hurried.promise]);
          isOurTurn = false;
        }
        stalled.refresh();
      }
    } catch (error) {
      this.#blocks.forget(position);
      throw error;
    } finally {
      clearTimeout(stalled);
      this.#streams.delete(stream);
    }
    if (position < end) {
      this.#blocks.forget(position);
      throw new Error(`the storage sent ${position - start} bytes of ${end - start}`);
    }
  }
}

/** What the storage said, rather than what happened on the way: asking again gives the same. */
function isAnswer(error: unknown): boolean {
  return error instanceof S3Error && error.status < 500;
}
