import { type Conditions, parseConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import type { Headers } from '../../s3/headers.ts';

/**
 * Conditions on a write. S3 knows If-Match, and If-None-Match with `*` only; another would be a promise unkept.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 * @throws S3Error NotImplemented for any other
 */
export function parseWriteConditions(headers: Headers): Conditions {
  const conditions = parseConditions(headers);
  const { ifMatch, ifNoneMatch } = conditions;
  const isUnknown =
    (ifNoneMatch !== undefined && ifNoneMatch !== '*') ||
    headers.has('if-modified-since') ||
    headers.has('if-unmodified-since') ||
    (ifMatch !== undefined && ifNoneMatch !== undefined);
  if (!isUnknown) return conditions;
  throw new S3Error('NotImplemented', { detail: { Header: 'If-None-Match' } });
}
