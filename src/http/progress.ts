import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request under way, as the watch sees it. */
interface Watched {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly onStalledUpload: () => void;
  /** Looks in a row that found us waiting for the client to send, and the socket's count at their start. */
  reading: Waiting;
  /** The same of waiting for the client to read. */
  writing: Waiting;
}

interface Waiting {
  readonly looks: number;
  readonly bytes: number;
}

export interface ProgressOptions {
  /** How long a client may make no progress while it is waited for, in milliseconds. */
  readonly idleMs: number;
  /** An upload that is being waited for must bring this many bytes in that time. */
  readonly minBytes: number;
}

/** No look has been taken yet: most requests end before the first. */
const UNSEEN: Waiting = { looks: 0, bytes: -1 };

/** Looks within the idle time. One more must have found no progress, as the first comes at any moment of a wait. */
const LOOKS = 10;

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
    this.#timer = setInterval(() => this.#sweep(), options.idleMs / LOOKS);
    this.#timer.unref();
  }

  /**
   * Watches one request until the returned function is called.
   * @param onStalledUpload called once when the client does not send; a client that does not read is cut off
   */
  watch(message: IncomingMessage, response: ServerResponse, onStalledUpload: () => void): () => void {
    const entry: Watched = { message, response, onStalledUpload, reading: UNSEEN, writing: UNSEEN };
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
      const isWriting = response.writableLength > 0 && bytesWritten === entry.writing.bytes;
      const from = entry.reading === UNSEEN ? bytesRead : entry.reading.bytes;
      entry.reading = isReading ? { looks: entry.reading.looks + 1, bytes: from } : { looks: 0, bytes: bytesRead };
      entry.writing = isWriting
        ? { ...entry.writing, looks: entry.writing.looks + 1 }
        : { looks: 0, bytes: bytesWritten };
      if (entry.reading.looks > LOOKS) {
        const brought = bytesRead - entry.reading.bytes;
        entry.reading = { looks: 0, bytes: bytesRead };
        if (brought < this.#options.minBytes) {
          this.#watched.delete(entry);
          entry.onStalledUpload();
        }
      } else if (entry.writing.looks > LOOKS) {
        this.#watched.delete(entry);
        message.socket.destroy();
      }
    }
  }
}
