import type { IncomingResponse } from '../http/transport.ts';
import { OWNER_ID } from '../s3/acl.ts';
import { dropBody, readBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import { quoteEtag } from '../s3/etag.ts';
import { TransportFailure } from '../s3/failure.ts';
import type { S3Response } from '../s3/message.ts';
import type { KnownOperation, OperationName } from '../s3/operation.ts';
import { responseHeaders } from './allowed.ts';
import type { Target, UpstreamLog } from './target.ts';
import { type ErrorPlace, errorElement, firstByte, readError, toS3Error } from './vendor-error.ts';

/** Operations answered with a document, and the names its root may have. */
const DOCUMENTS: Partial<Record<OperationName, readonly string[]>> = {
  CompleteMultipartUpload: ['CompleteMultipartUploadResult'],
  CopyObject: ['CopyObjectResult'],
  CreateMultipartUpload: ['InitiateMultipartUploadResult'],
  DeleteObjects: ['DeleteResult'],
  GetBucketAcl: ['AccessControlPolicy'],
  GetBucketCors: ['CORSConfiguration'],
  GetBucketLifecycleConfiguration: ['LifecycleConfiguration'],
  GetBucketLocation: ['LocationConstraint', 'CreateBucketConfiguration'],
  GetBucketTagging: ['Tagging'],
  GetBucketVersioning: ['VersioningConfiguration'],
  GetObjectAcl: ['AccessControlPolicy'],
  GetObjectAttributes: ['GetObjectAttributesResponse', 'GetObjectAttributesOutput'],
  GetObjectTagging: ['Tagging'],
  ListBuckets: ['ListAllMyBucketsResult'],
  ListMultipartUploads: ['ListMultipartUploadsResult'],
  ListObjects: ['ListBucketResult'],
  ListObjectsV2: ['ListBucketResult'],
  ListObjectVersions: ['ListVersionsResult'],
  ListParts: ['ListPartsResult'],
  UploadPartCopy: ['CopyPartResult'],
} satisfies Partial<Record<KnownOperation, readonly string[]>>;

/** Operations whose success always names an ETag; an answer without one came from something that is no S3 service. */
const HAS_ETAG: ReadonlySet<OperationName> = new Set<OperationName>([
  'GetObject',
  'HeadObject',
  'PutObject',
  'UploadPart',
]);

/** Answers passed on as they come. `Unknown` may be anything. */
const STREAMED: ReadonlySet<OperationName> = new Set<OperationName>([
  'GetBucketPolicy',
  'GetObject',
  'SelectObjectContent',
  'Unknown',
]);

/** A page of 1,000 keys of 1,024 bytes each, percent-encoded, with room to spare. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const MAX_IGNORED_BYTES = 1024 * 1024;

/**
 * Makes the client's answer of a storage's. Takes over the answer's body.
 * @throws S3Error for what the storage answered as an error, in whatever shape, and for what is no S3 answer at all
 */
export async function toResponse(
  response: IncomingResponse,
  place: ErrorPlace,
  target: Pick<Target, 'dialect'>,
  log: UpstreamLog,
): Promise<S3Response> {
  const { status } = response;
  if (status !== 304 && (status < 200 || status > 299)) throw await readError(response, place, log);
  const headers = responseHeaders(response.headers, target.dialect.nativeHeaders);
  const etag = headers.get('etag');
  if (etag !== undefined && !etag.startsWith('"') && !etag.startsWith('W/')) headers.set('etag', quoteEtag(etag));
  if (status === 304 || status === 204) {
    headers.delete('content-length');
    dropBody(response.body);
    return { status, headers, body: null };
  }
  try {
    if (HAS_ETAG.has(place.operation) && etag === undefined) throw notS3('without an ETag', response);
    if (response.framing === 'none') {
      dropBody(response.body);
      return { status, headers, body: null };
    }
    // The end of such a body looks the same as a cut, and nobody could tell a half object from a whole one.
    if (response.framing === 'close') throw notS3('without a length', response);
    if (STREAMED.has(place.operation)) return streamed(response, headers);
    return await buffered(response, headers, place, log);
  } catch (error) {
    dropBody(response.body);
    throw error;
  }
}

function streamed(response: IncomingResponse, headers: Map<string, string>): S3Response {
  const range = /^bytes (\d+)-(\d+)\//.exec(headers.get('content-range') ?? '');
  const length = headers.get('content-length');
  const isWrong = range !== null && length !== undefined && Number(range[2]) - Number(range[1]) + 1 !== Number(length);
  if (isWrong) throw notS3(`with content-range ${range[0]} and content-length ${length}`, response);
  return { status: response.status, headers, body: response.body };
}

async function buffered(
  response: IncomingResponse,
  headers: Map<string, string>,
  place: ErrorPlace,
  log: UpstreamLog,
): Promise<S3Response> {
  const { status } = response;
  const roots = DOCUMENTS[place.operation];
  const limit = roots === undefined ? MAX_IGNORED_BYTES : MAX_DOCUMENT_BYTES;
  const received = await readAnswer(response, limit);
  const bytes = received.subarray(firstByte(received));
  const root = rootName(bytes);
  if (root === 'Error') throw toS3Error(status, errorElement(bytes), response.headers, place, log);
  if (roots === undefined) {
    // Success without a document: what stands there is for people, unless it is a web page of something in between.
    if (/html/i.test(root ?? '')) throw notS3('with a web page', response);
    headers.delete('content-type');
    return { status, headers: headers.set('content-length', '0'), body: null };
  }
  if (root === undefined || !roots.includes(root) || !isClosed(bytes, root)) {
    throw notS3(`with ${root ?? 'no document'} where ${roots[0]} was due`, response);
  }
  const document = withQuotedEtags(withoutAccounts(bytes, place.operation), place.operation);
  headers.set('content-type', 'application/xml').set('content-length', String(document.byteLength));
  return { status, headers, body: document };
}

/** Documents that say who owns or made something. */
const HAS_ACCOUNTS: ReadonlySet<OperationName> = new Set<OperationName>([
  'GetBucketAcl',
  'GetObjectAcl',
  'ListBuckets',
  'ListMultipartUploads',
  'ListObjects',
  'ListObjectsV2',
  'ListObjectVersions',
  'ListParts',
]);

/** Puts a name of ours in the place of the storage's accounts (facts E04). Texts hold no `<`, so no key can match. */
function withoutAccounts(bytes: Uint8Array, operation: OperationName): Uint8Array {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!HAS_ACCOUNTS.has(operation) || !ACCOUNT_MARKS.some((mark) => document.includes(mark))) return bytes;
  const text = document.toString('latin1');
  return Buffer.from(
    text.replace(/<((?:[\w.-]+:)?(?:ID|DisplayName|EmailAddress))(?:\s[^<>]*)?>[^<]*</g, `<$1>${OWNER_ID}<`),
    'latin1',
  );
}

