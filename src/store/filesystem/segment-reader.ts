import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';

/** Bytes to read one after the other: in memory, or a stretch of a data file, `end` exclusive. */
export type Stretch =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly size: number; readonly start: number; readonly end: number };

export interface SegmentReaderOptions {
  readonly stretches: readonly Stretch[];
  /** Opens a file and holds its size against the one it should have. */
  readonly open: (file: string, size: number) => Promise<FileHandle>;
  /** The first stretch's file, already open; the reader closes it. */
  readonly first: FileHandle | undefined;
  /** Called once, when the reader has let go of every file. */
  readonly onClose: () => void;
}

const CHUNK_BYTES = 256 * 1024;

/** Reads stretches in order. Fails when a file is missing, or ends early: never short but whole. */
export class SegmentReader extends Readable {
  readonly #stretches: readonly Stretch[];
  readonly #open: SegmentReaderOptions['open'];
  readonly #onClose: () => void;
  #handle: FileHandle | undefined;
  #index = 0;
  /** Within the current stretch's file; undefined before its first byte. */
  #position: number | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: SegmentReaderOptions) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#stretches = options.stretches;
    this.#open = options.open;
    this.#handle = options.first;
    this.#onClose = options.onClose;
  }

  override _read(): void {
    this.#reading = this.#next().then(
      (chunk) => {
        this.push(chunk);
      },
      (error: Error) => {
        this.destroy(error);
      },
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // A handle must not be closed under a read: its number could be another file's by then.
    this.#reading
      .then(() => this.#handle?.close())
      .then(
        () => callback(error),
        (closing: Error) => callback(error ?? closing),
      )
      .finally(this.#onClose);
  }

  async #next(): Promise<Uint8Array | null> {
    const stretch = this.#stretches[this.#index];
    if (stretch === undefined) return null;
    if ('bytes' in stretch) {
      this.#index++;
      return stretch.bytes;
    }
    const handle = this.#handle ?? (await this.#open(stretch.file, stretch.size));
    this.#handle = handle;
    const position = this.#position ?? stretch.start;
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, stretch.end - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) throw new Error(`data file ${stretch.file} ends at ${position}, before ${stretch.end}`);
    this.#position = position + bytesRead;
    if (this.#position === stretch.end) {
      this.#handle = undefined;
      this.#position = undefined;
      this.#index++;
      await handle.close();
    }
    return buffer.subarray(0, bytesRead);
  }
}
