import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { copyRange } from '../../s3/copy-source.ts';
import { S3Error } from '../../s3/error.ts';
import { checkSourceConditions, checkWriteConditions } from '../conditions.ts';
import { assemblePartChecksum, partChecksum } from '../multipart-checksum.ts';
import type {
  Checksum,
  CompleteMultipartUploadInput,
  ListPartsOutput,
  ListUploadsInput,
  ListUploadsOutput,
  ObjectStore,
  UploadPartCopyInput,
  UploadPartInput,
  UploadPlace,
  WrittenObject,
  WrittenPart,
} from '../object-store.ts';
import type { Effects } from './commit-queue.ts';
import type { Context } from './context.ts';
import { cursorAfter, cutPage } from './paging.ts';
import { openBytes } from './reading.ts';
import { dropUnnamed, receiveBytes } from './receive.ts';
import { checksumModeOf, checksumOf, packAttributes, packTags } from './rows.ts';
import { packSegments, type Segment, unpackSegments } from './segments.ts';
import type { PartRow, UploadRow } from './upload-tables.ts';

type MultipartMethods = Pick<
  ObjectStore,
  | 'createMultipartUpload'
  | 'uploadPart'
  | 'uploadPartCopy'
  | 'completeMultipartUpload'
  | 'abortMultipartUpload'
  | 'listParts'
  | 'listMultipartUploads'
>;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** The part of an ObjectStore that deals with uploads in parts. */
export function multipartMethods(context: Context): MultipartMethods {
  const { tables, uploads, queue } = context;
  return {
    async createMultipartUpload(input) {
      const initiated = context.now();
      const uploadId = newUploadId(initiated);
      await queue.run(() => {
        uploads.addUpload(tables.bucket(input.bucket).id, {
          id: uploadId,
          key: input.key,
          initiated,
          storage_class: input.storageClass,
          checksum_algorithm: input.checksum?.algorithm ?? null,
          checksum_type: input.checksum?.type ?? null,
          tags: packTags(input.tags),
          attributes: packAttributes(input),
        });
      });
      return { uploadId };
    },
    uploadPart: (input, signal) => uploadPart(context, input, signal),
    uploadPartCopy: (input, signal) => uploadPartCopy(context, input, signal),
    completeMultipartUpload: (input) => queue.run((effects) => complete(context, input, effects)),
    async abortMultipartUpload(place) {
      await queue.run((effects) => {
        findUpload(context, place);
        uploads.dropUpload(place.uploadId, new Set(), effects);
      });
    },
    async listParts(input) {
      return listParts(context, input);
    },
    async listMultipartUploads(input) {
      return listUploads(context, input);
    },
  };
}

/** Sorts by time within a key, and holds nothing but hex: clients put it into keys and URLs. */
function newUploadId(now: number): string {
  return now.toString(16).padStart(12, '0') + randomBytes(14).toString('hex');
}

function findUpload({ tables, uploads }: Context, place: UploadPlace): UploadRow {
  return uploads.upload(tables.bucket(place.bucket).id, place.key, place.uploadId);
}

async function uploadPart(context: Context, input: UploadPartInput, signal: AbortSignal): Promise<WrittenPart> {
  const { tables, uploads, queue, files } = context;
  let mode: Pick<Checksum, 'algorithm' | 'type'> | undefined;
  try {
    mode = checksumModeOf(findUpload(context, input));
  } catch (error) {
    if (input.body instanceof Readable) input.body.destroy();
    throw error;
  }
  const received = await receiveBytes(files, { ...input, algorithm: mode?.algorithm }, signal);
  try {
    const sent = input.checksum();
    const checksum = partChecksum(mode, sent, received.checksum);
    return await queue.run((effects) => {
      findUpload(context, input);
      const modified = context.now();
      const part = {
        number: input.partNumber,
        size: received.size,
        etag: received.md5,
        modified,
        content: tables.addSegment(received),
      };
      uploads.putPart(input.uploadId, part, checksum, effects);
      return { etag: received.md5, lastModified: new Date(modified), checksum };
    });
  } catch (error) {
    await dropUnnamed(context, received);
    throw error;
  }
}

/** Reads the source and takes it in as any part, since its ETag and checksums are of exactly these bytes. */
async function uploadPartCopy(context: Context, input: UploadPartCopyInput, signal: AbortSignal): Promise<WrittenPart> {
  const { tables } = context;
  findUpload(context, input);
  const row = tables.object(tables.bucket(input.source.bucket).id, input.source.key);
  checkSourceConditions(input.sourceConditions, { etag: row.etag, lastModified: new Date(row.modified) });
  const { start, end: last } = copyRange(input.sourceRange, row.size);
  const end = last + 1;
  const body = await openBytes(context, { segments: unpackSegments(row.content), start, end });
  const { bucket, key, uploadId, partNumber } = input;
  const part = { bucket, key, uploadId, partNumber, body, length: end - start, checksum: () => undefined };
  return uploadPart(context, part, signal);
}

