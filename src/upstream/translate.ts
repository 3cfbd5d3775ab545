import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Origin } from '../http/transport.ts';
import { hasDotSegment } from '../s3/address.ts';
import { dropBody, readBody } from '../s3/body.ts';
import { S3Error } from '../s3/error.ts';
import type { Body, S3Request } from '../s3/message.ts';
import { accessOf, bodyKind, type OperationName } from '../s3/operation.ts';
import { decodeUri } from '../s3/uri.ts';
import { buildXml, MAX_XML_BYTES, parseXml, type XmlElement, type XmlNode } from '../s3/xml.ts';
import { destinationOf } from './address.ts';
import { requestHeaders, requestQuery } from './allowed.ts';
import type { ConditionalWrite } from './dialect.ts';
import type { Unsigned } from './sign.ts';
import type { Target } from './target.ts';

/** A request as the target wants it, but for date and signature. */
export interface Translated extends Unsigned {
  readonly origin: Origin;
  readonly body: Body;
  readonly bodyLength: number | undefined;
  /** `If-None-Match: *` became a header of the vendor's, which says 409 where S3 says 412. */
  readonly hasNativeGuard: boolean;
}

/** 10,000 parts with their checksums take more than other documents. */
const MAX_COMPLETE_BYTES = 4 * MAX_XML_BYTES;
const EMPTY_SHA256 = createHash('sha256').digest('hex');

/**
 * Says a request anew in a target's dialect. Takes over the body: on a throw it has been let go.
 * @throws S3Error InvalidURI, MissingContentLength, NotImplemented, MaxMessageLengthExceeded, MalformedXML
 */
export async function translate(request: S3Request, target: Target): Promise<Translated> {
  try {
    refuseUntranslatable(request);
    refuseDotSegments(request, target);
    const headers = requestHeaders(request.headers);
    const hasNativeGuard = translateConditions(request, target, headers);
    stripChecksums(request.operation, target, headers);
    const body = await outgoingBody(request, target, headers);
    const bodyLength = body instanceof Readable ? request.bodyLength : (body?.byteLength ?? 0);
    if (bodyLength === undefined) throw new S3Error('MissingContentLength');
    const { origin, host, path } = destinationOf(target, request.bucket, request.key);
    headers.set('host', host);
    // What a service without access lists does anyway; any other value it has to refuse itself.
    if (headers.get('x-amz-acl') === 'private' && target.dialect.missing.includes('GetObjectAcl'))
      headers.delete('x-amz-acl');
    // Whatever the client would take: some proxies in front of storages compress, and Content-Length, ranges and
    // checksums would then be of other bytes than those stored.
    headers.set('accept-encoding', 'identity');
    if (target.dialect.signature === 'v4') headers.set('x-amz-content-sha256', payloadHash(request, target, body));
    return {
      origin,
      method: request.method,
      path,
      query: requestQuery(request.query, request.operation),
      headers,
      bucket: isNamedByHost(target) ? host : request.bucket,
      key: request.key,
      body,
      bodyLength,
      hasNativeGuard,
    };
  } catch (error) {
    dropBody(request.body);
    throw error;
  }
}

function isNamedByHost({ dialect }: Target): boolean {
  return dialect.signature === 'v2' && dialect.addressing === 'domain' && dialect.v2DomainResource === 'host';
}

/**
 * A form holds its own policy and signature, which are checked and taken out before; one that comes here was not.
 * The header asks some servers to unpack the body into keys that nobody here has seen.
 */
function refuseUntranslatable({ operation, headers, body }: S3Request): void {
  const header = 'x-amz-meta-snowball-auto-extract';
  if (headers.has(header)) throw new S3Error('NotImplemented', { detail: { Header: header } });
  if (operation === 'PostObject') throw new S3Error('NotImplemented');
  // It names accounts of the storage, which no client is told. s3cmd writes back what it read, and goes on after 501.
  if (WRITES_ACL.has(operation) && body !== null) throw new S3Error('NotImplemented');
  // Conditions that no list here lets through: a deletion would go ahead without them.
  for (const name of headers.keys()) {
    if (name.startsWith('x-amz-if-match-')) throw new S3Error('NotImplemented', { detail: { Header: name } });
  }
}

const WRITES_ACL: ReadonlySet<OperationName> = new Set<OperationName>(['PutBucketAcl', 'PutObjectAcl']);

function refuseDotSegments({ key, headers }: S3Request, { dialect }: Target): void {
  if (dialect.dotSegments === 'allow') return;
  const source = decodeUri(headers.get('x-amz-copy-source')?.replace(/\?.*$/, '') ?? '');
  if (source === undefined || hasDotSegment(source) || (key !== undefined && hasDotSegment(key))) {
    throw new S3Error('InvalidURI', { message: 'Keys with a "." or ".." segment are not accepted by this storage.' });
  }
}

