import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request under way, as the watch sees it. */
interface Watched {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly onStalledUpload: () => void;
  read: number;
  written: number;
}

export interface ProgressOptions {
  /** How often every request is looked at, in milliseconds. */
  readonly intervalMs: number;
  /** An upload that is being waited for must bring this many bytes in that time. */
  readonly minBytes: number;
}

/**
 * Ends requests whose client has stopped to send or to read. node's own `requestTimeout` bounds the whole
 * request and so kills a steady upload of many minutes; here only lack of progress counts, and only while it is
 * the client who is waited for.
 */
export class ProgressWatch {
  readonly #watched = new Set<Watched>();
  readonly #options: ProgressOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(), options.intervalMs);
    this.#timer.unref();
  }

  /**
   * Watches one request until the returned function is called.
   * @param onStalledUpload called once when the client does not send; a client that does not read is cut off
   */
  watch(message: IncomingMessage, response: ServerResponse, onStalledUpload: () => void): () => void {
    const { bytesRead, bytesWritten } = message.socket;
    const entry: Watched = { message, response, onStalledUpload, read: bytesRead, written: bytesWritten };
    this.#watched.add(entry);
    return () => {
      this.#watched.delete(entry);
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    for (const entry of this.#watched) {
      const { message, response } = entry;
      const { bytesRead, bytesWritten } = message.socket;
      const isReading = !message.complete && message.readableFlowing === true;
      if (isReading && bytesRead - entry.read < this.#options.minBytes) {
        this.#watched.delete(entry);
        entry.onStalledUpload();
      } else if (response.writableLength > 0 && bytesWritten === entry.written) {
        this.#watched.delete(entry);
        message.socket.destroy();
      }
      entry.read = bytesRead;
      entry.written = bytesWritten;
    }
  }
}
