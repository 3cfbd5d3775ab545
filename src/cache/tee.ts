import { Readable } from 'node:stream';
import { BLOCK_BYTES, blockLength } from './content.ts';
import type { Draft } from './store.ts';

/** How far the disk may fall behind the upload before the copy is given up, in blocks. */
const MAX_BEHIND = 32;

/** A copy of an upload's bytes, taken as they pass. */
export interface Copied {
  /** What goes on to the storage instead of the upload itself. */
  readonly body: Readable;
  /** Whether all bytes passed and lie in the draft. Waits for the disk. */
  isWhole(): Promise<boolean>;
}

/**
 * Copies an upload into a draft on its way. The upload never waits for the draft, and never fails by it: when the draft
 * fails or falls behind, only the copy ends. The source is not touched before the body is read, for until then the client
 * has not been told to send.
 */
export function copyOnTheWay(source: Readable, size: number, draft: Pick<Draft, 'write'>): Copied {
  const body = new TeeBody(source, size, draft);
  return { body, isWhole: () => body.isWhole() };
}

class TeeBody extends Readable {
  readonly #source: Readable;
  readonly #size: number;
  #draft: Pick<Draft, 'write'> | undefined;
  #block: Uint8Array | undefined;
  #position = 0;
  #behind = 0;
  #writes = Promise.resolve();
  #isAttached = false;
  #isEnded = false;

  constructor(source: Readable, size: number, draft: Pick<Draft, 'write'>) {
    super();
    this.#source = source;
    this.#size = size;
    this.#draft = draft;
    // Whoever reads hears of a failure; one who stopped reading must not end the process by it.
    this.on('error', () => undefined);
  }

  async isWhole(): Promise<boolean> {
    await this.#writes;
    return this.#isEnded && this.#draft !== undefined && this.#position === this.#size;
  }

  override _read(): void {
    if (this.#isAttached) {
      this.#source.resume();
      return;
    }
    this.#isAttached = true;
    this.#source
      .on('data', (chunk: Uint8Array) => {
        this.#copy(chunk);
        if (!this.push(chunk)) this.#source.pause();
      })
      .once('end', () => {
        this.#isEnded = true;
        this.push(null);
      })
      .once('error', (error) => this.destroy(error))
      .once('close', () => {
        if (!this.#source.readableEnded) this.destroy(new Error('the upload broke off'));
      });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#block = undefined;
    if (!this.#isEnded) this.#source.on('error', () => undefined).destroy();
    callback(error);
  }

  #copy(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0 && this.#draft !== undefined; ) {
      if (this.#position >= this.#size) {
        this.#draft = undefined;
        return;
      }
      const index = Math.floor(this.#position / BLOCK_BYTES);
      const length = blockLength(this.#size, index);
      const filled = this.#position % BLOCK_BYTES;
      this.#block ??= Buffer.allocUnsafeSlow(length);
      const taken = Math.min(length - filled, rest.length);
      this.#block.set(taken === rest.length ? rest : rest.subarray(0, taken), filled);
      this.#position += taken;
      rest = rest.subarray(taken);
      if (filled + taken === length) this.#write(index, this.#block);
    }
  }

  #write(index: number, block: Uint8Array): void {
    this.#block = undefined;
    this.#behind++;
    if (this.#behind > MAX_BEHIND) {
      this.#draft = undefined;
      return;
    }
    this.#writes = this.#writes.then(async () => {
      try {
        await this.#draft?.write(index, block);
      } catch {
        // The draft's trouble is the store's to tell; the upload goes on without a copy.
        this.#draft = undefined;
      }
      this.#behind--;
    });
  }
}
