import type { KnownOperation } from '../s3/operation.ts';
import { type CompiledShape, compileShape, type XmlShape } from '../s3/xml-edit.ts';

/** What a query value is. `key`, `prefix`: text that the storage's prefix goes before. */
export type QueryPlace = 'key' | 'prefix' | 'token' | 'upload' | 'upload-marker';

/** What a text of an answer is. `asked NAME` repeats the client's own query value and is written from that. */
export type AnswerPlace =
  | 'bucket'
  | 'key'
  | 'entry-key'
  | 'entry-prefix'
  | 'object-key'
  | 'location'
  | 'code'
  | 'message'
  | 'owner'
  | 'token'
  | 'upload'
  | 'upload-marker'
  | `asked ${string}`;

export interface KeyPlaces {
  /** Where a prefix or another bucket name is active: works, works without a prefix only, or never. */
  readonly rewritten: 'works' | 'whole-bucket' | 'never';
  readonly query?: Readonly<Record<string, QueryPlace>>;
  /** The request document holds keys in `Delete/Object/Key`. */
  readonly hasKeysInBody?: true;
  /** For every target: also where no name differs, documents tell the vendor, its accounts and its tokens. */
  readonly answer?: CompiledShape<AnswerPlace>;
  /** A successful answer is replaced, as all that it says is the vendor's: accounts where names differ, its place always. */
  readonly standIn?: 'acl' | 'location';
  /**
   * The query parameter that skips the key that equals the storage's prefix. To the client that would be the empty
   * key, which no request can name.
   */
  readonly skip?: string;
}

const OWNER = { ID: 'owner', DisplayName: 'owner' } as const;
const CHECKSUMS = {
  ChecksumAlgorithm: 'keep',
  ChecksumType: 'keep',
  ChecksumCRC32: 'keep',
  ChecksumCRC32C: 'keep',
  ChecksumCRC64NVME: 'keep',
  ChecksumSHA1: 'keep',
  ChecksumSHA256: 'keep',
} as const;
const LISTED_OBJECT = {
  Key: 'entry-key',
  LastModified: 'keep',
  ETag: 'keep',
  Size: 'keep',
  StorageClass: 'keep',
  Owner: OWNER,
  RestoreStatus: { IsRestoreInProgress: 'keep', RestoreExpiryDate: 'keep' },
  ...CHECKSUMS,
} as const;
const LISTING = {
  Name: 'bucket',
  Prefix: 'asked prefix',
  Delimiter: 'keep',
  MaxKeys: 'keep',
  EncodingType: 'keep',
  IsTruncated: 'keep',
  CommonPrefixes: { Prefix: 'entry-prefix' },
} as const;
const VERSION = { ...LISTED_OBJECT, VersionId: 'keep', IsLatest: 'keep' } as const;

const works: KeyPlaces = { rewritten: 'works' };
const wholeBucket: KeyPlaces = { rewritten: 'whole-bucket' };
const never: KeyPlaces = { rewritten: 'never' };
const onUpload: KeyPlaces = { rewritten: 'works', query: { uploadId: 'upload' } };

/**
 * Where keys, buckets and opaque tokens stand, per operation, apart from the path and the copy source. Elements that
 * a shape does not name are removed where the answer is rewritten. `never`: the documents name buckets, keys, hosts
 * or accounts in ways we do not follow.
 */
