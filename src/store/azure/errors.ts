import type { IncomingResponse } from '../../http/transport.ts';
import { dropBody } from '../../s3/body.ts';
import { S3Error, type S3ErrorCode } from '../../s3/error.ts';
import { AnswerFailure } from '../../s3/failure.ts';
import { type Headers, headersOf } from '../../s3/headers.ts';
import { childText, parseXml } from '../../s3/xml.ts';

/** Azure's error codes and what S3 says instead. https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes */
const CODES: ReadonlyMap<string, S3ErrorCode> = new Map<string, S3ErrorCode>([
  ['BlobNotFound', 'NoSuchKey'],
  ['ContainerNotFound', 'NoSuchBucket'],
  ['ContainerBeingDeleted', 'NoSuchBucket'],
  ['ContainerDisabled', 'NoSuchBucket'],
  ['ContainerAlreadyExists', 'BucketAlreadyOwnedByYou'],
  ['OutOfRangeInput', 'KeyTooLongError'],
  ['InvalidUri', 'KeyTooLongError'],
  ['BlobAlreadyExists', 'PreconditionFailed'],
  ['ConditionNotMet', 'PreconditionFailed'],
  ['TargetConditionNotMet', 'PreconditionFailed'],
  ['SourceConditionNotMet', 'PreconditionFailed'],
  ['AppendPositionConditionNotMet', 'PreconditionFailed'],
  ['MaxBlobSizeConditionNotMet', 'PreconditionFailed'],
  ['SequenceNumberConditionNotMet', 'PreconditionFailed'],
  ['UnsatisfiableCondition', 'InvalidArgument'],
  ['MultipleConditionHeadersNotSupported', 'InvalidArgument'],
  ['InvalidRange', 'InvalidRange'],
  ['BlockListTooLong', 'InvalidRequest'],
  ['BlockCountExceedsLimit', 'InvalidRequest'],
  ['RequestBodyTooLarge', 'EntityTooLarge'],
  ['ContentLengthLargerThanTierLimit', 'EntityTooLarge'],
  ['MissingContentLengthHeader', 'MissingContentLength'],
  ['Md5Mismatch', 'BadDigest'],
  ['Crc64Mismatch', 'BadDigest'],
  ['InvalidMd5', 'InvalidDigest'],
  ['InvalidMetadata', 'InvalidArgument'],
  ['EmptyMetadataKey', 'InvalidArgument'],
  ['MetadataTooLarge', 'MetadataTooLarge'],
  ['TagsTooLarge', 'InvalidTag'],
  ['InvalidTag', 'InvalidTag'],
  ['InvalidTags', 'InvalidTag'],
  ['DuplicateTagNames', 'InvalidTag'],
  ['BlobAccessTierNotSupportedForAccountType', 'InvalidStorageClass'],
  ['InvalidBlobTier', 'InvalidStorageClass'],
  ['BlobTierInadequateForContentLength', 'InvalidStorageClass'],
  ['BlobArchived', 'InvalidObjectState'],
  ['BlobBeingRehydrated', 'InvalidObjectState'],
  ['BlobImmutableDueToPolicy', 'AccessDenied'],
  ['BlobImmutableDueToLegalHold', 'AccessDenied'],
  ['SnapshotsPresent', 'AccessDenied'],
  ['LeaseIdMissing', 'OperationAborted'],
  ['LeaseAlreadyPresent', 'OperationAborted'],
  ['PendingCopyOperation', 'OperationAborted'],
  ['CopyIdMismatch', 'InternalError'],
  ['NoPendingCopyOperation', 'InternalError'],
  // Blocks are ours alone, and so are their ids.
  ['InvalidBlockList', 'InternalError'],
  ['InvalidBlobOrBlock', 'InternalError'],
  ['InvalidBlockId', 'InternalError'],
  ['InvalidBlobType', 'OperationAborted'],
  ['BlobOperationNotSupported', 'OperationAborted'],
  ['OperationNotSupportedOnDirectory', 'InvalidRequest'],
  ['DirectoryIsNotEmpty', 'InvalidRequest'],
  ['ResourceTypeMismatch', 'InvalidRequest'],
  ['PathConflict', 'InvalidRequest'],
  ['PathAlreadyExists', 'InvalidRequest'],
  ['BlobUsesCustomerSpecifiedEncryption', 'InvalidRequest'],
  ['FeatureVersionMismatch', 'OperationAborted'],
  ['AccountBeingCreated', 'ServiceUnavailable'],
  ['ServerBusy', 'SlowDown'],
  ['OperationTimedOut', 'SlowDown'],
  ['IngressOverAccountLimit', 'SlowDown'],
  ['EgressOverAccountLimit', 'SlowDown'],
  ['APINotImplemented', 'NotImplemented'],
  ['NotImplemented', 'NotImplemented'],
  // Wrong keys, expired tokens, firewalls: the client's own key is right, and its operator finds these in the log.
  ['AuthenticationFailed', 'AccessDenied'],
  ['AuthorizationFailure', 'AccessDenied'],
  ['AuthorizationPermissionMismatch', 'AccessDenied'],
  ['AuthorizationProtocolMismatch', 'AccessDenied'],
  ['AuthorizationServiceMismatch', 'AccessDenied'],
  ['AuthorizationResourceTypeMismatch', 'AccessDenied'],
  ['AuthorizationSourceIPMismatch', 'AccessDenied'],
  ['InvalidAuthenticationInfo', 'AccessDenied'],
  ['NoAuthenticationInformation', 'AccessDenied'],
  ['InsufficientAccountPermissions', 'AccessDenied'],
  ['AccountIsDisabled', 'AccessDenied'],
  ['KeyBasedAuthenticationNotPermitted', 'AccessDenied'],
  ['PublicAccessNotPermitted', 'AccessDenied'],
]);

