import { hasDotSegment } from '../s3/address.ts';
import type { CopySource } from '../s3/copy-source.ts';
import { S3Error } from '../s3/error.ts';
import type { S3Request } from '../s3/message.ts';
import { accessOf, type KnownOperation } from '../s3/operation.ts';
import { type Action, type Caller, isUnrestricted, mayKnow, mayTouch, type Target } from './catalog.ts';
import { KEY_PLACES } from './key-places.ts';

/** Tell no more of a bucket than `ListBuckets` does to the same caller. */
const EXISTENCE: ReadonlySet<KnownOperation> = new Set(['HeadBucket', 'GetBucketLocation']);

/** Headers that make one request write objects under other names than its own. */
const UNPACKING = ['x-amz-meta-snowball-auto-extract', 'x-minio-extract', 'x-amz-snowball-extract'];

/** Refuses what no caller may send, before anything is looked up. @throws S3Error InvalidArgument, NotImplemented */
export function checkShape(request: S3Request): void {
  const seen = new Set<string>();
  for (const { name } of request.query.parameters) {
    // One of us would take the first, a storage the last.
    if (seen.has(name)) {
      throw new S3Error('InvalidArgument', {
        message: 'A query parameter is repeated.',
        detail: { ArgumentName: name },
      });
    }
    seen.add(name);
  }
  for (const name of UNPACKING) {
    if (request.headers.has(name)) throw new S3Error('NotImplemented', { detail: { Header: name } });
  }
}

/**
 * Decides whether a caller may do what a request says, on the one target it was resolved to. Keys in a DeleteObjects
 * document and the source of a copy are judged apart, by the same rules.
 * @throws S3Error AccessDenied; NotImplemented for what we cannot judge
 */
export function authorize(request: S3Request, caller: Caller, target: Target): void {
  const { operation, key } = request;
  const bucket = target.clientBucket;
  if (caller.credential === undefined) {
    const isPublic = target.anonymous === 'read' && (operation === 'GetObject' || operation === 'HeadObject');
    if (!isPublic) throw new S3Error('AccessDenied');
    return;
  }
  if (isUnrestricted(caller)) return;
  if (operation === 'Unknown') throw new S3Error('NotImplemented');
  if (!isAllowed(operation, key, request, caller, bucket)) throw new S3Error('AccessDenied');
}

/** Whether a caller may read the source of a copy. @throws S3Error AccessDenied */
export function authorizeSource(source: CopySource, caller: Caller): void {
  if (!mayTouch(caller, 'read', source.bucket, source.key)) throw new S3Error('AccessDenied');
}

/**
 * Refuses `.` and `..` segments wherever the request names keys, unless the storage is said to keep them.
 * @throws S3Error InvalidURI for the path, InvalidArgument elsewhere
 */
export function checkSegments(request: S3Request, target: Target): void {
  if (target.dotSegments === 'allow') return;
  if (request.key !== undefined && hasDotSegment(request.key)) {
    throw new S3Error('InvalidURI', { message: 'A key with a "." or ".." segment is not accepted here.' });
  }
  for (const name of keyParameters(request)) checkSegment(request.query.get(name) ?? '', name, target);
}

/** @throws S3Error InvalidArgument */
export function checkSegment(key: string, argument: string, target: Target): void {
  if (target.dotSegments === 'allow' || !hasDotSegment(key)) return;
  throw new S3Error('InvalidArgument', {
    message: 'A key with a "." or ".." segment is not accepted here.',
    detail: { ArgumentName: argument },
  });
}

function isAllowed(
  operation: KnownOperation,
  key: string | undefined,
  request: S3Request,
  caller: Caller,
  bucket: string,
): boolean {
  const access = accessOf(operation);
  if (operation === 'CreateBucket') return mayTouch(caller, 'write', bucket, '');
  if (operation === 'DeleteBucket') return mayTouch(caller, 'delete', bucket, '');
  if (access === 'admin') return false;
  // Each key of the document is answered for itself.
  if (operation === 'DeleteObjects') return true;
  if (operation === 'ListParts') return anyOf(['list', 'write'], caller, bucket, key ?? '');
  if (key !== undefined) return mayTouch(caller, access, bucket, key);
  if (EXISTENCE.has(operation)) return mayKnow(caller, bucket);
  const parameters = keyParameters(request);
  if (!isListing(operation)) return access === 'list' && mayKnow(caller, bucket, ['list']);
  // A listing without a prefix lists all; markers count where they are given.
  return (
    mayTouch(caller, 'list', bucket, request.query.get('prefix') ?? '') &&
    parameters.every((name) => {
      const value = request.query.get(name) ?? '';
      return value === '' || mayTouch(caller, 'list', bucket, value);
    })
  );
}

function isListing(operation: KnownOperation): boolean {
  return KEY_PLACES[operation].query?.prefix !== undefined;
}

function anyOf(actions: readonly Action[], caller: Caller, bucket: string, key: string): boolean {
  return actions.some((action) => mayTouch(caller, action, bucket, key));
}

/** Query parameters of the request that hold keys or prefixes. */
function keyParameters({ operation, query }: S3Request): string[] {
  if (operation === 'Unknown' || query.parameters.length === 0) return [];
  return Object.entries(KEY_PLACES[operation].query ?? {})
    .filter(([name, place]) => (place === 'key' || place === 'prefix') && query.has(name))
    .map(([name]) => name);
}
