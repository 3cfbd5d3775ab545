import type { Dialect } from './dialect.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/**
 * What is believed of a service nobody described: the one shape that every service known here accepts.
 * Limits are those of Amazon S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
 */
const other: Dialect = {
  signature: 'v4',
  signatures: ['v4', 'v2'],
  addressing: 'path',
  addressings: ['path', 'virtual', 'domain'],
  v2DomainResource: 'bucket',
  dottedBuckets: 'path',
  hosts: [],
  region: 'us-east-1',
  payload: 'keep',
  // Most services refuse the checksum headers that newer SDKs send; they are verified here instead.
  checksums: 'strip',
  contentMd5OnXml: 'required',
  // A service that ignores a condition loses data for those who rely on it: refused unless known to be honoured.
  ifNoneMatch: { by: 'refuse' },
  ifMatch: { by: 'refuse' },
  conditionalOperations: ['PutObject', 'CompleteMultipartUpload'],
  // V1 is the one that all have; some take V2 for it, and their pages then lead nowhere. Keys are encoded here (rclone).
  listVersion: 1,
  encodingType: 'unsupported',
  maxKeys: 1000,
  maxDeleteKeys: 1000,
  maxSinglePut: 5 * GiB,
  maxCopy: 5 * GiB,
  minPart: 5 * MiB,
  maxParts: 10_000,
  partSizes: 'any',
  uploadPartCopy: 'native',
  etag: 'opaque',
  dotSegments: 'refuse',
  locationConstraint: 'none',
  // Newer than most services; its answer is made of a HEAD.
  missing: ['GetObjectAttributes'],
  storageClasses: {},
  bucketSuffix: '',
  nativeHeaders: undefined,
  nativeSignature: undefined,
};

/** Amazon S3. https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html */
const aws: Dialect = {
  ...other,
  // Refused for buckets made after 2020-06-24 (AWS announcement of the extended SigV2 deprecation).
  signatures: ['v4'],
  addressing: 'virtual',
  hosts: [
    { host: 's3-accelerate.amazonaws.com' },
    { host: 's3.{region}.amazonaws.com' },
    { host: 's3-{region}.amazonaws.com' },
    { host: 's3.dualstack.{region}.amazonaws.com' },
    { host: 's3-fips.{region}.amazonaws.com' },
    { host: 's3.{region}.amazonaws.com.cn' },
    { host: 's3.amazonaws.com', region: 'us-east-1' },
  ],
  checksums: 'pass',
  contentMd5OnXml: 'optional',
  ifNoneMatch: { by: 'native' },
  ifMatch: { by: 'native' },
  // CopyObject and DeleteObject since 2025: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
  conditionalOperations: ['PutObject', 'CompleteMultipartUpload', 'CopyObject', 'DeleteObject'],
  listVersion: 2,
  encodingType: 'pass',
  etag: 'aws',
  locationConstraint: 'region',
  missing: [],
};

/** Alibaba Cloud OSS. https://www.alibabacloud.com/help/en/oss/developer-reference/compatibility-with-amazon-s3 */
const oss: Dialect = {
  ...other,
  // Dedicated and government regions refuse AWS signatures: "Only support authorization for OSS4-HMAC-SHA256".
  signatures: ['v4', 'v2', 'native'],
  // Path style: 403 SecondLevelDomainForbidden. New accounts must use a domain bound to the bucket (since 2025-03-20).
  addressing: 'virtual',
  addressings: ['virtual', 'domain'],
  hosts: [
    { host: 's3.oss-accelerate.aliyuncs.com' },
    { host: 'oss-accelerate.aliyuncs.com' },
    { host: 'oss-accelerate-overseas.aliyuncs.com' },
    { host: 's3.oss-{region}-internal.aliyuncs.com' },
    { host: 'oss-{region}-internal.aliyuncs.com' },
    { host: 's3.oss-{region}.aliyuncs.com' },
    { host: 'oss-{region}.aliyuncs.com' },
  ],
  // Vendor samples sign three different regions, so it is not checked; the plain form is the documented one.
  region: 'cn-hangzhou',
  // If-None-Match answers 501; this header works through the S3 endpoint but not on versioned buckets; conflict is 409.
  ifNoneMatch: { by: 'header', name: 'x-oss-forbid-overwrite', value: 'true' },
  // The header must be on Create and on Complete; a client tells its condition on Complete only, so that one is guarded.
  conditionalOperations: ['PutObject', 'CopyObject', 'CreateMultipartUpload', 'CompleteMultipartUpload'],
  listVersion: 2,
  encodingType: 'pass',
  // Those of single uploads are in upper case, and clients that compare them, as s3cmd does, take it for damage.
  etag: 'md5',
  minPart: 100 * KiB,
  // Not in the list of operations above.
  missing: ['GetBucketVersioning', 'GetBucketTagging', 'GetObjectTagging', 'GetObjectAttributes'],
  nativeHeaders: 'x-oss-',
  // https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
  nativeSignature: {
    algorithm: 'OSS4-HMAC-SHA256',
    keyPrefix: 'aliyun_v4',
    service: 'oss',
    terminator: 'aliyun_v4_request',
    headers: 'x-oss-',
    renamed: {
      bucket: { 'x-amz-acl': 'x-oss-acl' },
      object: {
        'x-amz-acl': 'x-oss-object-acl',
        'x-amz-server-side-encryption-aws-kms-key-id': 'x-oss-server-side-encryption-key-id',
      },
    },
    storageClasses: { STANDARD: 'Standard', STANDARD_IA: 'IA', GLACIER: 'Archive', DEEP_ARCHIVE: 'ColdArchive' },
  },
};

