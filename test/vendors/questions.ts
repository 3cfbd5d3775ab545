import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { unsignedChunks } from '../support/slow-verifier.ts';
import { type Ask, md5Of } from './ask.ts';
import { STAND_INS, type StandInName } from './rows.ts';

/** Good at every vendor, Tencent's suffix included. */
export const bucket = 'vendor-suite-1250000000';
/** An upload that all serve in their own style. */
export const object = { method: 'PUT', bucket, key: 'a.txt', body: 'hello' } as const;
const sha256 = (body: string): string => createHash('sha256').update(body).digest('hex');
export const NAMES = Object.keys(STAND_INS) as StandInName[];

function deletion(count: number): string {
  const rows = Array.from({ length: count }, (_, index) => `<Object><Key>k${index}</Key></Object>`);
  return `<Delete>${rows.join('')}</Delete>`;
}

/** The headers of a body in chunks. */
export const framing = {
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '5',
} as const;

/** What is asked of every stand-in, and what those that refuse it answer. All others must serve it. */
export const QUESTIONS: readonly {
  readonly field: string;
  readonly ask: Ask;
  /** `STATUS Code` by vendor. */
  readonly refused: Partial<Record<StandInName, string | undefined>>;
}[] = [
  {
    field: 'path: path style',
    ask: { ...object, style: 'path' },
    refused: {
      oss: '403 SecondLevelDomainForbidden',
      cos: '403 PathStyleDomainForbidden',
      tos: '403 InvalidPathAccess',
    },
  },
  {
    field: 'virtual: the bucket in the Host header',
    ask: { bucket, key: 'there', style: 'virtual' },
    // The path is taken for the bucket.
    refused: { minio: '404 NoSuchBucket', ceph: '404 NoSuchBucket', other: '404 NoSuchBucket' },
  },
  {
    field: 'v2: the legacy signature',
    ask: { ...object, sign: 'v2' },
    refused: {
      aws: '400 InvalidRequest',
      cos: '403 AccessDenied',
      tos: '400 InvalidRequest',
      r2: '400 InvalidRequest',
      b2: '400 InvalidRequest',
      wasabi: '400 InvalidRequest',
    },
  },
  {
    field: 'regions: another region in the scope',
    ask: { ...object, region: 'mars-1' },
    refused: Object.fromEntries(
      (['aws', 'kodo', 'tos', 'minio', 'r2', 'b2', 'wasabi'] as const).map((name) => [
        name,
        '400 AuthorizationHeaderMalformed',
      ]),
    ),
  },
  {
    field: 'payloadHash: a SHA-256 of the body',
    ask: { ...object, headers: { 'x-amz-content-sha256': sha256('hello') } },
    refused: { obs: '400 XAmzContentSHA256Mismatch' },
  },
  {
    field: 'payloadHash: a wrong SHA-256 of the body',
    ask: { ...object, headers: { 'x-amz-content-sha256': sha256('other') } },
    refused: Object.fromEntries(NAMES.map((name) => [name, '400 XAmzContentSHA256Mismatch'])),
  },
  {
    field: 'strayHash: a hash that is not of nothing on GET',
    ask: { bucket, key: 'there', headers: { 'x-amz-content-sha256': sha256('x') } },
    refused: { ...Object.fromEntries(NAMES.map((name) => [name, undefined])), oss: '400 InvalidArgument' },
  },
  {
    field: 'trailers: STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    ask: {
      ...object,
      headers: {
        ...framing,
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      body: unsignedChunks(Buffer.from('hello'), { sizes: [5], trailer: 'x-amz-checksum-crc32:NhCmhg==' }),
    },
    refused: {
      oss: '400 InvalidArgument',
      cos: '400 BadDigest',
      kodo: '501 NotImplemented',
      obs: '400 XAmzContentSHA256Mismatch',
      tos: '501 NotImplemented',
      ceph: '400 XAmzContentSHA256Mismatch',
      r2: '501 NotImplemented',
      b2: '400 InvalidArgument',
      gcs: '403 SignatureDoesNotMatch',
      wasabi: '501 NotImplemented',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'trailers: with a wrong checksum',
    ask: {
      ...object,
      headers: {
        ...framing,
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      body: unsignedChunks(Buffer.from('hellO'), { sizes: [5], trailer: 'x-amz-checksum-crc32:NhCmhg==' }),
    },
    refused: {
      aws: '400 BadDigest',
      minio: '400 BadDigest',
      oss: '400 InvalidArgument',
      cos: '400 BadDigest',
      kodo: '501 NotImplemented',
      obs: '400 XAmzContentSHA256Mismatch',
      tos: '501 NotImplemented',
      ceph: '400 XAmzContentSHA256Mismatch',
      r2: '501 NotImplemented',
      b2: '400 InvalidArgument',
      gcs: '403 SignatureDoesNotMatch',
      wasabi: '501 NotImplemented',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'signedChunks: aws-chunked without a signature for it',
    ask: { ...object, headers: { ...framing } },
    refused: Object.fromEntries(NAMES.map((name) => [name, '400 InvalidRequest'])),
  },
  {
    field: 'chunkedTransfer: no length',
    ask: { ...object, body: () => Readable.from(['hello']) },
    refused: {
      ...Object.fromEntries(NAMES.map((name) => [name, '411 MissingContentLength'])),
      tos: '411 NoContentLength',
      gcs: undefined,
    },
  },
  {
    field: 'chunkedTransfer: the length of what is in the chunks only, as new SDKs send',
    ask: {
      ...object,
      headers: {
        ...framing,
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      body: () =>
        Readable.from([unsignedChunks(Buffer.from('hello'), { sizes: [5], trailer: 'x-amz-checksum-crc32:NhCmhg==' })]),
    },
    refused: {
      ...Object.fromEntries(NAMES.map((name) => [name, '411 MissingContentLength'])),
      tos: '411 NoContentLength',
      gcs: '403 SignatureDoesNotMatch',
      aws: undefined,
      minio: undefined,
    },
  },
  {
    field: 'checksums: in a header',
    ask: { ...object, headers: { 'x-amz-checksum-crc32': 'NhCmhg==', 'x-amz-sdk-checksum-algorithm': 'CRC32' } },
    refused: {
      oss: '400 InvalidArgument',
      cos: '400 InvalidArgument',
      kodo: '400 InvalidArgument',
      obs: '400 InvalidArgument',
      tos: '400 InvalidArgument',
      b2: '400 InvalidArgument',
      wasabi: '400 InvalidArgument',
      gcs: '400 ExcessHeaderValues',
      r2: '501 NotImplemented',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'checksums: in the query of a presigned URL',
    ask: { ...object, sign: 'query', query: 'x-amz-sdk-checksum-algorithm=CRC32' },
    refused: {
      oss: '400 InvalidArgument',
      cos: '400 InvalidArgument',
      kodo: '400 InvalidArgument',
      obs: '400 InvalidArgument',
      tos: '400 InvalidArgument',
      b2: '400 InvalidArgument',
      wasabi: '400 InvalidArgument',
      gcs: '400 ExcessHeaderValues',
      r2: '501 NotImplemented',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'checksumMode: on GET',
    ask: { bucket, key: 'there', headers: { 'x-amz-checksum-mode': 'ENABLED' } },
    refused: { b2: '400 InvalidArgument', other: '501 NotImplemented' },
  },
  {
    field: 'unsignable: Accept-Encoding among the signed headers',
    ask: { bucket, key: 'there', headers: { 'accept-encoding': 'identity' } },
    refused: { gcs: '403 SignatureDoesNotMatch', other: '403 SignatureDoesNotMatch' },
  },
  {
    field: 'parameters: x-id',
    ask: { bucket, key: 'there', query: 'x-id=GetObject' },
    refused: { gcs: '400 InvalidArgument', other: '400 InvalidArgument' },
  },
  {
    field: 'headers: a family of its own under an AWS signature',
    ask: { ...object, headers: { 'x-obs-acl': 'private', 'x-goog-acl': 'private' } },
    refused: { obs: '403 SignatureDoesNotMatch', gcs: '400 ExcessHeaderValues' },
  },
  {
    field: 'headers: underscores',
    ask: { ...object, headers: { 'x-amz-meta-a_b': '1' } },
    refused: { oss: '400 InvalidArgument' },
  },
  {
    field: 'headers: an ACL',
    ask: { ...object, headers: { 'x-amz-acl': 'bucket-owner-full-control' } },
    refused: {
      oss: '400 InvalidArgument',
      r2: '501 NotImplemented',
      b2: '400 InvalidArgument',
      other: '400 InvalidArgument',
    },
  },
  {
    field: "storageClasses: another vendor's",
    ask: { ...object, headers: { 'x-amz-storage-class': 'GLACIER' } },
    refused: Object.fromEntries(
      (['cos', 'r2', 'b2', 'gcs', 'other'] as const).map((name) => [name, '400 InvalidStorageClass']),
    ),
  },
  {
    field: 'subresources: versioning',
    ask: { bucket, query: 'versioning' },
    refused: { oss: '501 NotImplemented', r2: '501 NotImplemented', other: '501 NotImplemented' },
  },
  {
    field: 'subresources: tagging',
    ask: { bucket, key: 'there', query: 'tagging' },
    refused: {
      oss: '501 NotImplemented',
      r2: '501 NotImplemented',
      b2: '501 NotImplemented',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'subresources: listing of uploads',
    ask: { bucket, query: 'uploads' },
    refused: { oss: '501 NotImplemented' },
  },
  {
    field: 'deleteDigest: none',
    ask: { method: 'POST', bucket, query: 'delete', body: deletion(1) },
    refused: {
      ...Object.fromEntries(NAMES.map((name) => [name, '400 InvalidRequest'])),
      oss: '400 MissingArgument',
      minio: '400 MissingContentMD5',
      gcs: '400 InvalidArgument',
    },
  },
  {
    field: 'deleteDigest: a CRC32 only, as new SDKs send',
    ask: {
      method: 'POST',
      bucket,
      query: 'delete',
      body: deletion(1),
      headers: { 'x-amz-checksum-crc32': 'UmSl5w==' },
    },
    refused: {
      oss: '400 InvalidArgument',
      cos: '400 InvalidArgument',
      kodo: '400 InvalidArgument',
      obs: '400 InvalidArgument',
      tos: '400 InvalidArgument',
      minio: '400 MissingContentMD5',
      r2: '501 NotImplemented',
      b2: '400 InvalidArgument',
      wasabi: '400 InvalidArgument',
      other: '501 NotImplemented',
    },
  },
  {
    field: 'deleteDigest: a wrong Content-MD5',
    ask: { method: 'POST', bucket, query: 'delete', body: deletion(1), headers: { 'content-md5': md5Of('') } },
    refused: Object.fromEntries(NAMES.map((name) => [name, '400 BadDigest'])),
  },
  {
    field: 'deleteKeys: 701',
    ask: {
      method: 'POST',
      bucket,
      query: 'delete',
      body: deletion(701),
      headers: { 'content-md5': md5Of(deletion(701)) },
    },
    refused: { r2: '500 InternalError' },
  },
  {
    field: 'deleteKeys: 1001',
    ask: {
      method: 'POST',
      bucket,
      query: 'delete',
      body: deletion(1001),
      headers: { 'content-md5': md5Of(deletion(1001)) },
    },
    refused: { ...Object.fromEntries(NAMES.map((name) => [name, '400 MalformedXML'])), r2: '500 InternalError' },
  },
  {
    // Those that serve it here ignore it, which is why nobody may rely on it: the next test shows that.
    field: 'conditions: If-None-Match on what is there',
    ask: { ...object, key: 'there', headers: { 'if-none-match': '*' } },
    refused: {
      oss: '501 NotImplemented',
      aws: '412 PreconditionFailed',
      minio: '412 PreconditionFailed',
      ceph: '412 PreconditionFailed',
      r2: '412 PreconditionFailed',
      b2: '412 PreconditionFailed',
    },
  },
  {
    field: 'conditions: If-Match with another ETag',
    ask: { ...object, key: 'there', headers: { 'if-match': '"x"' } },
    refused: {
      oss: '501 NotImplemented',
      aws: '412 PreconditionFailed',
      minio: '412 PreconditionFailed',
      ceph: '412 PreconditionFailed',
      r2: '412 PreconditionFailed',
      b2: '412 PreconditionFailed',
    },
  },
  {
    field: 'forbidOverwrite: by the own header of Alibaba',
    ask: { ...object, key: 'there', headers: { 'x-oss-forbid-overwrite': 'true' } },
    refused: { oss: '409 FileAlreadyExists' },
  },
  {
    field: 'forbidOverwrite: by the own header of Tencent',
    ask: { ...object, key: 'there', headers: { 'x-cos-forbid-overwrite': 'true' } },
    refused: { cos: '409 FileAlreadyExists' },
  },
  {
    field: 'forbidOverwrite: by the own header of Volcengine',
    ask: { ...object, key: 'there', headers: { 'x-tos-forbid-overwrite': 'true' } },
    refused: { tos: '409 FileAlreadyExists' },
  },
  {
    field: 'forbidOverwrite: neither true nor false',
    ask: { ...object, headers: { 'x-oss-forbid-overwrite': '1' } },
    refused: { oss: '400 InvalidArgument' },
  },
  { field: 'listV2', ask: { bucket, query: 'list-type=2' }, refused: { obs: '400 InvalidArgument' } },
  { field: 'encodingType', ask: { bucket, query: 'encoding-type=url' }, refused: { kodo: '400 InvalidArgument' } },
  {
    field: 'maxKeys: 1024',
    ask: { bucket, query: 'max-keys=1024' },
    refused: { wasabi: '400 InvalidArgument', other: '400 InvalidArgument' },
  },
  { field: 'keys: beginning with a slash', ask: { ...object, key: '/a' }, refused: { oss: '400 InvalidObjectName' } },
  {
    field: 'maxMetadata: 3 KiB',
    ask: { ...object, headers: { 'x-amz-meta-a': 'x'.repeat(3000) } },
    refused: { ...Object.fromEntries(NAMES.map((name) => [name, '400 MetadataTooLarge'])), r2: undefined },
  },
  {
    field: 'bucketNames: a dot',
    ask: { method: 'PUT', bucket: 'a.b', body: '' },
    refused: {
      oss: '400 InvalidBucketName',
      cos: '400 InvalidBucketName',
      tos: '400 InvalidBucketName',
      // These want their region first.
      aws: '400 IllegalLocationConstraintException',
      kodo: '400 IllegalLocationConstraintException',
      obs: '400 IllegalLocationConstraintException',
      r2: '400 IllegalLocationConstraintException',
    },
  },
  {
    field: 'locations: of another vendor',
    ask: {
      method: 'PUT',
      bucket: 'new-1250000000',
      body: '<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>',
    },
    refused: {
      ...Object.fromEntries(NAMES.map((name) => [name, '400 InvalidLocationConstraint'])),
      oss: undefined,
      cos: undefined,
      tos: undefined,
      gcs: undefined,
    },
  },
  {
    field: 'a wrong secret key',
    ask: { ...object, secretKey: 'wrong' },
    refused: Object.fromEntries(NAMES.map((name) => [name, '403 SignatureDoesNotMatch'])),
  },
  {
    field: 'a wrong secret key in V2',
    ask: { bucket, sign: 'v2', secretKey: 'wrong' },
    refused: {
      ...Object.fromEntries(NAMES.map((name) => [name, '403 SignatureDoesNotMatch'])),
      aws: '400 InvalidRequest',
      cos: '403 AccessDenied',
      tos: '400 InvalidRequest',
      r2: '400 InvalidRequest',
      b2: '400 InvalidRequest',
      wasabi: '400 InvalidRequest',
    },
  },
  {
    field: 'a header of S3 that was not signed',
    ask: { ...object, after: { 'x-amz-meta-late': '1' } },
    refused: Object.fromEntries(NAMES.map((name) => [name, '403 AccessDenied'])),
  },
  {
    field: 'no signature',
    ask: { ...object, sign: 'not' },
    refused: Object.fromEntries(NAMES.map((name) => [name, '403 AccessDenied'])),
  },
  {
    field: 'an operation that is not kept',
    ask: { bucket, query: 'replication' },
    refused: Object.fromEntries(NAMES.map((name) => [name, '501 NotImplemented'])),
  },
];
