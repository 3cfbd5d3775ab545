import { type Conditions, hasConditions } from '../../s3/conditions.ts';
import { checkWriteConditions } from '../conditions.ts';
import type { ObjectPlace } from '../object-store.ts';
import type { Context } from './context.ts';
import { blobName } from './names.ts';
import { findBlob } from './reading.ts';

/** The same conditions in headers that Azure decides by, at the instant the write becomes visible. */
export interface NativeConditions {
  readonly 'if-match'?: string;
  readonly 'if-none-match'?: string;
}

/**
 * Decides a write's conditions on the client's ETags, and says them in Azure's.
 * @throws S3Error PreconditionFailed, NoSuchKey
 */
export async function nativeConditions(
  { client }: Context,
  { bucket, key }: ObjectPlace,
  conditions: Conditions,
  signal?: AbortSignal,
): Promise<NativeConditions> {
  if (!hasConditions(conditions)) return {};
  const blob = await findBlob(client, bucket, blobName(key), signal);
  checkWriteConditions(conditions, blob);
  return blob === undefined ? { 'if-none-match': '*' } : { 'if-match': blob.azureEtag };
}
