import { dropBody } from '../../s3/body.ts';
import { copyRefusal, formatCopySource, parseCopySource } from '../../s3/copy-source.ts';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';
import type { Handler, Layer, S3Request, S3Response } from '../../s3/message.ts';
import { encodeUri } from '../../s3/uri.ts';
import { childText, parseXml } from '../../s3/xml.ts';
import type { Dialect } from '../dialect.ts';
import { ACCESS_HEADERS, answerXml, ask, noteEmulation, pick, textOf } from './ask.ts';
import { makeOfParts } from './multipart.ts';
import { readOf } from './part-copy.ts';

type CopyLimits = Pick<Dialect, 'maxCopy' | 'minPart' | 'maxParts' | 'ifNoneMatch'>;

/** Bytes of a copied part, unless the object has too many of them. */
const COPY_PART = 512 * 1024 * 1024;
const PARALLEL = 4;

/** Refusals that have nothing to do with the size of the source. */
const UNRELATED: ReadonlySet<string> = new Set([
  'AccessDenied',
  'NoSuchBucket',
  'NoSuchKey',
  'NoSuchVersion',
  'NotModified',
  'PreconditionFailed',
]);

/**
 * CopyObject of a source that is larger than the service copies at once: when it refuses, the source's size is looked
 * at, and the object is copied in parts. What is copied is one version of the source, or the copy fails.
 */
export function copyObject(dialect: CopyLimits, { now }: { readonly now: () => Date }): Layer {
  return (next) => async (request) => {
    if (request.operation !== 'CopyObject') return next(request);
    try {
      return await next(request);
    } catch (error) {
      const isRefusal = error instanceof S3Error && (error.status < 500 || error.status === 501);
      if (!isRefusal || UNRELATED.has(error.code)) throw error;
      const source = await headOf(request, next);
      if (source.size <= dialect.maxCopy) throw error;
      return copyInParts(request, source, { next, dialect, now });
    }
  };
}

interface Source {
  readonly size: number;
  readonly headers: Headers;
}

async function headOf(request: S3Request, next: Handler): Promise<Source> {
  const { headers, body } = await next(readOf(request, 'HeadObject')).catch((error: unknown) => {
    throw copyRefusal(error);
  });
  dropBody(body);
  return { size: Number(headers.get('content-length') ?? 0), headers };
}

interface CopyContext {
  readonly next: Handler;
  readonly dialect: CopyLimits;
  readonly now: () => Date;
}

async function copyInParts(request: S3Request, source: Source, context: CopyContext): Promise<S3Response> {
  noteEmulation(request, 'copy in parts');
  const { next, dialect, now } = context;
  const least = Math.max(dialect.minPart, Math.ceil(source.size / dialect.maxParts));
  const size = Math.min(Math.max(COPY_PART, least), dialect.maxCopy);
  const headers = partHeaders(request, source);
  const made = await makeOfParts(
    request,
    {
      headers: await objectHeaders(request, source, next),
      parts: ranges(source.size, size),
      parallel: PARALLEL,
      async send(range, { number, uploadId, signal }) {
        const response = await next(
          ask(request, {
            operation: 'UploadPartCopy',
            query: { partNumber: String(number), uploadId },
            headers: new Map(headers).set('x-amz-copy-source-range', range),
            signal,
          }),
        );
        return childText(parseXml(Buffer.from(await textOf(response))), 'ETag') ?? '';
      },
    },
    context,
  );
  const answer = answerXml([
    'CopyObjectResult',
    [
      ['LastModified', now().toISOString()],
      ['ETag', made.etag],
    ],
  ]);
  return { ...answer, headers: new Map([...pick(made.headers, /^x-amz-version-id$/), ...answer.headers]) };
}

function* ranges(total: number, size: number): Generator<string> {
  for (let start = 0; start < total; start += size) {
    yield `bytes=${start}-${Math.min(start + size, total) - 1}`;
  }
}

/** The very object whose size was read: every part must come from it. */
function partHeaders(request: S3Request, { headers }: Source): Map<string, string> {
  const named = parseCopySource(request.headers);
  const version = headers.get('x-amz-version-id');
  const versionId = named.versionId ?? (version === 'null' ? undefined : version);
  const secrets = pick(request.headers, /^x-amz-copy-source-server-side-encryption-customer-/);
  const kept = new Map([...pick(request.headers, ACCESS_HEADERS), ...secrets]);
  const etag = headers.get('etag');
  if (etag !== undefined) kept.set('x-amz-copy-source-if-match', etag);
  return kept.set('x-amz-copy-source', formatCopySource({ ...named, versionId }));
}

const KEPT = /^(content-(type|encoding|language|disposition)|cache-control|expires|x-amz-meta-.*)$/;
const OF_DESTINATION =
  /^x-amz-(acl|grant-.*|storage-class|server-side-encryption.*|object-lock-.*|website-redirect-location)$/;

async function objectHeaders(request: S3Request, source: Source, next: Handler): Promise<Map<string, string>> {
  const isReplaced = (name: string): boolean => request.headers.get(name)?.toUpperCase() === 'REPLACE';
  const described = isReplaced('x-amz-metadata-directive') ? request.headers : source.headers;
  const headers = new Map([...pick(described, KEPT), ...pick(request.headers, OF_DESTINATION)]);
  const tags = isReplaced('x-amz-tagging-directive')
    ? request.headers.get('x-amz-tagging')
    : await tagsOf(request, source, next);
  return tags === undefined || tags === '' ? headers : headers.set('x-amz-tagging', tags);
}

async function tagsOf(request: S3Request, { headers }: Source, next: Handler): Promise<string | undefined> {
  if (Number(headers.get('x-amz-tagging-count') ?? 0) === 0) return undefined;
  const { bucket, key, versionId } = parseCopySource(request.headers);
  const question = ask(request, { operation: 'GetObjectTagging', bucket, key, query: { tagging: '', versionId } });
  const sets = parseXml(Buffer.from(await textOf(await next(question))), 'Tagging').children;
  return sets
    .flatMap(({ children }) => children)
    .map((tag) => `${encodeUri(childText(tag, 'Key') ?? '')}=${encodeUri(childText(tag, 'Value') ?? '')}`)
    .join('&');
}