/** ETags have quotes in every document but one; some services leave them out, then in all entries alike. */
function withQuotedEtags(bytes: Uint8Array, operation: OperationName): Uint8Array {
  const document = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = document.indexOf('<ETag>') + '<ETag>'.length;
  const isQuoted =
    first < '<ETag>'.length || /^\s*(["<]|&quot;|&#)/.test(document.toString('latin1', first, first + 16));
  if (isQuoted || operation === 'GetObjectAttributes') return bytes;
  const text = document.toString('latin1').replace(/<ETag>([^<"&]+)</g, '<ETag>&quot;$1&quot;<');
  return Buffer.from(text, 'latin1');
}

const ACCOUNT_MARKS = ['ID>', 'DisplayName', 'EmailAddress'];

async function readAnswer(response: IncomingResponse, limit: number): Promise<Uint8Array> {
  try {
    return await readBody(response.body, limit, 'ServiceUnavailable');
  } catch (cause) {
    if (cause instanceof S3Error) throw cause;
    throw new S3Error('ServiceUnavailable', { cause: new TransportFailure('exchange', 'BODY', cause) });
  }
}

/** The name of a document's root, without parsing it: a listing's parse would block for many milliseconds. */
function rootName(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 1024)).toString('latin1');
  return /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?\s*<!?(?:[\w.-]+:)?([A-Za-z][\w.-]*(?: html)?)/i.exec(head)?.[1];
}

function isClosed(bytes: Uint8Array, root: string): boolean {
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .subarray(-256)
    .toString('latin1')
    .trimEnd();
  return tail.endsWith('>') && (tail.endsWith(`${root}>`) || tail.endsWith('/>'));
}

function notS3(how: string, response: IncomingResponse): S3Error {
  return new S3Error('ServiceUnavailable', {
    cause: new Error(
      `storage answered ${response.status} ${how} (${response.headers.get('content-type') ?? 'no type'})`,
    ),
  });
}
