import { S3Error } from '../s3/error.ts';
import { TransportFailure } from '../s3/failure.ts';

/**
 * Whether the line to one storage is up, as far as requests have shown. While it is down nobody waits for it: one question
 * a second finds out when it is back.
 */
export interface Breaker {
  readonly isOpen: boolean;
  /** Whether now is the time to ask; true once a second at most. */
  mayProbe(): boolean;
  succeeded(): void;
  /** @param isSilent the storage said nothing at all in the time that it has, to this request and to any other */
  failed(error: unknown, isSilent?: boolean): void;
  /** Answers so far: while it does not grow, the storage is silent. */
  readonly answers: number;
}

const PROBE_MS = 1000;
/** After a connection was refused, or met with silence, nothing more need be tried; anything else may be one object's trouble. */
const FAILURES = 3;

/** @param now milliseconds */
export function createBreaker(now: () => number): Breaker {
  let failures = 0;
  let probedAt = 0;
  let answers = 0;
  return {
    get isOpen() {
      return failures >= FAILURES;
    },
    mayProbe: () => {
      if (now() - probedAt < PROBE_MS) return false;
      probedAt = now();
      return true;
    },
    get answers() {
      return answers;
    },
    succeeded: () => {
      answers++;
      failures = 0;
    },
    failed: (error, isSilent = false) => {
      const wasOpen = failures >= FAILURES;
      failures += isSilent || isRefused(error) ? FAILURES : 1;
      if (!wasOpen && failures >= FAILURES) probedAt = now();
    },
  };
}

/** Trouble on the line or in the storage itself, rather than an answer about the object. */
export function isLineDown(error: unknown): error is S3Error {
  return error instanceof S3Error && error.status >= 500 && error.status !== 501;
}

function isRefused(error: unknown): boolean {
  return error instanceof S3Error && error.cause instanceof TransportFailure && error.cause.phase === 'connect';
}
