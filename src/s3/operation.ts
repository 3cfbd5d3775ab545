import type { Headers } from './headers.ts';
import type { Query } from './query.ts';

type Resource = 'service' | 'bucket' | 'object';

interface OperationRow {
  readonly method: string;
  readonly resource: Resource;
  /** Query names that must all be present. */
  readonly query?: readonly string[];
  /** A header that must be present. */
  readonly header?: string;
  /** What the operation does to the data: authorisation and retry decide by it. */
  readonly access: Access;
  /** What the request body is: an object's bytes, an XML document, or nothing we read. */
  readonly body?: 'object' | 'xml';
}

export type Access = 'read' | 'list' | 'write' | 'delete' | 'admin';

/**
 * The operations of S3 that Sluice knows, most specific first within a method and resource.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export const OPERATIONS = {
  ListBuckets: { method: 'GET', resource: 'service', access: 'list' },

  GetBucketLocation: { method: 'GET', resource: 'bucket', query: ['location'], access: 'list' },
  GetBucketVersioning: { method: 'GET', resource: 'bucket', query: ['versioning'], access: 'list' },
  PutBucketVersioning: { method: 'PUT', resource: 'bucket', query: ['versioning'], access: 'admin', body: 'xml' },
  GetBucketAcl: { method: 'GET', resource: 'bucket', query: ['acl'], access: 'list' },
  PutBucketAcl: { method: 'PUT', resource: 'bucket', query: ['acl'], access: 'admin', body: 'xml' },
  GetBucketTagging: { method: 'GET', resource: 'bucket', query: ['tagging'], access: 'list' },
  PutBucketTagging: { method: 'PUT', resource: 'bucket', query: ['tagging'], access: 'admin', body: 'xml' },
  DeleteBucketTagging: { method: 'DELETE', resource: 'bucket', query: ['tagging'], access: 'admin' },
  GetBucketPolicy: { method: 'GET', resource: 'bucket', query: ['policy'], access: 'admin' },
  PutBucketPolicy: { method: 'PUT', resource: 'bucket', query: ['policy'], access: 'admin', body: 'xml' },
  DeleteBucketPolicy: { method: 'DELETE', resource: 'bucket', query: ['policy'], access: 'admin' },
  GetBucketPolicyStatus: { method: 'GET', resource: 'bucket', query: ['policyStatus'], access: 'admin' },
  GetBucketLifecycleConfiguration: { method: 'GET', resource: 'bucket', query: ['lifecycle'], access: 'admin' },
  PutBucketLifecycleConfiguration: {
    method: 'PUT',
    resource: 'bucket',
    query: ['lifecycle'],
    access: 'admin',
    body: 'xml',
  },
  DeleteBucketLifecycle: { method: 'DELETE', resource: 'bucket', query: ['lifecycle'], access: 'admin' },
  GetBucketCors: { method: 'GET', resource: 'bucket', query: ['cors'], access: 'admin' },
  PutBucketCors: { method: 'PUT', resource: 'bucket', query: ['cors'], access: 'admin', body: 'xml' },
  DeleteBucketCors: { method: 'DELETE', resource: 'bucket', query: ['cors'], access: 'admin' },
  GetBucketEncryption: { method: 'GET', resource: 'bucket', query: ['encryption'], access: 'admin' },
  PutBucketEncryption: { method: 'PUT', resource: 'bucket', query: ['encryption'], access: 'admin', body: 'xml' },
  DeleteBucketEncryption: { method: 'DELETE', resource: 'bucket', query: ['encryption'], access: 'admin' },
  GetBucketWebsite: { method: 'GET', resource: 'bucket', query: ['website'], access: 'admin' },
  GetBucketNotificationConfiguration: { method: 'GET', resource: 'bucket', query: ['notification'], access: 'admin' },
  GetBucketReplication: { method: 'GET', resource: 'bucket', query: ['replication'], access: 'admin' },
  GetBucketLogging: { method: 'GET', resource: 'bucket', query: ['logging'], access: 'admin' },
  GetBucketRequestPayment: { method: 'GET', resource: 'bucket', query: ['requestPayment'], access: 'admin' },
  GetBucketAccelerateConfiguration: { method: 'GET', resource: 'bucket', query: ['accelerate'], access: 'admin' },
  GetBucketOwnershipControls: { method: 'GET', resource: 'bucket', query: ['ownershipControls'], access: 'admin' },
  GetPublicAccessBlock: { method: 'GET', resource: 'bucket', query: ['publicAccessBlock'], access: 'admin' },
  GetObjectLockConfiguration: { method: 'GET', resource: 'bucket', query: ['object-lock'], access: 'admin' },
  ListObjectVersions: { method: 'GET', resource: 'bucket', query: ['versions'], access: 'list' },
  ListMultipartUploads: { method: 'GET', resource: 'bucket', query: ['uploads'], access: 'list' },
  ListObjectsV2: { method: 'GET', resource: 'bucket', query: ['list-type'], access: 'list' },
  ListObjects: { method: 'GET', resource: 'bucket', access: 'list' },
  HeadBucket: { method: 'HEAD', resource: 'bucket', access: 'list' },
  CreateBucket: { method: 'PUT', resource: 'bucket', access: 'admin', body: 'xml' },
  DeleteBucket: { method: 'DELETE', resource: 'bucket', access: 'admin' },
  DeleteObjects: { method: 'POST', resource: 'bucket', query: ['delete'], access: 'delete', body: 'xml' },
  PostObject: { method: 'POST', resource: 'bucket', access: 'write', body: 'object' },

  GetObjectTagging: { method: 'GET', resource: 'object', query: ['tagging'], access: 'read' },
  PutObjectTagging: { method: 'PUT', resource: 'object', query: ['tagging'], access: 'write', body: 'xml' },
  DeleteObjectTagging: { method: 'DELETE', resource: 'object', query: ['tagging'], access: 'write' },
  GetObjectAcl: { method: 'GET', resource: 'object', query: ['acl'], access: 'read' },
  PutObjectAcl: { method: 'PUT', resource: 'object', query: ['acl'], access: 'admin', body: 'xml' },
  GetObjectAttributes: { method: 'GET', resource: 'object', query: ['attributes'], access: 'read' },
  GetObjectRetention: { method: 'GET', resource: 'object', query: ['retention'], access: 'read' },
  PutObjectRetention: { method: 'PUT', resource: 'object', query: ['retention'], access: 'admin', body: 'xml' },
  GetObjectLegalHold: { method: 'GET', resource: 'object', query: ['legal-hold'], access: 'read' },
  PutObjectLegalHold: { method: 'PUT', resource: 'object', query: ['legal-hold'], access: 'admin', body: 'xml' },
  RestoreObject: { method: 'POST', resource: 'object', query: ['restore'], access: 'write', body: 'xml' },
  SelectObjectContent: { method: 'POST', resource: 'object', query: ['select'], access: 'read', body: 'xml' },
  CreateMultipartUpload: { method: 'POST', resource: 'object', query: ['uploads'], access: 'write' },
  CompleteMultipartUpload: { method: 'POST', resource: 'object', query: ['uploadId'], access: 'write', body: 'xml' },
  AbortMultipartUpload: { method: 'DELETE', resource: 'object', query: ['uploadId'], access: 'write' },
  ListParts: { method: 'GET', resource: 'object', query: ['uploadId'], access: 'list' },
  UploadPartCopy: {
    method: 'PUT',
    resource: 'object',
    query: ['partNumber', 'uploadId'],
    header: 'x-amz-copy-source',
    access: 'write',
  },
  UploadPart: { method: 'PUT', resource: 'object', query: ['partNumber', 'uploadId'], access: 'write', body: 'object' },
  CopyObject: { method: 'PUT', resource: 'object', header: 'x-amz-copy-source', access: 'write' },
  PutObject: { method: 'PUT', resource: 'object', access: 'write', body: 'object' },
  GetObject: { method: 'GET', resource: 'object', access: 'read' },
  HeadObject: { method: 'HEAD', resource: 'object', access: 'read' },
  DeleteObject: { method: 'DELETE', resource: 'object', access: 'delete' },
} as const satisfies Record<string, OperationRow>;

export type KnownOperation = keyof typeof OPERATIONS;

/** `Unknown` is a request whose sub-resource or method S3 may know and we do not: only plain targets pass it on. */
export type OperationName = KnownOperation | 'Unknown';