/** No byte moves: the object's segments are the parts. A client that asks again gets the same answer. */
function complete(context: Context, input: CompleteMultipartUploadInput, effects: Effects): WrittenObject {
  const { tables, uploads } = context;
  const bucket = tables.bucket(input.bucket).id;
  const previous = tables.findObject(bucket, input.key);
  if (previous?.upload === input.uploadId) {
    return { etag: previous.etag, lastModified: new Date(previous.modified), checksum: checksumOf(previous) };
  }
  const upload = uploads.upload(bucket, input.key, input.uploadId);
  const parts = chooseParts(uploads.parts(upload.id, 0, -1), input);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  if (input.expectedSize !== undefined && input.expectedSize !== size) {
    const message = `The parts have ${size} bytes together, and x-amz-mp-object-size says ${input.expectedSize}.`;
    throw new S3Error('InvalidRequest', { message });
  }
  const mode = checksumModeOf(upload);
  const sums = parts.map((part) => ({ value: part.checksum_value ?? undefined, size: part.size }));
  const checksum = assemblePartChecksum(mode, sums, input.expectedChecksum);
  checkWriteConditions(input.conditions, previous);
  const modified = new Date(context.now());
  const etag = multipartEtag(parts);
  uploads.dropUpload(upload.id, new Set(parts.map((part) => part.number)), effects);
  const row = {
    key: input.key,
    size,
    etag,
    modified,
    storageClass: upload.storage_class,
    checksum,
    upload: upload.id,
    tags: upload.tags,
    attributes: upload.attributes,
    content: packSegments(parts.map((part) => partSegment(part, mode !== undefined))),
  };
  tables.replaceObject(bucket, row, previous, effects);
  return { etag, lastModified: modified, checksum };
}

function chooseParts(rows: readonly PartRow[], input: CompleteMultipartUploadInput): PartRow[] {
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  const chosen = input.parts.map(({ partNumber, etag, checksum }) => {
    const row = byNumber.get(partNumber);
    const isSame = checksum === undefined || row?.checksum_value === null || row?.checksum_value === checksum.value;
    if (row === undefined || row.etag !== etag || !isSame) {
      const detail = { UploadId: input.uploadId, PartNumber: String(partNumber), ETag: etag };
      throw new S3Error('InvalidPart', { detail });
    }
    return row;
  });
  for (const row of chosen.slice(0, -1)) {
    if (row.size >= MIN_PART_BYTES) continue;
    throw new S3Error('EntityTooSmall', {
      detail: {
        ProposedSize: String(row.size),
        MinSizeAllowed: String(MIN_PART_BYTES),
        PartNumber: String(row.number),
        ETag: row.etag,
      },
    });
  }
  return chosen;
}

/** MD5 over the parts' MD5s, a dash and their number. */
function multipartEtag(parts: readonly PartRow[]): string {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(part.etag, 'hex');
  return `${md5.digest('hex')}-${parts.length}`;
}

function partSegment(part: PartRow, hasChecksum: boolean): Segment {
  const [segment] = unpackSegments(part.content);
  return {
    // An empty part has no bytes anywhere; body 0 does not exist.
    source: segment?.source ?? 0,
    size: part.size,
    partNumber: part.number,
    checksum: hasChecksum ? (part.checksum_value ?? undefined) : undefined,
  };
}

function listParts(
  context: Context,
  input: UploadPlace & { readonly after: number; readonly limit: number },
): ListPartsOutput {
  const upload = findUpload(context, input);
  const rows = context.uploads.parts(upload.id, input.after, input.limit + 1);
  const page = rows.slice(0, input.limit);
  return {
    parts: page.map((row) => ({
      partNumber: row.number,
      size: row.size,
      etag: row.etag,
      lastModified: new Date(row.modified),
      checksum: checksumOf({ ...row, checksum_type: 'FULL_OBJECT' }),
    })),
    next: rows.length > page.length ? page.at(-1)?.number : undefined,
    storageClass: upload.storage_class,
    checksum: checksumModeOf(upload),
  };
}

function listUploads({ tables, uploads }: Context, input: ListUploadsInput): ListUploadsOutput {
  const { prefix, delimiter, afterKey, afterUploadId, limit } = input;
  const bucket = tables.bucket(input.bucket).id;
  const from =
    afterKey !== '' && afterUploadId !== ''
      ? { key: afterKey, id: afterUploadId }
      : cursorAfter(afterKey, prefix, delimiter);
  if (from === undefined) return { uploads: [], commonPrefixes: [], next: undefined };
  const page = cutPage({
    prefix,
    delimiter,
    from,
    limit,
    scan: (cursor, to) => uploads.scan(bucket, cursor, to),
  });
  return {
    uploads: page.rows.map((row) => ({
      key: row.key,
      uploadId: row.id,
      initiated: new Date(row.initiated),
      storageClass: row.storage_class,
      checksum: checksumModeOf(row),
    })),
    commonPrefixes: page.commonPrefixes,
    next: page.next && { key: page.next.key, uploadId: page.next.row?.id ?? '' },
  };
}
