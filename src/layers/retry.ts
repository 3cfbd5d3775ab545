import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from '../s3/error.ts';
import { AnswerFailure, TransportFailure } from '../s3/failure.ts';
import type { Body, Layer, S3Request } from '../s3/message.ts';
import { accessOf, type KnownOperation, type OperationName } from '../s3/operation.ts';

export interface RetryOptions {
  /** Most further attempts after the first; 0 for none. */
  readonly retries: number;
  /** A number from 0 to 1; for tests. */
  readonly random?: () => number;
  /** Waits so many milliseconds, or rejects when the signal aborts; for tests. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
}

/** First wait, doubled each time; the wait itself is anything from zero to that (full jitter). */
const BASE_DELAY = 50;
/** A storage that wants to be left alone for longer is left alone; the client is told. Seconds. */
const LONGEST_RETRY_AFTER = 3;
/** Every request earns a tenth of a retry, and this many are there at the start: no storm on a storage in trouble. */
const BUDGET = 20;
const EARNED = 0.1;

/** Uploads up to this size are read first, so that they can be sent again: their last bytes are held back anyway. */
const REPLAY_BYTES = 64 * 1024;

/**
 * Writes that come to the same when done twice, besides those that only read. A CompleteMultipartUpload done twice
 * answers NoSuchUpload, a copy may copy what has changed meanwhile, a bucket may exist the second time.
 */
const REPEATABLE: ReadonlySet<OperationName> = new Set<KnownOperation>([
  'DeleteObject',
  'DeleteObjects',
  'DeleteObjectTagging',
  'PutObject',
  'PutObjectTagging',
  'UploadPart',
]);

/**
 * Asks again where that is safe: when nothing of the request had left, or when the operation may be done twice; and only
 * a request whose body is in memory, small or empty, since a stream can be read but once. Not where the storage was silent.
 * Waits with full jitter, or as long as the storage asks. Keep it right above the handler that reaches for the storage, so
 * that each attempt is signed afresh.
 */
export function retry(options: RetryOptions): Layer {
  const random = options.random ?? Math.random;
  const sleep = options.sleep ?? ((milliseconds, signal) => delay(milliseconds, undefined, { signal }));
  let budget = BUDGET;
  return (next) => async (received) => {
    const request = await replayable(received);
    budget = Math.min(BUDGET, budget + EARNED);
    for (let attempt = 0; ; attempt++) {
      try {
        return await next(request);
      } catch (error) {
        const wait = waitAfter(error, request);
        if (wait === undefined || attempt >= options.retries || budget < 1 || request.signal.aborted) throw error;
        budget--;
        request.notes.set('retries', attempt + 1);
        await sleep(Math.max(wait, random() * BASE_DELAY * 2 ** attempt), request.signal).catch((cause: unknown) => {
          throw request.signal.aborted ? request.signal.reason : cause;
        });
      }
    }
  };
}

async function replayable(request: S3Request): Promise<S3Request> {
  const { body, bodyLength } = request;
  if (!(body instanceof Readable) || bodyLength === undefined || bodyLength > REPLAY_BYTES) return request;
  const bytes = await buffer(body);
  if (bytes.byteLength !== bodyLength) throw new S3Error('IncompleteBody');
  return { ...request, body: bytes };
}

/** The least wait in milliseconds; undefined where asking again is not safe or pointless. */
function waitAfter(error: unknown, request: S3Request): number | undefined {
  if (!(error instanceof S3Error) || !isReplayable(request.body)) return undefined;
  const { cause } = error;
  if (cause instanceof TransportFailure) {
    if (cause.isSilence) return undefined;
    return cause.phase === 'connect' || isRepeatable(request) ? 0 : undefined;
  }
  if (!(cause instanceof AnswerFailure) || error.status !== 503 || !isRepeatable(request)) return undefined;
  const seconds = cause.retryAfter ?? 0;
  return seconds > LONGEST_RETRY_AFTER || isRedirect(cause.status) ? undefined : seconds * 1000;
}

function isReplayable(body: Body): boolean {
  return body === null || body instanceof Uint8Array;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** A condition that held for the lost first attempt would not for the second: PreconditionFailed for one's own write. */
function isRepeatable({ operation, method, headers }: S3Request): boolean {
  if (operation === 'Unknown') return method === 'GET' || method === 'HEAD';
  const access = accessOf(operation);
  if (access === 'read' || access === 'list' || method === 'GET' || method === 'HEAD') {
    return operation !== 'SelectObjectContent';
  }
  return REPEATABLE.has(operation) && !headers.has('if-match') && !headers.has('if-none-match');
}