/**
 * Query names that choose another operation on the same resource. One that is present but not asked for by
 * a row makes the request Unknown: taking `PUT /b/k?retention` for a PutObject would overwrite the object.
 */
const SUB_RESOURCES: ReadonlySet<string> = new Set([
  ...Object.values(OPERATIONS).flatMap((row: OperationRow) => row.query ?? []),
  'analytics',
  'intelligent-tiering',
  'inventory',
  'metrics',
  'session',
  'torrent',
  'append',
  'metadataTable',
  'metadataConfiguration',
  'renameObject',
  'encryption',
  'select-type',
  'annotation',
  'annotations',
]);

/** Rows that have no query of their own also stand for these parameters, which are not sub-resources there. */
const BY_PLACE: ReadonlyMap<string, readonly (readonly [KnownOperation, OperationRow])[]> = (() => {
  const places = new Map<string, [KnownOperation, OperationRow][]>();
  for (const [name, row] of Object.entries(OPERATIONS) as [KnownOperation, OperationRow][]) {
    const place = `${row.method} ${row.resource}`;
    places.set(place, [...(places.get(place) ?? []), [name, row]]);
  }
  return places;
})();

/** `partNumber` alone on a GET or HEAD reads one part of an object: it selects bytes, not an operation. */
const READS_ONE_PART: ReadonlySet<KnownOperation> = new Set(['GetObject', 'HeadObject']);

