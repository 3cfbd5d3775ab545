import { addAbortSignal, Readable } from 'node:stream';
import { S3Error } from '../../s3/error.ts';
import type { Body } from '../../s3/message.ts';

/**
 * Takes a body apart: so many bytes as a stream, the next ones as a buffer, one after the other. Nothing is read before
 * it is asked for, and no more than a chunk beyond. `close` it, whatever happened.
 *
 * It hands chunks on as they come: iterators would take more of the processor than all else that an upload costs.
 */
export class BodyReader {
  readonly #body: Body;
  readonly #onChunk: (chunk: Uint8Array) => void;
  #isStarted = false;
  /** What has come and is not taken yet. */
  #chunk: Uint8Array | undefined;
  #isEnded: boolean;
  #failure: { readonly reason: unknown } | undefined;
  /** Whoever waits for the next chunk, the end or a failure. */
  #wake: (() => void) | undefined;

  /** @param onChunk sees every byte once, in order */
  constructor(body: Body, signal: AbortSignal, onChunk: (chunk: Uint8Array) => void) {
    this.#body = body instanceof Readable ? addAbortSignal(signal, body) : body;
    this.#onChunk = onChunk;
    this.#isEnded = body === null;
  }

  /** Up to so many bytes in memory; fewer only when the body has ended. @throws what the body fails with */
  async read(count: number): Promise<Buffer> {
    const taken: Uint8Array[] = [];
    let size = 0;
    while (size < count) {
      const chunk = this.#take(count - size);
      if (chunk === 'ended') break;
      if (chunk === 'wait') {
        await new Promise<void>((resolve) => this.#wait(resolve));
        continue;
      }
      taken.push(chunk);
      size += chunk.byteLength;
    }
    return Buffer.concat(taken, size);
  }

  /** @throws S3Error IncompleteBody when there is more; what the body fails with */
  async expectEnd(): Promise<void> {
    if ((await this.read(1)).byteLength > 0) throw new S3Error('IncompleteBody');
  }

  /** Exactly so many bytes as a stream, which fails with IncompleteBody when the body has fewer. */
  stream(count: number): Readable {
    let left = count;
    return this.#pumped((out) => {
      const chunk = this.#take(left);
      if (chunk === 'wait') return 'wait';
      if (chunk === 'ended') throw new S3Error('IncompleteBody');
      left -= chunk.byteLength;
      const hasRoom = out.push(chunk);
      if (left > 0) return hasRoom ? 'more' : 'full';
      out.push(null);
      return 'full';
    });
  }

  /**
   * All of a body whose length is known, as a stream that lets its last bytes go only when the body has ended as it
   * should: a server that counts would take them for a whole upload.
   */
  whole(length: number): Readable {
    let held: Uint8Array | undefined;
    let left = length;
    return this.#pumped((out) => {
      const chunk = this.#take(Number.POSITIVE_INFINITY);
      if (chunk === 'wait') return 'wait';
      if (chunk === 'ended') {
        if (left > 0) throw new S3Error('IncompleteBody');
        if (held !== undefined) out.push(held);
        out.push(null);
        return 'full';
      }
      left -= chunk.byteLength;
      if (left < 0) throw new S3Error('IncompleteBody');
      const hasRoom = held === undefined || out.push(held);
      held = chunk;
      return hasRoom ? 'more' : 'full';
    });
  }

  close(): void {
    if (this.#body instanceof Readable) this.#body.destroy();
  }

  /** A stream that is filled by steps: each says whether to go on at once, when there is something, or when asked. */
  #pumped(step: (out: Readable) => 'more' | 'full' | 'wait'): Readable {
    const fill = (out: Readable): void => {
      try {
        let outcome = step(out);
        while (outcome === 'more') outcome = step(out);
        if (outcome === 'wait') this.#wait(() => fill(out));
      } catch (error) {
        out.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    };
    return new Readable({
      read() {
        fill(this);
      },
    });
  }

  #take(most: number): Uint8Array | 'ended' | 'wait' {
    const chunk = this.#chunk;
    if (chunk !== undefined) {
      this.#chunk = chunk.byteLength > most ? chunk.subarray(most) : undefined;
      return chunk.byteLength > most ? chunk.subarray(0, most) : chunk;
    }
    if (this.#failure !== undefined) throw this.#failure.reason;
    return this.#isEnded ? 'ended' : 'wait';
  }

  #wait(wake: () => void): void {
    this.#wake = wake;
    if (this.#body instanceof Readable && this.#isStarted) this.#body.resume();
    else this.#start(this.#body);
  }

  #start(body: Body): void {
    this.#isStarted = true;
    if (!(body instanceof Readable)) {
      if (body !== null) this.#add(body);
      this.#end();
      return;
    }
    body.on('end', () => this.#end());
    body.on('error', (reason) => this.#fail(reason));
    body.on('close', () => this.#fail(new S3Error('IncompleteBody')));
    if (body.readableEnded) this.#end();
    else if (body.destroyed) this.#fail(body.errored ?? new S3Error('IncompleteBody'));
    body.on('data', (chunk: Uint8Array) => {
      if (chunk.byteLength === 0) return;
      body.pause();
      this.#add(chunk);
      this.#notify();
    });
  }

  #add(chunk: Uint8Array): void {
    this.#onChunk(chunk);
    if (chunk.byteLength > 0) this.#chunk = chunk;
  }

  #end(): void {
    this.#isEnded = true;
    this.#notify();
  }

  #fail(reason: unknown): void {
    if (this.#isEnded || this.#failure !== undefined) return;
    this.#failure = { reason };
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
