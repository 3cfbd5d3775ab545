import { Readable } from 'node:stream';
import t from 'tap';
import type { S3ErrorCode } from '../../../../src/s3/error.ts';
import { azureCode, azureStatus, readFault } from '../../../../src/store/azure/errors.ts';

/** https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes, and what becomes of each. */
const TABLE: Readonly<Partial<Record<S3ErrorCode, readonly string[]>>> = {
  NoSuchKey: ['404 BlobNotFound', '404 ResourceNotFound'],
  NoSuchBucket: ['404 ContainerNotFound', '409 ContainerBeingDeleted', '409 ContainerDisabled'],
  BucketAlreadyOwnedByYou: ['409 ContainerAlreadyExists'],
  KeyTooLongError: ['400 OutOfRangeInput', '400 InvalidUri'],
  PreconditionFailed: [
    '409 BlobAlreadyExists',
    '412 ConditionNotMet',
    '412 TargetConditionNotMet',
    '412 SourceConditionNotMet',
    '412 AppendPositionConditionNotMet',
  ],
  InvalidRange: ['416 InvalidRange'],
  InvalidArgument: [
    '400 UnsatisfiableCondition',
    '400 MultipleConditionHeadersNotSupported',
    '400 InvalidMetadata',
    '400 EmptyMetadataKey',
    '400 InvalidResourceName',
  ],
  InvalidRequest: [
    '400 BlockListTooLong',
    '409 BlockCountExceedsLimit',
    '409 BlobUsesCustomerSpecifiedEncryption',
    '409 OperationNotSupportedOnDirectory',
    '409 DirectoryIsNotEmpty',
    '409 ResourceTypeMismatch',
    '409 PathConflict',
    '400 InvalidQueryParameterValue',
  ],
  EntityTooLarge: ['413 RequestBodyTooLarge', '409 ContentLengthLargerThanTierLimit'],
  MissingContentLength: ['411 MissingContentLengthHeader'],
  BadDigest: ['400 Md5Mismatch', '400 Crc64Mismatch'],
  InvalidDigest: ['400 InvalidMd5'],
  MetadataTooLarge: ['400 MetadataTooLarge'],
  InvalidTag: ['400 TagsTooLarge', '400 InvalidTag', '400 DuplicateTagNames'],
  InvalidObjectState: ['409 BlobArchived', '409 BlobBeingRehydrated'],
  InvalidStorageClass: ['409 BlobAccessTierNotSupportedForAccountType', '400 InvalidBlobTier'],
  OperationAborted: [
    '412 LeaseIdMissing',
    '409 LeaseAlreadyPresent',
    '409 PendingCopyOperation',
    '409 InvalidBlobType',
    '409 BlobOperationNotSupported',
  ],
  AccessDenied: [
    '409 BlobImmutableDueToPolicy',
    '409 BlobImmutableDueToLegalHold',
    '409 SnapshotsPresent',
    '403 AuthenticationFailed',
    '403 AuthorizationFailure',
    '403 AuthorizationPermissionMismatch',
    '403 AuthorizationProtocolMismatch',
    '403 AuthorizationResourceTypeMismatch',
    '403 AuthorizationServiceMismatch',
    '403 AuthorizationSourceIPMismatch',
    '401 InvalidAuthenticationInfo',
    '401 NoAuthenticationInformation',
    '403 InsufficientAccountPermissions',
    '403 AccountIsDisabled',
    '403 KeyBasedAuthenticationNotPermitted',
    '409 PublicAccessNotPermitted',
    '403 CannotVerifyCopySource',
    '403 UnauthorizedBlobOverwrite',
  ],
  InternalError: [
    '500 InternalError',
    '409 CopyIdMismatch',
    '409 NoPendingCopyOperation',
    '400 InvalidBlockList',
    '400 InvalidBlobOrBlock',
    '400 InvalidBlockId',
  ],
  SlowDown: [
    '503 ServerBusy',
    '429 TooManyRequests',
    '500 OperationTimedOut',
    '503 IngressOverAccountLimit',
    '503 EgressOverAccountLimit',
  ],
  NotImplemented: ['501 APINotImplemented', '501 NotImplemented'],
  ServiceUnavailable: ['502 BadGateway', '503 SomethingNew', '504 GatewayTimeout', '302 Moved'],
};

for (const [s3, cases] of Object.entries(TABLE)) {
  t.test(`${s3} is what S3 says for ${cases.length} codes of Azure`, async (t) => {
    for (const each of cases) {
      const [status = '', code = ''] = each.split(' ');
      for (const where of ['header', 'document'] as const) {
        const headers = new Map(where === 'header' ? [['x-ms-error-code', code]] : []);
        const document = `<Error><Code>${code}</Code><Message>of the account</Message></Error>`;
        const body = Readable.from(where === 'header' ? [] : [Buffer.from(document)]);
        const response = { status: Number(status), headers, framing: 'length' as const, body };
        const { error } = await readFault(response, { hasBlob: true });
        t.equal(error.code, s3, `${each} in the ${where}`);
        t.same([azureCode(error), azureStatus(error)], [code, Number(status)], 'the log has it');
        t.notMatch(JSON.stringify([error.message, error.detail]), /account/);
      }
    }
  });
}

t.test('without a blob in the request, what is missing or misnamed is the bucket', async (t) => {
  const of = async (status: number, code: string | undefined) => {
    const headers = new Map(code === undefined ? [] : [['x-ms-error-code', code]]);
    const response = { status, headers, framing: 'none' as const, body: Readable.from([]) };
    return (await readFault(response, { hasBlob: false })).error.code;
  };
  t.equal(await of(404, undefined), 'NoSuchBucket');
  t.equal(await of(404, 'ResourceNotFound'), 'NoSuchBucket');
  t.equal(await of(400, 'InvalidResourceName'), 'InvalidBucketName');
});
