import { createHash } from 'node:crypto';
import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import { assemblePartChecksum } from '../multipart-checksum.ts';
import type { CompleteMultipartUploadInput, WrittenObject } from '../object-store.ts';
import { type BlobAttributes, MAX_METADATA, metadataSize, readAttributes } from './attributes.ts';
import { type Blob, checksumOf } from './blob.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { finishStaged, removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { nativeConditions } from './native-conditions.ts';
import { keptChecksums, readParts, type StoredPart } from './parts.ts';
import { findBlob } from './reading.ts';
import type { BlobRecord, PartRun } from './record.ts';
import { stagingOf } from './uploads.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** Makes the object of the parts listed. A client that asks again, or whose answer was lost, gets the same answer. */
export async function completeUpload(
  context: Context,
  input: CompleteMultipartUploadInput,
  signal: AbortSignal,
): Promise<WrittenObject> {
  checkContainer(input.bucket);
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
  const parts = chooseParts(await readParts(client, place, signal), input);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (input.expectedSize !== undefined && input.expectedSize !== size) {
    const message = `The parts have ${size} bytes together, and x-amz-mp-object-size says ${input.expectedSize}.`;
    throw new S3Error('InvalidRequest', { message });
  }
  const sums = parts.map((part) => ({ value: part.checksum?.value, size: part.size }));
  const checksum = assemblePartChecksum(staging.record.upload?.checksum, sums, input.expectedChecksum);
  const conditions = await nativeConditions(context, input, input.conditions, signal);
  const etag = multipartEtag(parts);
  const multipart = {
    ...{ etag, size, parts: runsOf(parts), uploadId: input.uploadId },
    checksums: checksum && keptChecksums(parts),
  };
  const tags = staging.record.tags ?? [];
  const { upload } = staging.record;
  const attributes = {
    ...readAttributes(staging.properties, staging.metadata, staging.record),
    storageClass: staging.record.storageClass ?? 'STANDARD',
    tags,
    hasTags: await context.traits.mayTag(tags),
  };
  const record = fittingRecord(attributes, multipart, upload, checksum && { ...checksum, etag });
  const lastModified = await finishStaged(
    context,
    { bucket: input.bucket, key: input.key, staging: place.blob },
    {
      blocks: parts.flatMap((part) => part.blocks),
      attributes: { ...attributes, record },
      contentMd5: undefined,
      conditions,
      upload,
    },
    signal,
  );
  uploads.forget(input);
  return { etag, lastModified, checksum };
}

/**
 * The record of an object, with as much of its parts as there is room for beside the metadata. Sizes, many of which
 * differ, are left to the blocks first; then the checksums of parts go.
 */
function fittingRecord(
  attributes: Omit<BlobAttributes, 'record'>,
  multipart: NonNullable<BlobRecord['multipart']>,
  upload: BlobRecord['upload'],
  checksum: BlobRecord['checksum'],
): BlobRecord {
  const record = checksum === undefined ? {} : { checksum };
  const withoutSizes = { ...multipart, parts: undefined };
  const withoutBoth = { ...withoutSizes, checksums: undefined };
  const fits = (candidate: BlobRecord) =>
    metadataSize({ ...attributes, hasTags: false, record: { ...candidate, ...(upload && { upload }) } }) <=
    MAX_METADATA;
  const candidates = [multipart, withoutSizes, withoutBoth].map((each) => ({ ...record, multipart: each }));
  return candidates.find(fits) ?? { ...record, multipart: withoutBoth };
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

function chooseParts(stored: readonly StoredPart[], input: CompleteMultipartUploadInput): StoredPart[] {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]));
  const chosen = input.parts.map(({ partNumber, etag, checksum }) => {
    const part = byNumber.get(partNumber);
    const isSame = checksum === undefined || part?.checksum === undefined || part.checksum.value === checksum.value;
    if (part === undefined || part.etag !== etag || !isSame) {
      const detail = { UploadId: input.uploadId, PartNumber: String(partNumber), ETag: etag };
      throw new S3Error('InvalidPart', { detail });
    }
    return part;
  });
  for (const part of chosen.slice(0, -1)) {
    if (part.size >= MIN_PART_BYTES) continue;
    throw new S3Error('EntityTooSmall', {
      detail: {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(MIN_PART_BYTES),
        PartNumber: String(part.partNumber),
        ETag: part.etag,
      },
    });
  }
  return chosen;
}

/** MD5 over the parts' MD5s, a dash and their number. */
function multipartEtag(parts: readonly StoredPart[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return `${md5.digest('hex')}-${parts.length}`;
}

/** Sizes in runs of equal ones, as clients cut all but the last part alike. */
function runsOf(parts: readonly StoredPart[]): PartRun[] {
  const runs: [number, number, number][] = [];
  for (const { partNumber, size } of parts) {
    const run = runs.at(-1);
    if (run !== undefined && run[2] === size && run[0] + run[1] === partNumber) run[1]++;
    else runs.push([partNumber, 1, size]);
  }
  return runs;
}
