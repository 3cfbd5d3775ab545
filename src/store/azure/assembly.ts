import { createHash } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import { assemblePartChecksum } from '../multipart-checksum.ts';
import type { Checksum, CompleteMultipartUploadInput } from '../object-store.ts';
import { type BlobAttributes, MAX_METADATA, metadataSize } from './attributes.ts';
import { type Blob, checksumOf } from './blob.ts';
import { keptChecksums, type StoredPart } from './parts.ts';
import type { BlobRecord, PartRun } from './record.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** What the parts of an upload make together. */
export interface Assembly {
  /** Ids to commit, in order; undefined when they have been, by a Complete that got no further. */
  readonly blocks: readonly string[] | undefined;
  readonly record: BlobRecord;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
}

/**
 * Puts the parts together that the client lists.
 * @throws S3Error InvalidPart, EntityTooSmall, BadDigest, InvalidRequest
 */
export function assemble(
  stored: readonly StoredPart[],
  input: CompleteMultipartUploadInput,
  {
    attributes,
    upload,
  }: { readonly attributes: Omit<BlobAttributes, 'record'>; readonly upload: BlobRecord['upload'] },
): Assembly {
  const parts = chooseParts(stored, input);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  checkSize(input, size);
  const sums = parts.map((part) => ({ value: part.checksum?.value, size: part.size }));
  const checksum = assemblePartChecksum(upload?.checksum, sums, input.expectedChecksum);
  const etag = multipartEtag(parts);
  const multipart = {
    ...{ etag, size, parts: runsOf(parts), uploadId: input.uploadId },
    checksums: checksum && keptChecksums(parts),
  };
  const record = fittingRecord(attributes, multipart, upload, checksum && { ...checksum, etag });
  return { blocks: parts.flatMap((part) => part.blocks), record, etag, checksum };
}

/**
 * The same, where an earlier Complete has committed these very parts and was stopped before their object was there.
 * Those that a bare block told of are known by nothing else now: uncommitted blocks go with the commit.
 * @returns undefined when the blob is not what this list of parts makes
 * @throws S3Error InvalidRequest, BadDigest
 */
export function assembledBefore(staging: Blob, input: CompleteMultipartUploadInput): Assembly | undefined {
  const { multipart, checksum: kept } = staging.record;
  if (multipart === undefined || multipart.uploadId !== input.uploadId || multipart.etag !== staging.etag) {
    return undefined;
  }
  const { etag, parts: runs } = multipart;
  if (!input.parts.every((part) => /^[0-9a-f]{32}$/.test(part.etag)) || multipartEtag(input.parts) !== etag) {
    return undefined;
  }
  const numbers = runs?.flatMap(([first, count]) => Array.from({ length: count }, (_, index) => first + index));
  if (numbers !== undefined && input.parts.some(({ partNumber }, index) => partNumber !== numbers[index])) {
    return undefined;
  }
  checkSize(input, staging.size);
  const checksum = checksumOf(staging);
  const { expectedChecksum: expected } = input;
  if (expected !== undefined && expected.value.replace(/-\d+$/, '') !== checksum?.value.replace(/-\d+$/, '')) {
    throw new S3Error('BadDigest');
  }
  return { blocks: undefined, record: { multipart, ...(kept && { checksum: kept }) }, etag, checksum };
}

function checkSize({ expectedSize }: CompleteMultipartUploadInput, size: number): void {
  if (expectedSize === undefined || expectedSize === size) return;
  const message = `The parts have ${size} bytes together, and x-amz-mp-object-size says ${expectedSize}.`;
  throw new S3Error('InvalidRequest', { message });
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
function multipartEtag(parts: readonly { readonly etag: string }[]): string {
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
