import { Readable } from 'node:stream';
import { BLOCK_BYTES, blockLength } from './content.ts';
import type { Draft } from './store.ts';
import { within } from './within.ts';

/** How far the disk may fall behind before the upload is held up, and until where it is, in blocks. */
const MOST_BEHIND = 32;
const RESUME_BEHIND = 16;
/** An upload waits no longer than this for the disk, in all, and its last blocks no longer than that; in milliseconds. */
const PATIENCE_MS = 500;
const LAST_MS = 2_000;
/** Blocks written at a time. */
const LANES = 4;

type TeeDraft = Pick<Draft, 'holdsBytes' | 'write'>;

/** A copy of an upload's bytes, taken as they pass. */
export interface Copied {
  /** What goes on to the storage instead of the upload itself. */
  readonly body: Readable;
  /** Whether all bytes passed and lie in the draft. Waits for the disk, but not for one that hangs. */
  isWhole(): Promise<boolean>;
}

/**
 * Copies an upload into a draft on its way. The upload hardly waits for the draft, and never fails by it: when the draft
 * fails or stays behind, only the copy ends. The source is not touched before the body is read, for until then the client
 * has not been told to send.
 */
export function copyOnTheWay(source: Readable, size: number, draft: TeeDraft): Copied {
  const body = new TeeBody(source, size, draft);
  return { body, isWhole: () => body.isWhole() };
}

class TeeBody extends Readable {
  readonly #source: Readable;
  readonly #size: number;
  #draft: TeeDraft | undefined;
  #block: Uint8Array | undefined;
  /** Memory of blocks that were written. */
  readonly #spare: Uint8Array[] = [];
  #position = 0;
  #behind = 0;
  readonly #lanes: Promise<void>[] = Array.from({ length: LANES }, () => Promise.resolve());
  #isAttached = false;
  /** The reader takes more. */
  #isWanted = false;
  /** Runs while the upload waits for the disk. */
  #patience: NodeJS.Timeout | undefined;
  #heldAt = 0;
  #patienceLeft = PATIENCE_MS;
  #isEnded = false;

  constructor(source: Readable, size: number, draft: TeeDraft) {
    super();
    this.#source = source;
    this.#size = size;
    this.#draft = draft;
    // Whoever reads hears of a failure; one who stopped reading must not end the process by it.
    this.on('error', () => undefined);
  }

  async isWhole(): Promise<boolean> {
    if (!this.#isEnded || this.#position !== this.#size) return false;
    await within(LAST_MS, Promise.all(this.#lanes));
    return this.#behind === 0 && this.#draft !== undefined;
  }

  override _read(): void {
    this.#isWanted = true;
    if (this.#isAttached) {
      if (this.#patience === undefined) this.#source.resume();
      return;
    }
    this.#isAttached = true;
    this.#source
      .on('data', (chunk: Uint8Array) => {
        this.#copy(chunk);
        this.#isWanted = this.push(chunk);
        if (!this.#isWanted) this.#source.pause();
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
    clearTimeout(this.#patience);
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
      this.#block ??= (length === BLOCK_BYTES ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(length);
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
    const lane = index % LANES;
    this.#lanes[lane] = (this.#lanes[lane] ?? Promise.resolve()).then(async () => {
      try {
        await this.#draft?.write(index, block);
        if (this.#draft?.holdsBytes === false && block.length === BLOCK_BYTES) this.#spare.push(block);
      } catch {
        // The draft's trouble is the store's to tell; the upload goes on without a copy.
        this.#draft = undefined;
      }
      this.#behind--;
      if (this.#behind <= RESUME_BEHIND) this.#goOn();
    });
    if (this.#behind < MOST_BEHIND || this.#patience !== undefined) return;
    this.#source.pause();
    this.#heldAt = performance.now();
    this.#patience = setTimeout(() => {
      this.#draft = undefined;
      this.#goOn();
    }, this.#patienceLeft);
  }

  #goOn(): void {
    if (this.#patience === undefined) return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#patienceLeft = Math.max(0, this.#patienceLeft - (performance.now() - this.#heldAt));
    if (this.#isWanted) this.#source.resume();
  }
}
