import { evaluateConditions, parseConditions } from '../s3/conditions.ts';
import { S3Error } from '../s3/error.ts';
import { quoteEtag } from '../s3/etag.ts';
import { encodeHeaderText, type Headers } from '../s3/headers.ts';
import type { S3Request } from '../s3/message.ts';
import { type ByteRange, parseRange } from '../s3/range.ts';
import { CHECKSUM_HEADERS, type Description } from './description.ts';

/** How an answer came to be, as `x-sluice-cache` says it. */
export type CacheResult = 'hit' | 'revalidated' | 'stale' | 'miss' | 'bypass';

export const RESULT_HEADER = 'x-sluice-cache';

/** The head of an answer, and which bytes belong to it. */
export interface AnswerHead {
  readonly status: 200 | 206;
  readonly headers: Headers;
  /** Both ends included; undefined when the answer has no bytes. */
  readonly range: ByteRange | undefined;
}

/** `response-content-type` and its like: put on top of what is kept, for this one answer. */
const OVERRIDE =
  /^response-(cache-control|content-disposition|content-encoding|content-language|content-type|expires)$/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get into a header.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Answers a GET or HEAD from what is known of the object: conditions first, then the range.
 * @throws S3Error NotModified, PreconditionFailed, InvalidRange, InvalidArgument
 */
export function answerHead(request: S3Request, object: Description, result: CacheResult): AnswerHead {
  checkConditions(request, object, result);
  const range = isRangeOf(request, object) ? parseRange(request.headers.get('range'), object.size) : undefined;
  if (range === 'unsatisfiable') {
    throw new S3Error('InvalidRange', {
      detail: { RangeRequested: request.headers.get('range') ?? '', ActualObjectSize: String(object.size) },
      headers: new Map([
        ['content-range', `bytes */${object.size}`],
        [RESULT_HEADER, result],
      ]),
    });
  }
  const headers = headersOfObject(request, object, range !== undefined);
  headers.set(RESULT_HEADER, result);
  if (range === undefined) {
    headers.set('content-length', String(object.size));
    return { status: 200, headers, range: object.size === 0 ? undefined : { start: 0, end: object.size - 1 } };
  }
  headers.set('content-length', String(range.end - range.start + 1));
  headers.set('content-range', `bytes ${range.start}-${range.end}/${object.size}`);
  return { status: 206, headers, range };
}

function checkConditions(request: S3Request, object: Description, result: CacheResult): void {
  if (!isConditional(request.headers)) return;
  const verdict = evaluateConditions(parseConditions(request.headers), object);
  if (verdict === 'satisfied') return;
  if (verdict === 'failed') throw new S3Error('PreconditionFailed', { headers: new Map([[RESULT_HEADER, result]]) });
  const headers = new Map(validators(object)).set(RESULT_HEADER, result);
  for (const name of ['cache-control', 'expires', 'x-amz-version-id']) {
    const value = object.headers.get(name);
    if (value !== undefined) headers.set(name, value);
  }
  throw new S3Error('NotModified', { headers });
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;

function isConditional(headers: Headers): boolean {
  return CONDITIONS.some((name) => headers.has(name));
}

function headersOfObject({ query, headers }: S3Request, object: Description, isRange: boolean): Map<string, string> {
  const wantsChecksums = headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' && !isRange;
  const kept = new Map(validators(object)).set('accept-ranges', 'bytes');
  for (const [name, value] of object.headers) {
    if (wantsChecksums || !CHECKSUM_HEADERS.has(name)) kept.set(name, value);
  }
  for (const { name, value } of query.parameters) {
    const header = OVERRIDE.exec(name)?.[1];
    if (header === undefined) continue;
    const text = encodeHeaderText(value);
    if (CONTROL.test(text)) throw new S3Error('InvalidArgument', { detail: { ArgumentName: name } });
    kept.set(header, text);
  }
  return kept;
}

/** A client that goes on with an earlier download gets the whole object when it has changed (RFC 9110 section 13.1.5). */
function isRangeOf({ headers }: S3Request, object: Description): boolean {
  const condition = headers.get('if-range');
  return condition === undefined || validators(object).some(([, value]) => value === condition);
}

function validators(object: Description): [string, string][] {
  return [
    ['etag', quoteEtag(object.etag)],
    ['last-modified', object.headers.get('last-modified') ?? object.lastModified.toUTCString()],
  ];
}
