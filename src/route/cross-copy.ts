import { dropBody } from '../s3/body.ts';
import { COPY_RANGE, type CopySource, copyRangeLength, copyRefusal, rangeBeyondSource } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import type { Headers } from '../s3/headers.ts';
import type { Handler, S3Request, S3Response } from '../s3/message.ts';
import { Query } from '../s3/query.ts';
import { encodeUri } from '../s3/uri.ts';
import { buildXml, childText, parseXml } from '../s3/xml.ts';
import { readAnswer, xmlAnswer } from './document.ts';

export interface CrossCopy {
  readonly source: CopySource;
  /** Reads from the source's storage, in the client's names. */
  readonly read: Handler;
  /** Writes to the destination's storage, in the client's names. */
  readonly write: Handler;
  readonly now: () => Date;
}

/** The largest source that S3 copies in one request. */
export const MAX_COPY_BYTES = 5 * 1024 ** 3;

/**
 * Copies between two storages, which cannot see one another: the source's bytes are streamed into a PutObject or
 * UploadPart, and the answer is the one of a copy. Nothing is held back but what streams buffer; a source that breaks
 * off fails the write.
 * @param request CopyObject or UploadPartCopy
 * @throws S3Error as the source or the destination says, PreconditionFailed, InvalidRequest when it is too large
 */
export async function crossCopy(request: S3Request, copy: CrossCopy): Promise<S3Response> {
  dropBody(request.body);
  const isPart = request.operation === 'UploadPartCopy';
  const due = isPart ? copyRangeLength(request.headers) : undefined;
  const found = await copy.read(readRequest(request, copy.source)).catch((error: unknown) => {
    throw copyRefusal(error);
  });
  try {
    const length = lengthOf(found);
    // A read gives what there is of a range; a part must have all of it.
    if (due !== undefined && length !== due) throw rangeBeyondSource();
    const tags = isPart ? undefined : await tagsOf(request, found, copy);
    const write = writeRequest(request, found, { length, tags });
    const written = await copy.write(write);
    dropBody(written.body);
    if (written.status < 200 || written.status >= 300) {
      throw new S3Error('ServiceUnavailable', { cause: new Error(`the copy was answered with ${written.status}`) });
    }
    return copyAnswer(request, { found, written, now: copy.now });
  } catch (error) {
    dropBody(found.body);
    throw error;
  }
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const;
const CUSTOMER_KEY = 'server-side-encryption-customer-';

/** The source's conditions, range, version and key become those of a read. */
function readRequest(request: S3Request, source: CopySource): S3Request {
  const headers = hostOf(request);
  for (const name of CONDITIONS) copyHeader(request.headers, `x-amz-copy-source-${name}`, headers, name);
  if (request.operation === 'UploadPartCopy') copyHeader(request.headers, COPY_RANGE, headers, 'range');
  // What a cache may still serve to readers while the line is down must not become somebody's object.
  headers.set('cache-control', 'no-cache');
  for (const [name, value] of request.headers) {
    const prefix = `x-amz-copy-source-${CUSTOMER_KEY}`;
    if (name.startsWith(prefix)) headers.set(`x-amz-${CUSTOMER_KEY}${name.slice(prefix.length)}`, value);
  }
  const { versionId } = source;
  return {
    ...withoutBody(request),
    method: 'GET',
    operation: 'GetObject',
    bucket: source.bucket,
    key: source.key,
    query: versionId === undefined ? Query.empty : new Query([{ name: 'versionId', value: versionId }]),
    headers,
  };
}

/** Length of the bytes to copy. @throws S3Error what the read's status means for a copy */
function lengthOf(found: S3Response): number {
  if (found.status === 304 || found.status === 412) throw new S3Error('PreconditionFailed');
  if (found.status === 404) throw new S3Error('NoSuchKey');
  if (found.status === 416) throw rangeBeyondSource();
  if (found.status !== 200 && found.status !== 206) {
    throw new S3Error(found.status === 403 ? 'AccessDenied' : 'ServiceUnavailable', {
      cause: new Error(`the source was answered with ${found.status}`),
    });
  }
  const length = Number(found.headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(length)) {
    throw new S3Error('ServiceUnavailable', { cause: new Error('the source has no length') });
  }
  if (length > MAX_COPY_BYTES) {
    throw new S3Error('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_COPY_BYTES}`,
    });
  }
  return length;
}

