import type { Refusal, Strictness } from '../strictness.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
const AWS_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
export const ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
];

export const refuse = (status: number, code: string, message: string, details?: Refusal['details']): Refusal => ({
  status,
  code,
  message,
  ...(details !== undefined && { details }),
});

export const NO_V2 = refuse(
  400,
  'InvalidRequest',
  'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
);
export const NO_CHUNKS = refuse(
  501,
  'NotImplemented',
  'Transferring payloads in multiple chunks using aws-chunked is not supported.',
);
export const NO_LENGTH = refuse(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
export const NO_CHECKSUM = refuse(400, 'InvalidArgument', "Unsupported header '{header}' received for this API call.");
export const NEEDS_MD5 = refuse(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5');
const TOO_MANY = refuse(
  400,
  'MalformedXML',
  'The XML you provided was not well-formed or did not validate against our published schema.',
);
export const NOT_IMPLEMENTED = refuse(
  501,
  'NotImplemented',
  'A header you provided implies functionality that is not implemented.',
);
export const MD5_ONLY = { accepts: ['content-md5'], refusal: NEEDS_MD5 } as const;

/** Amazon S3, for a bucket made today. The other rows say what differs. */
export const AWS: Strictness = {
  host: 's3.us-west-2',
  region: 'us-west-2',
  regions: ['us-west-2'],
  path: 'served',
  virtual: 'served',
  v2: NO_V2,
  payloadHash: 'accepted',
  strayHash: 'accepted',
  signedChunks: 'accepted',
  trailers: 'accepted',
  chunkedTransfer: NO_LENGTH,
  checksums: 'verified',
  checksumMode: 'ignored',
  unsignable: [],
  parameters: [],
  headers: undefined,
  subresources: undefined,
  deleteDigest: {
    accepts: ['content-md5', 'checksum'],
    refusal: refuse(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*'),
  },
  deleteKeys: { most: 1000, refusal: TOO_MANY },
  conditions: 'honoured',
  forbidOverwrite: undefined,
  listV2: 'served',
  encodingType: 'served',
  maxKeys: 'capped',
  uploadsByWholeKey: false,
  minPart: 5 * MiB,
  equalParts: false,
  maxPut: 5 * GiB,
  maxCopy: 5 * GiB,
  maxMetadata: 2 * KiB,
  answersContinue: true,
  partCopy: 'served',
  bucketNames: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  keys: /^.{1,1024}$/s,
  storageClasses: [
    'STANDARD',
    'STANDARD_IA',
    'ONEZONE_IA',
    'INTELLIGENT_TIERING',
    'GLACIER',
    'GLACIER_IR',
    'DEEP_ARCHIVE',
    'REDUCED_REDUNDANCY',
  ],
  acls: ACLS,
  locations: ['us-west-2'],
  ownBucket: refuse(
    409,
    'BucketAlreadyOwnedByYou',
    'Your previous request to create the named bucket succeeded and you already own it.',
  ),
  etagCase: 'lower',
  etagQuotes: true,
  multipartETag: 'aws',
  namespace: AWS_NAMESPACE,
  silentEmptyHead: false,
  answerHeaders: { 'x-amz-request-id': '{requestId}', 'x-amz-id-2': 'aWQgMg==', server: 'AmazonS3' },
  errorElements: { Resource: '{resource}', RequestId: '{requestId}', HostId: 'aWQgMg==' },
  errorHeaders: {},
};
