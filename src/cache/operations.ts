import type { S3Request } from '../s3/message.ts';
import type { OperationName } from '../s3/operation.ts';

/** What an operation means to the cache. */
export type Concern =
  /** Reads one object. */
  | 'read'
  /** Changes one object, or what its headers say. */
  | 'write'
  | 'put'
  | 'copy'
  | 'complete'
  | 'delete'
  /** Changes the objects that its document lists. */
  | 'delete-many'
  | 'part'
  | 'copy-part'
  | 'abort'
  /** May change any object of the bucket. */
  | 'bucket'
  /** Nothing. */
  | 'none';

const CONCERNS: Readonly<Partial<Record<OperationName, Concern>>> = {
  GetObject: 'read',
  HeadObject: 'read',
  PutObject: 'put',
  CopyObject: 'copy',
  CompleteMultipartUpload: 'complete',
  DeleteObject: 'delete',
  DeleteObjects: 'delete-many',
  UploadPart: 'part',
  UploadPartCopy: 'copy-part',
  AbortMultipartUpload: 'abort',
  // These change headers of the object, under the same ETag.
  PutObjectTagging: 'write',
  DeleteObjectTagging: 'write',
  PutObjectAcl: 'write',
  PutObjectRetention: 'write',
  PutObjectLegalHold: 'write',
  RestoreObject: 'write',
  DeleteBucket: 'bucket',
  CreateBucket: 'bucket',
  PutBucketVersioning: 'bucket',
};

export function concernOf({ operation, method, key }: S3Request): Concern {
  const concern = CONCERNS[operation];
  if (concern !== undefined) return concern;
  if (operation !== 'Unknown' || method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return 'none';
  return key === undefined ? 'bucket' : 'write';
}

/** Whether a read could be answered from what is kept for all: the one current version, and nobody's own key. */
export function isForAll({ query, headers }: S3Request): boolean {
  if (query.has('versionId') || query.has('partNumber')) return false;
  if (headers.has('x-amz-expected-bucket-owner') || headers.has('x-amz-request-payer')) return false;
  if (headers.get('range')?.includes(',') === true) return false;
  return !hasCustomerKey(headers) && !/(^|[\s,])no-store([\s,=]|$)/i.test(headers.get('cache-control') ?? '');
}

/** Whether an upload's bytes may lie here. */
export function mayKeepUpload({ headers }: S3Request): boolean {
  if (hasCustomerKey(headers)) return false;
  if (headers.get('x-amz-server-side-encryption')?.startsWith('aws:kms') === true) return false;
  return !/(^|[\s,])(no-store|private)([\s,=]|$)/i.test(headers.get('cache-control') ?? '');
}

function hasCustomerKey(headers: ReadonlyMap<string, string>): boolean {
  for (const name of headers.keys()) {
    if (name.includes('server-side-encryption-customer')) return true;
  }
  return false;
}
