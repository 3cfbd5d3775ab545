import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/** The head of an answer, and the way to the rest. */
export interface Answer {
  readonly status: number;
  /** Name, value, name, value ..., as they came, one character a byte. */
  readonly rawHeaders: readonly string[];
  /** Belongs to whoever asked. Fails when the connection ends before it does; destroying it early closes the connection. */
  readonly body: Readable;
}

/**
 * One request and its answer, on undici's lowest level: `Pool.request` makes an async resource for each call, and a body
 * that could also be a web stream, which a small answer takes longer to make than to send.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Rejects with what undici says went wrong, or with the signal's reason. */
  readonly answer: Promise<Answer>;
  readonly #settle: Pick<PromiseWithResolvers<Answer>, 'resolve' | 'reject'>;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#abort(this.#signal.reason);
  #controller: Dispatcher.DispatchController | undefined;
  #body: AnswerBody | undefined;

  constructor(signal: AbortSignal) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#settle = { resolve, reject };
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
    if (signal.aborted) this.#onAbort();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal.aborted) controller.abort(this.#signal.reason);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // 100 Continue and early hints: the answer is yet to come.
    if (status < 200) return;
    this.#body = new AnswerBody(controller);
    // Over HTTP/1.1 these are buffers; undici's types allow for its other protocols as well.
    const fields = controller.rawHeaders as readonly Buffer[];
    this.#settle.resolve({ status, rawHeaders: fields.map((field) => field.toString('latin1')), body: this.#body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#body?.push(chunk) === false) controller.pause();
  }

  onResponseEnd(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#body?.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#settle.reject(error);
    this.#body?.destroy(error);
  }

  /** Who waits is told at once, also where undici has not begun: it may be waiting for a connection. */
  #abort(reason: Error): void {
    this.#settle.reject(reason);
    if (this.#body !== undefined) this.#body.destroy(reason);
    else this.#controller?.abort(reason);
  }
}

class AnswerBody extends Readable {
  readonly #controller: Dispatcher.DispatchController;
  #isWhole = false;

  constructor(controller: Dispatcher.DispatchController) {
    super({ highWaterMark: 64 * 1024 });
    this.#controller = controller;
    // It may fail before the head has reached whoever asked; they find it in `errored`, and are told by `close`.
    this.on('error', () => undefined);
  }

  end(): void {
    this.#isWhole = true;
    this.push(null);
  }

  override _read(): void {
    this.#controller.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isWhole) this.#controller.abort(error ?? new Error('the rest of the answer is not wanted'));
    callback(error);
  }
}
