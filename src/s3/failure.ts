/**
 * Why a storage did not answer a request as it should: the cause of the S3Error that is thrown for it. Retrying
 * decides by it, and the log tells it; a client never sees it.
 */

/** What happened on the connection. After `connect` nothing of the request has left; after `exchange` it may have. */
export class TransportFailure extends Error {
  readonly phase: 'connect' | 'exchange';
  /** The code of node or the HTTP client, such as `ECONNREFUSED`. */
  readonly code: string;

  constructor(phase: 'connect' | 'exchange', code: string, cause: unknown) {
    super(`${phase}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'TransportFailure';
    this.phase = phase;
    this.code = code;
  }

  /**
   * Whether the storage took the request and then said nothing for the whole idle timeout. To ask again would be to wait as
   * long again, for clients that have waited as long as they do: Score's, for one, leave after 60 s.
   */
  get isSilence(): boolean {
    return this.code === HEADERS_TIMEOUT;
  }
}

/** https://github.com/nodejs/undici/blob/main/docs/docs/api/Errors.md */
const HEADERS_TIMEOUT = 'UND_ERR_HEADERS_TIMEOUT';

/** What a storage answered instead of success. */
export class AnswerFailure extends Error {
  readonly status: number;
  /** The storage's own error code; undefined when it gave none. */
  readonly code: string | undefined;
  /** Its clock, as in its Date header. */
  readonly date: string | undefined;
  /** How many seconds it asks to be left alone; undefined when it does not say, or not in seconds. */
  readonly retryAfter: number | undefined;

  constructor(answer: { status: number; code: string | undefined; date: string | undefined; retryAfter: string }) {
    super(`storage answered ${answer.status} ${answer.code ?? 'without a code'}`);
    this.name = 'AnswerFailure';
    this.status = answer.status;
    this.code = answer.code;
    this.date = answer.date;
    this.retryAfter = /^\d{1,6}$/.test(answer.retryAfter) ? Number(answer.retryAfter) : undefined;
  }
}
