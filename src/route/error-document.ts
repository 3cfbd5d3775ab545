import { readBody } from '../s3/body.ts';
import { ERRORS, isErrorCode, S3Error, type S3ErrorCode } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import { childText, parseXml, type XmlElement } from '../s3/xml.ts';
import type { Target } from './catalog.ts';

const MAX_ERROR_BYTES = 64 * 1024;

/** Elements of an error that are figures or names of the protocol, never of a place. */
const SAFE_DETAIL: ReadonlySet<string> = new Set([
  'ActualObjectSize',
  'ArgumentName',
  'Condition',
  'MaxSizeAllowed',
  'MinSizeAllowed',
  'PartNumber',
  'ProposedSize',
  'RangeRequested',
]);

/**
 * A storage that does not know the gateway, or sends it elsewhere: the client did nothing wrong and must not be told
 * more (facts E03, S34).
 */
const ACCOUNT_TROUBLE: ReadonlySet<string> = new Set([
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidSecurity',
  'InvalidToken',
  'NotSignedUp',
  'PermanentRedirect',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'TemporaryRedirect',
]);

/** What a status means where no usable code came with it. */
const BY_STATUS: ReadonlyMap<number, S3ErrorCode> = new Map([
  [400, 'InvalidRequest'],
  [403, 'AccessDenied'],
  [405, 'MethodNotAllowed'],
  [409, 'OperationAborted'],
  [411, 'MissingContentLength'],
  [412, 'PreconditionFailed'],
  [416, 'InvalidRange'],
  [429, 'SlowDown'],
  [500, 'InternalError'],
  [501, 'NotImplemented'],
]);

/**
 * The error behind a storage's answer, in our words: of the document only the code and harmless figures are taken,
 * since any text may name the vendor's bucket, key, host or account. Consumes the answer's body.
 */
export async function errorOf(response: S3Response, request: S3Request): Promise<S3Error> {
  const document = await errorDocument(response);
  const code = (document && childText(document, 'Code')) ?? '';
  const cause = new Error(`the storage answered ${response.status} ${code}`);
  const isElsewhere = response.status >= 300 && response.status < 400;
  if (isElsewhere || ACCOUNT_TROUBLE.has(code)) return new S3Error('InternalError', { cause });
  const detail: Record<string, string> = {};
  for (const { name, text } of document?.children ?? []) if (SAFE_DETAIL.has(name)) detail[name] = text;
  if (code === 'NoSuchKey' && request.key !== undefined) detail.Key = request.key;
  if (code === 'NoSuchBucket' && request.bucket !== undefined) detail.BucketName = request.bucket;
  return new S3Error(isErrorCode(code) ? code : codeOfStatus(response.status, request), { detail, cause });
}

/** A code that may stand in a client's document. */
export function safeCode(code: string): S3ErrorCode {
  return isErrorCode(code) && !ACCOUNT_TROUBLE.has(code) ? code : 'InternalError';
}

export function messageOf(code: string): string {
  return ERRORS[safeCode(code)][1];
}

/**
 * What was thrown behind a rewritten name, without the storage's names. Anything but an S3Error passes as it is:
 * clients learn nothing from it.
 */
export function scrubError(error: unknown, target: Target): unknown {
  if (!(error instanceof S3Error)) return error;
  const detail = Object.fromEntries(Object.entries(error.detail).filter(([name]) => SAFE_DETAIL.has(name)));
  const hasName = [target.bucket, target.prefix].some((name) => name !== '' && error.message.includes(name));
  return new S3Error(error.code, {
    ...(!hasName && { message: error.message }),
    detail,
    ...(error.headers !== undefined && { headers: error.headers }),
    cause: error.cause ?? error,
  });
}

async function errorDocument(response: S3Response): Promise<XmlElement | undefined> {
  try {
    return parseXml(await readBody(response.body, MAX_ERROR_BYTES, 'InternalError'), 'Error');
  } catch (error) {
    // A load balancer's page, or a cut answer: the status still says something.
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}

function codeOfStatus(status: number, request: S3Request): S3ErrorCode {
  if (status === 404) return request.key === undefined ? 'NoSuchBucket' : 'NoSuchKey';
  return BY_STATUS.get(status) ?? (status < 500 ? 'InvalidRequest' : 'ServiceUnavailable');
}