/** Conditions on a write are kept, said in the vendor's own words, or refused; never dropped. */
function translateConditions({ operation }: S3Request, { dialect }: Target, headers: Map<string, string>): boolean {
  const access = operation === 'Unknown' ? undefined : accessOf(operation);
  if (access !== 'write' && access !== 'delete') return false;
  const isHeeded = dialect.conditionalOperations.some((each) => each === operation);
  const by = (write: ConditionalWrite): ConditionalWrite => (isHeeded ? write : { by: 'refuse' });
  const isGuarded = applyCondition('if-none-match', by(dialect.ifNoneMatch), headers);
  return applyCondition('if-match', by(dialect.ifMatch), headers) || isGuarded;
}

function applyCondition(name: string, write: ConditionalWrite, headers: Map<string, string>): boolean {
  const value = headers.get(name);
  if (value === undefined || write.by === 'native') return false;
  if (write.by === 'refuse' || value !== '*') {
    throw new S3Error('NotImplemented', { detail: { Header: name } });
  }
  headers.delete(name);
  headers.set(write.name, write.value);
  return true;
}

const MULTIPART: ReadonlySet<OperationName> = new Set<OperationName>([
  'CreateMultipartUpload',
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
]);

function stripChecksums(operation: OperationName, { dialect }: Target, headers: Map<string, string>): void {
  if (dialect.checksums === 'pass' && !MULTIPART.has(operation)) return;
  for (const name of [...headers.keys()]) {
    if (name.startsWith('x-amz-checksum-') || name === 'x-amz-mp-object-size') headers.delete(name);
  }
}

async function outgoingBody(request: S3Request, target: Target, headers: Map<string, string>): Promise<Body> {
  const { operation, method, body } = request;
  const kind = bodyKind(operation);
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined) setOrDelete(headers, 'content-encoding', withoutAwsChunked(encoding));
  if (method === 'GET' || method === 'HEAD' || method === 'DELETE' || (operation !== 'Unknown' && kind === undefined)) {
    dropBody(body);
    headers.delete('content-md5');
    return null;
  }
  // What we do not know and is small may be a configuration document, for which Content-MD5 is demanded too.
  const isDocument = kind === 'xml' || (operation === 'Unknown' && (request.bodyLength ?? Infinity) <= MAX_XML_BYTES);
  if (!isDocument) {
    // An empty stream is read to its end first: its checks may still fail, and nothing could be held back of it.
    return request.bodyLength === 0 ? nonEmpty(await readBody(body, 0, 'IncompleteBody')) : body;
  }
  const limit = operation === 'CompleteMultipartUpload' ? MAX_COMPLETE_BYTES : MAX_XML_BYTES;
  const received = await readBody(body, limit, 'MaxMessageLengthExceeded');
  const document = nonEmpty(translateDocument(operation, received, target));
  if (document !== received) headers.delete('content-md5');
  if (document !== null && target.dialect.contentMd5OnXml === 'required') {
    headers.set('content-md5', createHash('md5').update(document).digest('base64'));
  }
  return document;
}

function nonEmpty(bytes: Uint8Array): Uint8Array | null {
  return bytes.byteLength === 0 ? null : bytes;
}

function translateDocument(operation: OperationName, document: Uint8Array, target: Target): Uint8Array {
  if (operation === 'CompleteMultipartUpload' && Buffer.from(document).includes('<Checksum')) {
    return Buffer.from(buildXml(withoutChecksums(parseXml(document, 'CompleteMultipartUpload'))));
  }
  if (operation !== 'CreateBucket') return document;
  const { dialect, region } = target;
  // us-east-1 is what is meant where nothing is said, and is refused where it is said.
  if (dialect.locationConstraint === 'none' || region === 'us-east-1') return new Uint8Array();
  return Buffer.from(buildXml(['CreateBucketConfiguration', [['LocationConstraint', region]]]));
}

function withoutChecksums(element: XmlElement): XmlNode {
  const children = element.children.filter(({ name }) => !name.startsWith('Checksum'));
  return [element.name, children.length === 0 ? element.text : children.map(withoutChecksums)];
}

/** The client's literal hash is kept end to end where nothing of the body has changed. */
function payloadHash(request: S3Request, { dialect, endpoint }: Target, body: Body): string {
  if (dialect.payload === 'unsigned') return 'UNSIGNED-PAYLOAD';
  const literal = request.headers.get('x-amz-content-sha256');
  const isOfThis = body === null ? literal === EMPTY_SHA256 : body === request.body;
  if (literal !== undefined && /^[0-9a-f]{64}$/.test(literal) && isOfThis) return literal;
  if (body instanceof Readable || (endpoint.protocol === 'https' && dialect.payload === 'keep')) {
    return 'UNSIGNED-PAYLOAD';
  }
  return body === null ? EMPTY_SHA256 : createHash('sha256').update(body).digest('hex');
}

function withoutAwsChunked(encoding: string): string | undefined {
  const kept = encoding.split(',').filter((token) => token.trim().toLowerCase() !== 'aws-chunked');
  return kept.length === 0 ? undefined : kept.join(',').trim();
}

function setOrDelete(headers: Map<string, string>, name: string, value: string | undefined): void {
  if (value === undefined) headers.delete(name);
  else headers.set(name, value);
}