/** Tencent Cloud COS. https://www.tencentcloud.com/document/product/436/32537 */
const cos: Dialect = {
  ...other,
  // SigV2 is not in the documentation that was read.
  signatures: ['v4'],
  // Buckets made from 2024-01-01 answer 403 PathStyleDomainForbidden; older ones still take path style.
  addressing: 'virtual',
  hosts: [
    { host: 'cos.accelerate.myqcloud.com' },
    { host: 'cos.{region}.myqcloud.com' },
    { host: 'cos.{region}.tencentcos.cn' },
    { host: 'cos-internal.{region}.tencentcos.cn' },
  ],
  region: 'ap-guangzhou',
  // The vendor's own guard, for buckets that never had versions (cos-go-sdk-v5); If-None-Match is not documented.
  ifNoneMatch: { by: 'header', name: 'x-cos-forbid-overwrite', value: 'true' },
  // The lists are V1, as rclone pins it too, with encoding-type (juicefs).
  encodingType: 'pass',
  // On Put, Copy, Create and Complete (cos-go-sdk-v5).
  conditionalOperations: ['PutObject', 'CopyObject', 'CreateMultipartUpload', 'CompleteMultipartUpload'],
  minPart: 1 * MiB,
  // The archive class has another name (rclone).
  storageClasses: { GLACIER: 'ARCHIVE' },
  nativeHeaders: 'x-cos-',
};

/** Qiniu Kodo. https://developer.qiniu.com/kodo/4087/compatible-s3-api */
const kodo: Dialect = {
  ...other,
  hosts: [{ host: 's3-{region}.qiniucs.com' }, { host: 's3.{region}.qiniucs.com' }],
  region: 'cn-east-1',
  // Both listings, and encoding-type documented as missing in both.
  listVersion: 2,
  locationConstraint: 'region',
  // Not in the list of operations above.
  missing: ['GetBucketVersioning', 'GetObjectAttributes'],
  // The class for rare access has another name, in the same list.
  storageClasses: { STANDARD_IA: 'LINE' },
};

/** Huawei Cloud OBS. https://support.huaweicloud.com/obs_faq/obs_faq_0274.html */
const obs: Dialect = {
  ...other,
  addressing: 'virtual',
  // The resource is /domain/key then (huaweicloud-sdk-go-obs).
  v2DomainResource: 'host',
  hosts: [{ host: 'obs.{region}.myhuaweicloud.com' }, { host: 'obs.{region}.myhuaweicloud.eu' }],
  region: 'cn-north-4',
  // V4 knows two payload modes, and a literal hash is not one of them (the FAQ above).
  payload: 'unsigned',
  // V1 and no encoding-type, as in `other`: parallel file systems lack V2, and their marker never moves on beside it (rclone).
  minPart: 100 * KiB,
  locationConstraint: 'region',
  nativeHeaders: 'x-obs-',
};

/** Volcengine and BytePlus TOS. https://docs.byteplus.com/en/docs/tos/docs-compatibility-with-amazon-s3 */
const tos: Dialect = {
  ...other,
  signatures: ['v4'],
  // Path style: 403 InvalidPathAccess.
  addressing: 'virtual',
  addressings: ['virtual', 'domain'],
  hosts: [
    { host: 'tos-s3-{region}.volces.com' },
    { host: 'tos-s3-{region}.ivolces.com' },
    { host: 'tos-s3-{region}.bytepluses.com' },
    { host: 'tos-s3-{region}.ibytepluses.com' },
    // The native service does not speak S3.
    { host: 'tos-{region}.volces.com', use: 'tos-s3-{region}.volces.com' },
    { host: 'tos-{region}.ivolces.com', use: 'tos-s3-{region}.ivolces.com' },
    { host: 'tos-{region}.bytepluses.com', use: 'tos-s3-{region}.bytepluses.com' },
    { host: 'tos-{region}.ibytepluses.com', use: 'tos-s3-{region}.ibytepluses.com' },
  ],
  region: 'cn-beijing',
  // Conditions stay refused: the native service has a header for it, but its spelling on the S3 host is unconfirmed.
  // V2 is reported to work; nothing is known of encoding-type.
  listVersion: 2,
  nativeHeaders: 'x-tos-',
};

