import type { IncomingResponse } from '../http/transport.ts';
import { readBody } from '../s3/body.ts';
import { isErrorCode, S3Error, type S3ErrorCode } from '../s3/error.ts';
import { AnswerFailure } from '../s3/failure.ts';
import { type Headers, headersOf } from '../s3/headers.ts';
import type { OperationName } from '../s3/operation.ts';
import { parseXml, type XmlElement } from '../s3/xml.ts';
import type { UpstreamLog } from './target.ts';

/**
 * Codes that tell of our key, our clock or our configuration: the client can do nothing about them, and the documents
 * they come in hold our access key and string to sign. The storage's operator finds them in the log.
 */
const OUR_FAULT: ReadonlySet<string> = new Set([
  'AccountProblem',
  'AuthorizationHeaderMalformed',
  'CredentialsNotSupported',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidPathAccess',
  'InvalidSecurity',
  'InvalidToken',
  'MissingSecurityHeader',
  'NotSignedUp',
  'PathStyleDomainForbidden',
  'RequestTimeTooSkewed',
  'SecondLevelDomainForbidden',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'UserSuspended',
  'XAmzContentSHA256Mismatch',
]);

/** Codes outside S3's list, and what S3 says instead. */
const SYNONYMS: ReadonlyMap<string, S3ErrorCode> = new Map<string, S3ErrorCode>([
  ['BucketNameUnavailable', 'BucketAlreadyExists'],
  ['FileAlreadyExists', 'PreconditionFailed'],
  ['InvalidDigestError', 'InvalidDigest'],
  ['InvalidObjectName', 'InvalidURI'],
  ['MissingArgument', 'InvalidArgument'],
  ['MissingContentMD5', 'InvalidRequest'],
  ['NoSuchObject', 'NoSuchKey'],
  ['NotFound', 'NoSuchKey'],
  ['ObjectAlreadyExists', 'PreconditionFailed'],
  ['RequestIsNotMultiPartContent', 'MalformedPOSTRequest'],
  ['ServerBusy', 'SlowDown'],
  ['ServiceUnavailable', 'ServiceUnavailable'],
  ['SlowDownRead', 'SlowDown'],
  ['SlowDownWrite', 'SlowDown'],
  ['TooManyRequests', 'SlowDown'],
]);

/** Where a status comes with no code, as every answer to HEAD does. 404 depends on what was asked for. */
const BY_STATUS: ReadonlyMap<number, S3ErrorCode> = new Map<number, S3ErrorCode>([
  [400, 'InvalidRequest'],
  [403, 'AccessDenied'],
  [405, 'MethodNotAllowed'],
  [409, 'OperationAborted'],
  [411, 'MissingContentLength'],
  [412, 'PreconditionFailed'],
  [413, 'EntityTooLarge'],
  [416, 'InvalidRange'],
  [429, 'SlowDown'],
  [501, 'NotImplemented'],
]);

/** Elements of an error document that say something of the request and nothing of the storage. */
const DETAIL = ['Condition', 'MinSizeAllowed', 'ProposedSize', 'PartNumber', 'RangeRequested', 'ActualObjectSize'];
/** Headers of an error answer that mean something to the client. */
const HEADERS = ['retry-after', 'content-range', 'x-amz-delete-marker', 'x-amz-version-id'];
const MAX_ERROR_BYTES = 64 * 1024;

/** What an error is about. */
export interface ErrorPlace {
  readonly operation: OperationName;
  readonly key: string | undefined;
  readonly hasNativeGuard: boolean;
}

/** Makes the client's error of an answer with an error status. Consumes its body. */
export async function readError(response: IncomingResponse, place: ErrorPlace, log: UpstreamLog): Promise<S3Error> {
  const document = await errorDocument(response);
  return toS3Error(response.status, document, response.headers, place, log);
}

/** As `readError`, for a document that came with another status, as Complete and Copy may do. */
export function toS3Error(
  status: number,
  document: XmlElement | undefined,
  headers: Headers,
  place: ErrorPlace,
  log: UpstreamLog,
): S3Error {
  const code = document === undefined ? undefined : textOf(document, 'Code');
  const cause = new AnswerFailure({
    status,
    code,
    date: headers.get('date'),
    retryAfter: headers.get('retry-after') ?? '',
  });
  const ours = clientCode(status, code, place);
  if (ours === 'InternalError' || ours === 'ServiceUnavailable') {
    log.error(
      { status, code, operation: place.operation, region: headers.get('x-amz-bucket-region') },
      'storage refused or failed a request',
    );
  }
  const detail = Object.fromEntries(
    DETAIL.flatMap((name) => {
      const text = document === undefined ? undefined : textOf(document, name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
  const kept = headersOf(Object.fromEntries(HEADERS.map((name) => [name, headers.get(name)])));
  return new S3Error(ours, { detail, headers: kept, cause });
}

function clientCode(status: number, code: string | undefined, place: ErrorPlace): S3ErrorCode {
  if (code !== undefined && OUR_FAULT.has(code)) return 'InternalError';
  if (status === 409 && place.hasNativeGuard) return 'PreconditionFailed';
  const known = code === undefined ? undefined : isErrorCode(code) ? code : SYNONYMS.get(code);
  if (known !== undefined && known !== 'InternalError' && known !== 'NotModified') return known;
  // Redirects are never followed: where a storage is, and who is trusted with its key, is for the configuration to say.
  if (status < 400 || (status >= 500 && status !== 501)) return 'ServiceUnavailable';
  if (status === 401) return 'InternalError';
  if (status === 404) return place.key === undefined ? 'NoSuchBucket' : 'NoSuchKey';
  return BY_STATUS.get(status) ?? 'InvalidRequest';
}

async function errorDocument(response: IncomingResponse): Promise<XmlElement | undefined> {
  try {
    return errorElement(await readBody(response.body, MAX_ERROR_BYTES, 'ServiceUnavailable'));
  } catch {
    // The status stands whatever becomes of the text beside it.
    return undefined;
  }
}

/** The `<Error>` a document is, or is wrapped around; undefined when it is something else. */
export function errorElement(bytes: Uint8Array): XmlElement | undefined {
  try {
    const root = parseXml(Buffer.from(bytes.subarray(firstByte(bytes))));
    return root.name === 'Error' ? root : root.children.find(({ name }) => name === 'Error');
  } catch {
    return undefined;
  }
}

/** Where a document starts, behind the white space that keeps a slow answer's connection alive. */
export function firstByte(bytes: Uint8Array): number {
  let index = 0;
  while (index < bytes.byteLength && [0x20, 0x09, 0x0a, 0x0d].includes(bytes[index] ?? 0)) index++;
  return index;
}

function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}
