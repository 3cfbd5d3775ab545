import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import type { CompleteMultipartUploadInput, WrittenObject } from '../object-store.ts';
import { type Assembly, assemble, assembledBefore } from './assembly.ts';
import { readAttributes } from './attributes.ts';
import { type Blob, checksumOf } from './blob.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { azureStatus } from './errors.ts';
import { commitStaged, publishStaged, removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { nativeConditions } from './native-conditions.ts';
import { readParts } from './parts.ts';
import { findBlob } from './reading.ts';
import { stagingOf } from './uploads.ts';

/** How often a Complete begins anew when another one of the same upload gets in between. */
const ATTEMPTS = 3;

/**
 * Makes the object of the parts listed. A client that asks again, or whose answer was lost, gets the same answer, even
 * while the request before is still at work.
 */
export async function completeUpload(
  context: Context,
  input: CompleteMultipartUploadInput,
  signal: AbortSignal,
): Promise<WrittenObject> {
  checkContainer(input.bucket);
  for (let attempt = 1; ; attempt++) {
    try {
      return await completeOnce(context, input, signal);
    } catch (error) {
      // Blocks or blob were no longer what they had been a moment before. The next look tells what became of the upload,
      // and a part that is none then, or a condition that no longer holds, is the client's affair.
      const isPartGone = error instanceof S3Error && error.code === 'InvalidPart';
      if (isPartGone && attempt === 1) continue;
      const isConditionLost = error instanceof S3Error && error.code === 'PreconditionFailed';
      const status = azureStatus(error);
      if (status !== 404 && (status === undefined || !isConditionLost)) throw error;
      if (attempt === ATTEMPTS) throw new S3Error('SlowDown', { cause: error });
    }
  }
}

async function completeOnce(
  context: Context,
  input: CompleteMultipartUploadInput,
  signal: AbortSignal,
): Promise<WrittenObject> {
  const { client, uploads } = context;
  let staging: Blob;
  try {
    staging = await uploads.look(input, signal);
  } catch (error) {
    const isGone = error instanceof S3Error && error.code === 'NoSuchUpload';
    const done = isGone ? await completedBefore(context, input, signal) : undefined;
    if (done === undefined) throw error;
    return done;
  }
  const place = stagingOf(input);
  if (hasConditions(input.conditions)) {
    // An attempt that was stopped behind the copy: its own object must not fail its condition.
    const done = await completedBefore(context, input, signal);
    if (done !== undefined) {
      await removeStaged(client, place.container, place.blob);
      return done;
    }
  }
  const tags = staging.record.tags ?? [];
  const attributes = {
    ...readAttributes(staging.properties, staging.metadata, staging.record),
    storageClass: staging.record.storageClass ?? 'STANDARD',
    tags,
    hasTags: await context.traits.mayTag(tags),
  };
  const { upload } = staging.record;
  const assembly: Assembly =
    assembledBefore(staging, input) ?? assemble(await readParts(client, place, signal), input, { attributes, upload });
  const { blocks, record, etag, checksum } = assembly;
  const conditions = await nativeConditions(context, input, input.conditions, signal);
  const described = { ...attributes, record };
  const azureEtag =
    blocks === undefined
      ? staging.azureEtag
      : await commitStaged(client, place, { blocks, attributes: described, contentMd5: undefined, upload }, signal);
  const lastModified = await publishStaged(
    client,
    { source: place, target: { container: input.bucket, blob: blobName(input.key) } },
    { azureEtag, attributes: described, conditions },
    signal,
  );
  uploads.forget(input);
  return { etag, lastModified, checksum };
}

/** The object that this upload has become; undefined when it has not. */
async function completedBefore(
  { client }: Context,
  { bucket, key, uploadId }: CompleteMultipartUploadInput,
  signal: AbortSignal,
): Promise<WrittenObject | undefined> {
  const blob = await findBlob(client, bucket, blobName(key), signal);
  if (blob?.record.multipart?.uploadId !== uploadId || blob.record.multipart.etag !== blob.etag) return undefined;
  return { etag: blob.etag, lastModified: blob.lastModified, checksum: checksumOf(blob) };
}
