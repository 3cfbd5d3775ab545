import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import type { SpentMemory } from './spent-memory.ts';

/**
 * The body of a request as the layers see it. It differs from node's message in two ways: `100 Continue` goes out
 * when the first byte is asked for, hence never before the signature was accepted; and destroying it leaves the
 * socket alone, so that the error can still be answered.
 *
 * Fails with IncompleteBody when the client stops early. The HTTP layer owns the message underneath.
 */
export class RequestBody extends Readable {
  readonly #message: IncomingMessage;
  readonly #spend: SpentMemory;
  #onFirstRead: (() => void) | undefined;
  #isAttached = false;

  /** @param spend told of the bytes that have come */
  constructor(message: IncomingMessage, response: ServerResponse, spend: SpentMemory) {
    super({ highWaterMark: message.readableHighWaterMark });
    this.#message = message;
    this.#spend = spend;
    const expectsContinue = message.headers.expect?.toLowerCase() === '100-continue';
    this.#onFirstRead = expectsContinue ? () => response.writeContinue() : undefined;
  }

  /** The client holds its body back until told to send it, and was not told. */
  get isHeldBack(): boolean {
    return this.#onFirstRead !== undefined;
  }

  override _read(): void {
    this.#onFirstRead?.();
    this.#onFirstRead = undefined;
    if (!this.#isAttached) this.#attach();
    this.#message.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#isAttached) {
      this.#message.off('data', this.#onData);
      this.#message.off('end', this.#onEnd);
      this.#message.off('close', this.#onClose);
      this.#message.pause();
    }
    callback(error);
  }

  #attach(): void {
    this.#isAttached = true;
    this.#message.on('data', this.#onData);
    this.#message.on('end', this.#onEnd);
    this.#message.on('close', this.#onClose);
    if (this.#message.destroyed && !this.#message.readableEnded) this.#onClose();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#spend(chunk.length);
    if (!this.push(chunk)) this.#message.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#message.complete) this.destroy(new S3Error('IncompleteBody'));
  };
}
