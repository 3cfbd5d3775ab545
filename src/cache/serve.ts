import type { Readable } from 'node:stream';
import type { S3Response } from '../s3/message.ts';
import { answerHead, type CacheResult } from './answer.ts';
import { CachedBody, fillSource, type Source } from './body.ts';
import { BLOCK_BYTES } from './content.ts';
import { contentSource } from './content-source.ts';
import { type Description, isSameVersion, type VersionMark } from './description.ts';
import type { Fill } from './fill.ts';
import type { Origin } from './origin.ts';
import type { Call, Shared } from './shared.ts';
import type { Stored } from './store.ts';

/**
 * Answers with a stored version without waiting; undefined when it does not lie in memory in one piece.
 * @throws S3Error when the request's conditions or range do not hold
 */
export function serveAtOnce(stored: Stored, { request }: Call, { store }: Shared): S3Response | undefined {
  const found = store.inMemory?.(stored);
  if (found === undefined) return undefined;
  request.notes.set('tier', 'memory');
  const { status, headers, range } = answerHead(request, found.description, 'hit');
  if (range === undefined || request.method === 'HEAD') return { status, headers, body: null };
  const isWhole = range.end - range.start + 1 === found.bytes.length;
  return { status, headers, body: isWhole ? found.bytes : found.bytes.subarray(range.start, range.end + 1) };
}

/**
 * Answers with a stored version. Undefined when its bytes turn out to be gone or damaged: it is dropped then, and nothing
 * was answered.
 * @throws S3Error when the request's conditions or range do not hold
 */
export async function serveStored(
  stored: Stored,
  call: Call,
  result: CacheResult,
  context: { readonly origin: Origin; readonly shared: Shared },
): Promise<S3Response | undefined> {
  const { store, recorder, log } = context.shared;
  const opened = await store.open(stored);
  if (opened === undefined) {
    // What was replaced meanwhile is no damage.
    if (isSameVersion(store.find(stored.id) ?? NONE, stored)) recorder.count('damaged');
    await store.drop(stored);
    return undefined;
  }
  const damaged = (err: unknown) => {
    recorder.count('damaged');
    log.warn({ err, storage: stored.name.storage }, 'kept bytes are gone or damaged');
    void store.drop(stored);
  };
  const source = contentSource(opened.content);
  call.request.notes.set('tier', opened.tier);
  return answerFrom(source, opened.description, call, { result, origin: context.origin, onFailure: damaged }).catch(
    (error: unknown) => {
      if (!(error instanceof SourceFailure)) throw error;
      damaged(error.cause);
      return undefined;
    },
  );
}

/**
 * Answers with a version on its way, from the first byte on. Undefined when it fails before one byte of this answer is
 * there.
 * @throws S3Error when the request's conditions or range do not hold
 */
export async function serveFill(
  fill: Fill,
  call: Call,
  result: CacheResult,
  origin: Origin,
): Promise<S3Response | undefined> {
  const source = fillSource(fill);
  if (source === undefined) return undefined;
  const onFailure = () => undefined;
  return answerFrom(source, fill.description, call, { result, origin, onFailure }).catch((error: unknown) => {
    if (error instanceof SourceFailure) return undefined;
    throw error;
  });
}

const NONE: VersionMark = { etag: '', size: -1, lastModified: 0 };

/** The cache's own bytes failed before an answer began. */
class SourceFailure extends Error {}

interface AnswerContext {
  readonly result: CacheResult;
  readonly origin: Origin;
  readonly onFailure: (error: unknown) => void;
}

async function answerFrom(
  source: Source,
  description: Description,
  { request }: Call,
  { result, origin, onFailure }: AnswerContext,
): Promise<S3Response> {
  let isHandedOver = false;
  try {
    const { status, headers, range } = answerHead(request, description, result);
    if (range === undefined || request.method === 'HEAD') return { status, headers, body: null };
    const head = await source.read(range.start, range.end).catch((cause: unknown) => {
      throw new SourceFailure('the source failed', { cause });
    });
    const length = range.end - range.start + 1;
    if (head.length === length && length <= BLOCK_BYTES) return { status, headers, body: head };
    isHandedOver = true;
    const resume = (start: number, end: number) => resumeAt(origin, description, start, end);
    return { status, headers, body: new CachedBody({ source, range, head, resume, onFailure }) };
  } finally {
    if (!isHandedOver) source.close();
  }
}

async function resumeAt(origin: Origin, { etag }: Description, start: number, end: number): Promise<Readable> {
  const stream = await origin.range(etag, start, end);
  if (stream === undefined) throw new Error('the storage does not serve ranges');
  return stream;
}
