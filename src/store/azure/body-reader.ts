import { addAbortSignal, Readable } from 'node:stream';
import { S3Error } from '../../s3/error.ts';
import type { Body } from '../../s3/message.ts';

/**
 * Takes a body apart: so many bytes as a stream, the next ones as a buffer. Nothing is read before it is asked for.
 * `close` it, whatever happened.
 */
export class BodyReader {
  readonly #body: Body;
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #onChunk: (chunk: Uint8Array) => void;
  #left: Uint8Array | undefined;

  /** @param onChunk sees every byte once, in order */
  constructor(body: Body, signal: AbortSignal, onChunk: (chunk: Uint8Array) => void) {
    this.#body = body;
    this.#onChunk = onChunk;
    this.#chunks =
      body instanceof Readable
        ? addAbortSignal(signal, body)[Symbol.asyncIterator]()
        : (body === null ? [] : [body])[Symbol.iterator]();
  }

  /** Up to so many bytes in memory; fewer only when the body has ended. @throws what the body fails with */
  async read(count: number): Promise<Buffer> {
    const taken: Uint8Array[] = [];
    let size = 0;
    while (size < count) {
      const chunk = await this.#take(count - size);
      if (chunk === undefined) break;
      taken.push(chunk);
      size += chunk.byteLength;
    }
    return Buffer.concat(taken, size);
  }

  /** Exactly so many bytes as a stream, which fails with IncompleteBody when the body has fewer. */
  stream(count: number): Readable {
    return Readable.from(this.#exactly(count), { objectMode: false });
  }

  /** @throws S3Error IncompleteBody when there is more; what the body fails with */
  async expectEnd(): Promise<void> {
    if ((await this.#take(1)) !== undefined) throw new S3Error('IncompleteBody');
  }

  /**
   * All of a body whose length is known, as a stream that lets its last bytes go only when the body has ended as it
   * should: a server that counts would take them for a whole upload.
   */
  whole(length: number): Readable {
    return Readable.from(this.#heldBack(length), { objectMode: false });
  }

  close(): void {
    if (this.#body instanceof Readable) this.#body.destroy();
  }

  async *#exactly(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0; ) {
      const chunk = await this.#take(left);
      if (chunk === undefined) throw new S3Error('IncompleteBody');
      left -= chunk.byteLength;
      yield chunk;
    }
  }

  async *#heldBack(length: number): AsyncGenerator<Uint8Array> {
    let held: Uint8Array | undefined;
    let left = length;
    for (;;) {
      const chunk = await this.#take(Number.POSITIVE_INFINITY);
      if (chunk === undefined) break;
      left -= chunk.byteLength;
      if (left < 0) throw new S3Error('IncompleteBody');
      if (held !== undefined) yield held;
      held = chunk;
    }
    if (left > 0) throw new S3Error('IncompleteBody');
    if (held !== undefined) yield held;
  }

  async #take(most: number): Promise<Uint8Array | undefined> {
    let chunk = this.#left;
    this.#left = undefined;
    while (chunk === undefined) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      if (next.value.byteLength === 0) continue;
      chunk = next.value;
      this.#onChunk(chunk);
    }
    if (chunk.byteLength <= most) return chunk;
    this.#left = chunk.subarray(most);
    return chunk.subarray(0, most);
  }
}
