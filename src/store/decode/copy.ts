import { parseCopySource } from '../../s3/copy-source.ts';
import type { Headers } from '../../s3/headers.ts';
import type { ObjectPlace } from '../object-store.ts';
import { checkVersion } from '../operation.ts';
import { invalidArgument } from './parameters.ts';

/**
 * The source of a copy. There are no versions here but `null`.
 * @throws S3Error InvalidArgument, NoSuchVersion, KeyTooLongError
 */
export function copySourceOf(headers: Headers): ObjectPlace {
  const { bucket, key, versionId } = parseCopySource(headers);
  if (versionId !== undefined) checkVersion(versionId);
  return { bucket, key };
}

/** Whether a directive says REPLACE rather than COPY, its default. @throws S3Error InvalidArgument */
export function isReplaced(headers: Headers, directive: 'metadata' | 'tagging'): boolean {
  const name = `x-amz-${directive}-directive`;
  const value = headers.get(name);
  if (value === undefined || value === 'COPY') return false;
  if (value === 'REPLACE') return true;
  throw invalidArgument(name, value, `Unknown ${directive} directive.`);
}