/** MinIO. https://docs.min.io/community/minio-object-store/reference/s3-api-compatibility.html */
const minio: Dialect = {
  ...other,
  checksums: 'pass',
  // Servers before the checksum support accept nothing but Content-MD5 on DeleteObjects.
  contentMd5OnXml: 'required',
  ifNoneMatch: { by: 'native' },
  ifMatch: { by: 'native' },
  listVersion: 2,
  encodingType: 'pass',
  maxSinglePut: 5 * TiB,
  etag: 'aws',
  missing: [],
};

/** Ceph's S3 gateway. https://docs.ceph.com/en/latest/radosgw/s3/ */
const ceph: Dialect = {
  ...other,
  // Support for checksum headers depends on the release; stripped, every release works.
  checksums: 'strip',
  ifNoneMatch: { by: 'native' },
  ifMatch: { by: 'native' },
  // Release 16 overwrites in spite of a condition on Complete (tried 2026-11-20, test/interop/emulate-ceph.test.ts).
  conditionalOperations: ['PutObject'],
  // All supported releases have V2. Some leave CommonPrefixes unencoded beside encoding-type=url (rclone).
  listVersion: 2,
  etag: 'aws',
};

/** Cloudflare R2. https://developers.cloudflare.com/r2/api/s3/api/ */
const r2: Dialect = {
  ...other,
  signatures: ['v4'],
  hosts: [
    { host: '{account}.r2.cloudflarestorage.com', region: 'auto' },
    { host: '{account}.{account}.r2.cloudflarestorage.com', region: 'auto' },
  ],
  region: 'auto',
  ifNoneMatch: { by: 'native' },
  ifMatch: { by: 'native' },
  // More than about 700 keys end in InternalError (opendal).
  maxDeleteKeys: 700,
  // Copies have a header of their own for it.
  conditionalOperations: ['PutObject'],
  // 4.995 GiB, in whole bytes: https://developers.cloudflare.com/r2/platform/limits/
  maxSinglePut: 5_363_340_410,
  maxCopy: 5_363_340_410,
  listVersion: 2,
  encodingType: 'pass',
  partSizes: 'equal',
  // Documented as not there: https://developers.cloudflare.com/r2/api/s3/api/
  missing: [
    'GetBucketAcl',
    'GetBucketVersioning',
    'GetBucketTagging',
    'GetObjectAcl',
    'GetObjectTagging',
    'GetObjectAttributes',
  ],
  locationConstraint: 'region',
};

/** Backblaze B2. https://www.backblaze.com/docs/cloud-storage-s3-compatible-api */
const b2: Dialect = {
  ...other,
  signatures: ['v4'],
  hosts: [{ host: 's3.{region}.backblazeb2.com' }],
  region: 'us-west-004',
  // 400 InvalidArgument "Unsupported header" for every checksum header; `other` strips them already.
  // As rclone lists it.
  listVersion: 2,
  encodingType: 'pass',
  maxSinglePut: 5_000_000_000 - 1,
  maxCopy: 5_000_000_000 - 1,
};

/** Google Cloud Storage, XML interoperability. https://docs.cloud.google.com/storage/docs/interoperability */
const gcs: Dialect = {
  ...other,
  hosts: [{ host: 'storage.googleapis.com', region: 'auto' }],
  region: 'auto',
  // Conditions stay refused: under SigV4 they are ignored.
  // As rclone lists it.
  listVersion: 2,
  encodingType: 'pass',
  uploadPartCopy: 'missing',
  // Without parts to copy by, the whole copy has no limit (rclone).
  maxCopy: 5 * TiB,
  nativeHeaders: 'x-goog-',
};

/** Wasabi. https://docs.wasabi.com/docs/wasabi-s3-api-compatibility */
const wasabi: Dialect = {
  ...other,
  hosts: [{ host: 's3.{region}.wasabisys.com' }, { host: 's3.wasabisys.com', region: 'us-east-1' }],
  // As rclone lists it.
  listVersion: 2,
  encodingType: 'pass',
};

/** One row per provider of the configuration; each lists only where it differs, and why. */
export const VENDORS = {
  aws,
  oss,
  cos,
  kodo,
  obs,
  tos,
  minio,
  ceph,
  r2,
  b2,
  gcs,
  wasabi,
  other,
} as const satisfies Record<string, Dialect>;

export type Vendor = keyof typeof VENDORS;