export function resourceOf(bucket: string | undefined, key: string | undefined): Resource {
  return bucket === undefined ? 'service' : key === undefined ? 'bucket' : 'object';
}

/**
 * Names the operation of a request from its method, resource, query and headers.
 * `Unknown` when no row fits exactly.
 */
export function resolveOperation(request: {
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: Query;
  readonly headers: Headers;
}): OperationName {
  const { method, query, headers } = request;
  const present = subResources(query);
  const place = `${method} ${resourceOf(request.bucket, request.key)}`;
  for (const [name, row] of BY_PLACE.get(place) ?? []) {
    if (row.header !== undefined && !headers.has(row.header)) continue;
    const wanted = row.query ?? NO_NAMES;
    if (!wanted.every((parameter) => present.has(parameter))) continue;
    const extra = present.size - wanted.length;
    if (extra === 0 || (extra === 1 && READS_ONE_PART.has(name) && present.has('partNumber'))) return name;
  }
  return 'Unknown';
}

const NO_NAMES: readonly string[] = [];
const NO_SUB_RESOURCES: ReadonlySet<string> = new Set();

function subResources({ parameters }: Query): ReadonlySet<string> {
  if (parameters.length === 0) return NO_SUB_RESOURCES;
  return new Set(parameters.map(({ name }) => name).filter((name) => SUB_RESOURCES.has(name)));
}

export function accessOf(operation: KnownOperation): Access {
  return OPERATIONS[operation].access;
}

/** What a request of this operation carries: object bytes, an XML document, or no body we know of. */
export function bodyKind(operation: OperationName): 'object' | 'xml' | undefined {
  if (operation === 'Unknown') return undefined;
  const row: OperationRow = OPERATIONS[operation];
  return row.body;
}
