import { type Conditions, evaluateConditions, type Validators } from '../s3/conditions.ts';
import { S3Error } from '../s3/error.ts';
import { etagListed, quoteEtag } from '../s3/etag.ts';

/**
 * Holds a read's conditions against the object.
 * @throws S3Error PreconditionFailed; NotModified with the headers that a 304 carries
 */
export function checkReadConditions(conditions: Conditions, object: Validators): void {
  const outcome = evaluateConditions(conditions, object);
  if (outcome === 'satisfied') return;
  if (outcome === 'failed')
    throw new S3Error('PreconditionFailed', {
      detail: { Condition: conditions.ifMatch === undefined ? 'If-Unmodified-Since' : 'If-Match' },
    });
  const headers = new Map([
    ['etag', quoteEtag(object.etag)],
    ['last-modified', object.lastModified.toUTCString()],
  ]);
  throw new S3Error('NotModified', { headers });
}

/** Holds the conditions on a copy's source against it: whatever fails is 412. @throws S3Error PreconditionFailed */
export function checkSourceConditions(conditions: Conditions, source: Validators): void {
  if (evaluateConditions(conditions, source) !== 'satisfied') throw new S3Error('PreconditionFailed');
}

/**
 * Holds a write's conditions against what stands at the key now, undefined when nothing does.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * @throws S3Error PreconditionFailed; NoSuchKey when If-Match finds nothing to match
 */
export function checkWriteConditions(conditions: Conditions, existing: { readonly etag: string } | undefined): void {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined) {
    if (existing === undefined) throw new S3Error('NoSuchKey');
    if (!etagListed(ifMatch, existing.etag)) {
      throw new S3Error('PreconditionFailed', { detail: { Condition: 'If-Match' } });
    }
  }
  if (ifNoneMatch !== undefined && existing !== undefined && etagListed(ifNoneMatch, existing.etag)) {
    throw new S3Error('PreconditionFailed', { detail: { Condition: 'If-None-Match' } });
  }
}