export const KEY_PLACES: Readonly<Record<KnownOperation, KeyPlaces>> = {
  // Answered by the router, from several storages.
  ListBuckets: never,

  GetBucketLocation: { rewritten: 'works', standIn: 'location' },
  GetBucketVersioning: {
    rewritten: 'works',
    answer: shape({ VersioningConfiguration: { Status: 'keep', MfaDelete: 'keep' } }),
  },
  PutBucketVersioning: wholeBucket,
  GetBucketAcl: { rewritten: 'works', standIn: 'acl' },
  PutBucketAcl: never,
  GetBucketTagging: wholeBucket,
  PutBucketTagging: wholeBucket,
  DeleteBucketTagging: wholeBucket,
  GetBucketPolicy: never,
  PutBucketPolicy: never,
  DeleteBucketPolicy: never,
  GetBucketPolicyStatus: wholeBucket,
  GetBucketLifecycleConfiguration: wholeBucket,
  PutBucketLifecycleConfiguration: wholeBucket,
  DeleteBucketLifecycle: wholeBucket,
  GetBucketCors: wholeBucket,
  PutBucketCors: wholeBucket,
  DeleteBucketCors: wholeBucket,
  GetBucketEncryption: never,
  PutBucketEncryption: never,
  DeleteBucketEncryption: wholeBucket,
  GetBucketWebsite: never,
  GetBucketNotificationConfiguration: never,
  GetBucketReplication: never,
  GetBucketLogging: never,
  GetBucketRequestPayment: wholeBucket,
  GetBucketAccelerateConfiguration: wholeBucket,
  GetBucketOwnershipControls: wholeBucket,
  GetPublicAccessBlock: wholeBucket,
  GetObjectLockConfiguration: wholeBucket,
  ListObjectVersions: {
    rewritten: 'works',
    query: { prefix: 'prefix', 'key-marker': 'key' },
    skip: 'key-marker',
    answer: shape({
      ListVersionsResult: {
        ...LISTING,
        KeyMarker: 'asked key-marker',
        VersionIdMarker: 'asked version-id-marker',
        NextKeyMarker: 'key',
        NextVersionIdMarker: 'keep',
        Version: VERSION,
        DeleteMarker: VERSION,
      },
    }),
  },
  ListMultipartUploads: {
    rewritten: 'works',
    query: { prefix: 'prefix', 'key-marker': 'key', 'upload-id-marker': 'upload-marker' },
    skip: 'key-marker',
    answer: shape({
      ListMultipartUploadsResult: {
        Bucket: 'bucket',
        Prefix: 'asked prefix',
        Delimiter: 'keep',
        KeyMarker: 'asked key-marker',
        UploadIdMarker: 'asked upload-id-marker',
        NextKeyMarker: 'key',
        NextUploadIdMarker: 'upload-marker',
        MaxUploads: 'keep',
        EncodingType: 'keep',
        IsTruncated: 'keep',
        Upload: {
          Key: 'entry-key',
          UploadId: 'upload',
          Initiated: 'keep',
          StorageClass: 'keep',
          Owner: OWNER,
          Initiator: OWNER,
          ...CHECKSUMS,
        },
        CommonPrefixes: { Prefix: 'entry-prefix' },
      },
    }),
  },
  ListObjectsV2: {
    rewritten: 'works',
    query: { prefix: 'prefix', 'start-after': 'key', 'continuation-token': 'token' },
    skip: 'start-after',
    answer: shape({
      ListBucketResult: {
        ...LISTING,
        KeyCount: 'keep',
        StartAfter: 'asked start-after',
        ContinuationToken: 'asked continuation-token',
        NextContinuationToken: 'token',
        Contents: LISTED_OBJECT,
      },
    }),
  },
  ListObjects: {
    rewritten: 'works',
    query: { prefix: 'prefix', marker: 'key' },
    skip: 'marker',
    answer: shape({
      ListBucketResult: { ...LISTING, Marker: 'asked marker', NextMarker: 'key', Contents: LISTED_OBJECT },
    }),
  },
  HeadBucket: works,
  CreateBucket: works,
  DeleteBucket: works,
  DeleteObjects: {
    rewritten: 'works',
    hasKeysInBody: true,
    answer: shape({
      DeleteResult: {
        Deleted: { Key: 'key', VersionId: 'keep', DeleteMarker: 'keep', DeleteMarkerVersionId: 'keep' },
        Error: { Key: 'key', VersionId: 'keep', Code: 'code', Message: 'message' },
      },
    }),
  },
  // Authentication hands a form on as the PutObject that it is.
  PostObject: never,

  GetObjectTagging: works,
  PutObjectTagging: works,
  DeleteObjectTagging: works,
  GetObjectAcl: { rewritten: 'works', standIn: 'acl' },
  PutObjectAcl: never,
  GetObjectAttributes: works,
  GetObjectRetention: works,
  PutObjectRetention: works,
  GetObjectLegalHold: works,
  PutObjectLegalHold: works,
  RestoreObject: never,
  SelectObjectContent: works,
  CreateMultipartUpload: {
    rewritten: 'works',
    answer: shape({
      InitiateMultipartUploadResult: { Bucket: 'bucket', Key: 'object-key', UploadId: 'upload', ...CHECKSUMS },
    }),
  },
  CompleteMultipartUpload: {
    ...onUpload,
    answer: shape({
      CompleteMultipartUploadResult: {
        Location: 'location',
        Bucket: 'bucket',
        Key: 'object-key',
        ETag: 'keep',
        VersionId: 'keep',
        ...CHECKSUMS,
      },
    }),
  },
  AbortMultipartUpload: onUpload,
  ListParts: {
    ...onUpload,
    answer: shape({
      ListPartsResult: {
        Bucket: 'bucket',
        Key: 'object-key',
        UploadId: 'upload',
        Initiator: OWNER,
        Owner: OWNER,
        StorageClass: 'keep',
        PartNumberMarker: 'keep',
        NextPartNumberMarker: 'keep',
        MaxParts: 'keep',
        EncodingType: 'keep',
        IsTruncated: 'keep',
        Part: { PartNumber: 'keep', LastModified: 'keep', ETag: 'keep', Size: 'keep', ...CHECKSUMS },
        ...CHECKSUMS,
      },
    }),
  },
  UploadPartCopy: {
    ...onUpload,
    answer: shape({ CopyPartResult: { LastModified: 'keep', ETag: 'keep', ...CHECKSUMS } }),
  },
  UploadPart: onUpload,
  CopyObject: {
    rewritten: 'works',
    answer: shape({ CopyObjectResult: { LastModified: 'keep', ETag: 'keep', ...CHECKSUMS } }),
  },
  PutObject: works,
  GetObject: works,
  HeadObject: works,
  DeleteObject: works,
};

/** `Delete` documents, as the router writes them. */
export const DELETE_SHAPE = compileShape<'key'>({
  Delete: {
    Object: { Key: 'key', VersionId: 'keep', ETag: 'keep', LastModifiedTime: 'keep', Size: 'keep' },
    Quiet: 'keep',
  },
});

function shape(tree: XmlShape<AnswerPlace>): CompiledShape<AnswerPlace> {
  return compileShape(tree);
}
