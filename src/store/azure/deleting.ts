import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import { checkWriteConditions } from '../conditions.ts';
import type { ObjectStore } from '../object-store.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { azureCode } from './errors.ts';
import { blobName } from './names.ts';
import { findBlob } from './reading.ts';

/** Deletes an object; that there is none is no error. Snapshots, which S3 has not, go with their blob. */
export async function deleteObject(
  { client }: Context,
  { bucket, key, conditions }: Parameters<ObjectStore['deleteObject']>[0],
): Promise<void> {
  checkContainer(bucket);
  const place = { container: bucket, blob: blobName(key) };
  let etag: string | undefined;
  if (hasConditions(conditions)) {
    const blob = await findBlob(client, bucket, place.blob);
    if (blob === undefined) return;
    checkWriteConditions(conditions, blob);
    etag = blob.azureEtag;
  }
  const remove = (snapshots?: 'include') =>
    client.head({
      method: 'DELETE',
      ...place,
      headers: { 'if-match': etag, 'x-ms-delete-snapshots': snapshots },
      isRepeatable: true,
    });
  try {
    await remove();
  } catch (error) {
    if (azureCode(error) === 'SnapshotsPresent') await remove('include');
    else if (!(error instanceof S3Error) || error.code !== 'NoSuchKey') throw error;
  }
}
