import { Readable } from 'node:stream';
import { S3Error } from '../s3/error.ts';
import { TransportFailure } from '../s3/failure.ts';
import type { Layer } from '../s3/message.ts';

export interface BreakerOptions {
  /** Milliseconds that only go forward; for tests. */
  readonly now?: () => number;
}

/** Connections that failed in a row, after which none is tried for a while. */
const FAILURES = 5;
/** How long, in milliseconds; then one request goes ahead, and the others follow if it gets through. */
const REST = 1000;

/** A name that does not resolve may be one bucket's host; it says nothing of the service. */
const OF_ONE_NAME: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN']);

/**
 * Spares a storage that cannot be connected to, and its clients the wait: after five failures in a row requests are
 * answered with 503 at once, and once a second one of them is let through (facts R01). Only failures to connect count;
 * a storage that answers, however badly, is there. Keep it right above the handler, below the retries.
 */
export function breaker({ now = () => performance.now() }: BreakerOptions = {}): Layer {
  let failures = 0;
  let restsUntil = 0;
  return (next) => async (request) => {
    if (failures >= FAILURES) {
      if (now() < restsUntil) {
        if (request.body instanceof Readable) request.body.destroy();
        throw new S3Error('ServiceUnavailable', {
          headers: new Map([['retry-after', '1']]),
          cause: new Error(`${failures} connections in a row have failed`),
        });
      }
      // This one goes ahead; until it is known how it ends, the others wait on.
      restsUntil = now() + REST;
    }
    try {
      const response = await next(request);
      failures = 0;
      return response;
    } catch (error) {
      const cause = error instanceof S3Error ? error.cause : undefined;
      if (cause instanceof TransportFailure && cause.phase === 'connect') {
        if (!OF_ONE_NAME.has(cause.code)) failures++;
        restsUntil = now() + REST;
      } else if (error instanceof S3Error) {
        failures = 0;
      }
      throw error;
    }
  };
}
