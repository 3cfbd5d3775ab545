import { S3Error } from '../s3/error.ts';
import type { S3Request, S3Response } from '../s3/message.ts';
import type { KnownOperation } from '../s3/operation.ts';
import type { ObjectPlace, ObjectStore, UploadPlace } from './object-store.ts';

/** What the operations share. */
export interface ServeContext {
  readonly store: ObjectStore;
  /** The region that the store says it is in. */
  readonly region: string;
}

/** One S3 operation done on a store. It need not touch a body it has no use for: `serve` destroys it. */
export type Operation = (request: S3Request, context: ServeContext) => Promise<S3Response>;

/** Operations by name, as each noun's file gives them to the table in serve.ts. */
export type Operations = Partial<Record<KnownOperation, Operation>>;

/** The bucket of a request that its operation says has one. */
export function bucketOf(request: S3Request): string {
  if (request.bucket === undefined) throw new S3Error('InvalidRequest');
  return request.bucket;
}

/** Bucket and key. There are no versions but the one, `null`. @throws S3Error NoSuchVersion */
export function placeOf(request: S3Request): ObjectPlace {
  if (request.key === undefined) throw new S3Error('InvalidRequest');
  checkVersion(request.query.get('versionId'));
  return { bucket: bucketOf(request), key: request.key };
}

/** Bucket, key and upload id. An id that is missing is one that no upload has. @throws S3Error NoSuchVersion */
export function uploadPlaceOf(request: S3Request): UploadPlace {
  return { ...placeOf(request), uploadId: request.query.get('uploadId') ?? '' };
}

/** @throws S3Error NoSuchVersion for any version but `null`, the one that objects of an unversioned bucket have */
export function checkVersion(versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null') return;
  throw new S3Error('NoSuchVersion', { detail: { VersionId: versionId } });
}
