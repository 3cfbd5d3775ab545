import { Readable } from 'node:stream';
import type { Lender, LendingBody } from '../s3/lending.ts';
import type { ByteRange } from '../s3/range.ts';
import { BLOCK_BYTES } from './content.ts';
import type { Fill } from './fill.ts';

/** Where bytes of one version come from. */
export interface Source {
  /** Bytes from `position` on, at least one and none beyond `end`, which is included. @throws Error */
  read(position: number, end: number): Promise<Uint8Array>;
  /** From now on what is read may be in memory that the lender wants back; undefined where it never is. */
  lend?(): Lender;
  close(): void;
}

export interface BodyOptions {
  readonly source: Source;
  readonly range: ByteRange;
  /** Bytes from the range's start that were read already. */
  readonly head: Uint8Array;
  /** Gives the rest from the storage when the source fails: exactly this version, both ends included. */
  readonly resume: (position: number, end: number) => Promise<Readable>;
  /** Told when the source failed. */
  readonly onFailure: (error: unknown) => void;
}

/** So much goes to every reader of a fill before any gets more: a hundred begin within milliseconds of each other. */
const FIRST_BYTES = 64 * 1024;

/** The bytes of a fill, as they come. It is held until `close`; undefined when it is over already. */
export function fillSource(fill: Fill): Source | undefined {
  if (!fill.hold()) return undefined;
  let most = FIRST_BYTES;
  let isLent = false;
  return {
    read: (position, end) => {
      const last = Math.min(end, position + most - 1);
      most = BLOCK_BYTES;
      return fill.read(position, last, isLent);
    },
    lend: () => {
      isLent = true;
      return fill.lender;
    },
    close: () => fill.release(),
  };
}

const NO_LENDER: Lender = { giveBack: () => undefined, abandon: () => undefined };

/**
 * The body of an answer out of the cache. What the cache cannot give - a damaged file, a disk that fails, a fill that
 * broke off - comes from the storage, from the byte where it is missing. Only when that fails too does the body fail:
 * it never just ends.
 */
export class CachedBody extends Readable implements LendingBody {
  readonly #options: BodyOptions;
  readonly #end: number;
  #position: number;
  #head: Uint8Array | undefined;
  #rest: Readable | undefined;
  #isClosed = false;
  #lender = NO_LENDER;

  constructor(options: BodyOptions) {
    // Nothing lies here: the source reads ahead where that helps, and many slow readers would hold a block each.
    super({ highWaterMark: 0 });
    this.#options = options;
    this.#position = options.range.start;
    this.#end = options.range.end;
    this.#head = options.head;
  }

  lend(): Lender {
    this.#lender = this.#options.source.lend?.() ?? NO_LENDER;
    return this.#lender;
  }

  override _read(): void {
    if (this.#rest !== undefined) {
      this.#rest.resume();
      return;
    }
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined) this.#deliver(head);
    else void this.#next();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#close();
    this.#rest?.on('error', () => undefined).destroy();
    callback(error);
  }

  async #next(): Promise<void> {
    try {
      this.#deliver(await this.#options.source.read(this.#position, this.#end));
    } catch (error) {
      if (this.destroyed) return;
      this.#options.onFailure(error);
      await this.#resume();
    }
  }

  #deliver(bytes: Uint8Array): void {
    if (this.destroyed) {
      this.#lender.giveBack(bytes);
      return;
    }
    this.#position += bytes.length;
    this.push(bytes);
    if (this.#position <= this.#end) return;
    this.#close();
    this.push(null);
  }

  async #resume(): Promise<void> {
    this.#close();
    try {
      const rest = await this.#options.resume(this.#position, this.#end);
      if (this.destroyed) {
        rest.on('error', () => undefined).destroy();
        return;
      }
      this.#rest = rest;
      rest
        .on('data', (bytes: Uint8Array) => {
          this.#position += bytes.length;
          if (!this.push(bytes)) rest.pause();
        })
        .once('error', (error) => this.destroy(error))
        .once('end', () => {
          if (this.#position === this.#end + 1) this.push(null);
          else this.destroy(new Error(`the storage broke off before byte ${this.#end}`));
        })
        .once('close', () => {
          if (!rest.readableEnded) this.destroy(new Error('the storage broke off'));
        });
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.source.close();
  }
}