/** Headers of an object that its copy keeps. */
const KEPT = /^(content-(type|encoding|language|disposition)|cache-control|expires|x-amz-meta-.*)$/;
/** Headers of a copy request that say how to write: the destination's own. */
const OF_DESTINATION =
  /^(host|if-match|if-none-match|x-amz-(acl|grant-.*|storage-class|server-side-encryption.*|object-lock-.*|request-payer|expected-bucket-owner|website-redirect-location|tagging))$/;

function writeRequest(
  request: S3Request,
  found: S3Response,
  { length, tags }: { readonly length: number; readonly tags: string | undefined },
): S3Request {
  const isPart = request.operation === 'UploadPartCopy';
  const replaces = request.headers.get('x-amz-metadata-directive')?.toUpperCase() === 'REPLACE';
  const headers = new Map<string, string>();
  if (!isPart) {
    for (const [name, value] of replaces ? request.headers : found.headers)
      if (KEPT.test(name)) headers.set(name, value);
  }
  for (const [name, value] of request.headers) {
    if (OF_DESTINATION.test(name) && name !== 'x-amz-tagging') headers.set(name, value);
  }
  if (tags !== undefined && tags !== '') headers.set('x-amz-tagging', tags);
  headers.set('content-length', String(length));
  headers.set('x-amz-content-sha256', 'UNSIGNED-PAYLOAD');
  return {
    ...request,
    operation: isPart ? 'UploadPart' : 'PutObject',
    headers,
    body: found.body,
    bodyLength: length,
    bodyChecksum: () => undefined,
    bodyClaims: undefined,
  };
}

/** The tags that the copy is to have, as `x-amz-tagging` writes them. */
async function tagsOf(request: S3Request, found: S3Response, copy: CrossCopy): Promise<string | undefined> {
  if (request.headers.get('x-amz-tagging-directive')?.toUpperCase() === 'REPLACE') {
    return request.headers.get('x-amz-tagging');
  }
  if (Number(found.headers.get('x-amz-tagging-count') ?? 0) === 0) return undefined;
  const { bucket, key, versionId } = copy.source;
  const parameters = [{ name: 'tagging', value: '' }];
  if (versionId !== undefined) parameters.push({ name: 'versionId', value: versionId });
  const response = await copy.read({
    ...withoutBody(request),
    method: 'GET',
    operation: 'GetObjectTagging',
    bucket,
    key,
    query: new Query(parameters),
    headers: hostOf(request),
  });
  const document = await readAnswer(response);
  if (response.status !== 200) throw new S3Error(response.status === 403 ? 'AccessDenied' : 'ServiceUnavailable');
  const sets = parseXml(Buffer.from(document), 'Tagging').children.flatMap(({ children }) => children);
  return sets
    .map((tag) => `${encodeUri(childText(tag, 'Key') ?? '')}=${encodeUri(childText(tag, 'Value') ?? '')}`)
    .join('&');
}

function copyAnswer(
  request: S3Request,
  { found, written, now }: { readonly found: S3Response; readonly written: S3Response; readonly now: () => Date },
): S3Response {
  const root = request.operation === 'UploadPartCopy' ? 'CopyPartResult' : 'CopyObjectResult';
  const answer = xmlAnswer(
    buildXml([
      root,
      [
        ['LastModified', now().toISOString()],
        ['ETag', written.headers.get('etag')],
      ],
    ]),
  );
  const headers = new Map(answer.headers);
  copyHeader(found.headers, 'x-amz-version-id', headers, 'x-amz-copy-source-version-id');
  copyHeader(written.headers, 'x-amz-version-id', headers, 'x-amz-version-id');
  return { ...answer, headers };
}

function withoutBody(request: S3Request): S3Request {
  return { ...request, body: null, bodyLength: 0, bodyChecksum: () => undefined, bodyClaims: undefined };
}

function hostOf(request: S3Request): Map<string, string> {
  const headers = new Map<string, string>();
  copyHeader(request.headers, 'host', headers, 'host');
  return headers;
}

function copyHeader(from: Headers, name: string, to: Map<string, string>, as: string): void {
  const value = from.get(name);
  if (value !== undefined) to.set(as, value);
}