/** Where a status comes with no code, or one that is not listed. */
const BY_STATUS: ReadonlyMap<number, S3ErrorCode> = new Map<number, S3ErrorCode>([
  [400, 'InvalidRequest'],
  [401, 'AccessDenied'],
  [403, 'AccessDenied'],
  [409, 'OperationAborted'],
  [411, 'MissingContentLength'],
  [412, 'PreconditionFailed'],
  [413, 'EntityTooLarge'],
  [416, 'InvalidRange'],
  [429, 'SlowDown'],
  [500, 'InternalError'],
  [501, 'NotImplemented'],
]);

const MAX_ERROR_BYTES = 64 * 1024;

/** What an error is about: it tells a missing blob from a missing container where Azure names neither. */
export interface ErrorPlace {
  readonly hasBlob: boolean;
}

/** What Azure answered, for those who decide by it. */
export interface AzureFault {
  readonly code: string | undefined;
  /** The header that InvalidHeaderValue is about. */
  readonly headerName: string | undefined;
}

/**
 * Makes the client's error of an answer with an error status, and consumes its body. Azure's words, which name the
 * account, stay behind; its code is in the cause, an `AnswerFailure`.
 */
export async function readFault(
  response: IncomingResponse,
  place: ErrorPlace,
): Promise<{ readonly error: S3Error; readonly fault: AzureFault }> {
  const document = await readDocument(response);
  const { status, code } = toldOf(response, document?.code);
  const { headers } = response;
  const wished = waitOf(headers);
  const cause = new AnswerFailure({ status, code, date: headers.get('date'), retryAfter: wished ?? '' });
  const shown = clientCode(status, code, place);
  // Who is not told for how long comes back at once.
  const retryAfter = wished ?? (shown === 'SlowDown' ? '1' : undefined);
  const error = new S3Error(shown, {
    cause,
    ...(retryAfter !== undefined && { headers: headersOf({ 'retry-after': retryAfter }) }),
  });
  return { error, fault: { code, headerName: document?.headerName } };
}

/** How long Azure wishes to be left alone, in seconds or as it says it. */
function waitOf(headers: Headers): string | undefined {
  const milliseconds = headers.get('x-ms-retry-after-ms');
  if (milliseconds === undefined || !/^\d{1,9}$/.test(milliseconds)) return headers.get('retry-after');
  return String(Math.ceil(Number(milliseconds) / 1000));
}

/** What went wrong with a copy's source is told beside the code of its own that the copy fails with. */
function toldOf({ status, headers }: IncomingResponse, documentCode: string | undefined) {
  const code = headers.get('x-ms-error-code') ?? documentCode;
  const sourceCode = headers.get('x-ms-copy-source-error-code');
  if (code !== 'CannotVerifyCopySource' || sourceCode === undefined) return { status, code };
  const sourceStatus = Number(headers.get('x-ms-copy-source-status-code') ?? status);
  return { status: sourceStatus >= 400 ? sourceStatus : status, code: sourceCode };
}

/** Azure's own code of an error that came from an answer of it. */
export function azureCode(error: unknown): string | undefined {
  return error instanceof S3Error && error.cause instanceof AnswerFailure ? error.cause.code : undefined;
}

/** The status that Azure answered with, of an error that came from an answer of it. */
export function azureStatus(error: unknown): number | undefined {
  return error instanceof S3Error && error.cause instanceof AnswerFailure ? error.cause.status : undefined;
}

function clientCode(status: number, code: string | undefined, { hasBlob }: ErrorPlace): S3ErrorCode {
  if (code === 'InvalidResourceName') return hasBlob ? 'InvalidArgument' : 'InvalidBucketName';
  const known = code === undefined ? undefined : CODES.get(code);
  if (known !== undefined) return known;
  if (status === 404) return hasBlob ? 'NoSuchKey' : 'NoSuchBucket';
  return BY_STATUS.get(status) ?? (status > 400 && status < 500 ? 'InvalidRequest' : 'ServiceUnavailable');
}

async function readDocument({ body }: IncomingResponse): Promise<{ code?: string; headerName?: string } | undefined> {
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > MAX_ERROR_BYTES) return undefined;
      chunks.push(chunk);
    }
    if (size === 0) return undefined;
    const root = parseXml(Buffer.concat(chunks));
    const [code, headerName] = [childText(root, 'Code'), childText(root, 'HeaderName')];
    return { ...(code !== undefined && { code }), ...(headerName !== undefined && { headerName }) };
  } catch {
    // The status stands whatever becomes of the text beside it.
    return undefined;
  } finally {
    dropBody(body);
  }
}
