import { createHash, randomBytes } from 'node:crypto';
import { createChecksum } from '../../s3/checksum.ts';
import { copyRange } from '../../s3/copy-source.ts';
import { S3Error } from '../../s3/error.ts';
import { checkSourceConditions } from '../conditions.ts';
import { partChecksum } from '../multipart-checksum.ts';
import type { ObjectStore, UploadPartCopyInput, UploadPartInput, WrittenPart } from '../object-store.ts';
import { metadataHeaders, propertyHeaders } from './attributes.ts';
import { type LastBlock, packBlockId, RANDOM_BYTES } from './block-id.ts';
import { MAX_BLOCK, putBlock } from './blocks.ts';
import { BodyReader } from './body-reader.ts';
import { checkContainer } from './buckets.ts';
import { completeUpload } from './complete.ts';
import type { Context } from './context.ts';
import { removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { readParts } from './parts.ts';
import { getObject, headObjectBlob } from './reading.ts';
import { listUploads } from './upload-listing.ts';
import { newUploadId, stagingOf } from './uploads.ts';

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

/** The end of a part, held in memory until all of the part has been verified. */
const TAIL = 256 * 1024;
/** Where no size is known beforehand, a part goes in pieces of this size, each held in memory. */
const PIECE = 4 * 1024 * 1024;

/**
 * The part of an ObjectStore that deals with uploads in parts. An upload is a blob of its own, out of sight; a part
 * is blocks of it, not yet committed, and their ids say all there is to know of the part. So nothing is lost with
 * this process, and uploads to one key, and whatever else happens to that key, know nothing of each other.
 */
export function multipartMethods(context: Context): MultipartMethods {
  const { client, uploads } = context;
  return {
    async createMultipartUpload(input) {
      checkContainer(input.bucket);
      // Found out now rather than after gigabytes.
      blobName(input.key);
      await context.traits.checkKey(input.key);
      const initiated = context.now();
      const uploadId = newUploadId(initiated);
      const upload = { key: input.key, initiated, ...(input.checksum && { checksum: input.checksum }) };
      const attributes = { ...input, hasTags: false, record: { upload } };
      await client.head({
        method: 'PUT',
        ...stagingOf({ ...input, uploadId }),
        headers: {
          'x-ms-blob-type': 'BlockBlob',
          ...propertyHeaders(input.systemHeaders),
          ...metadataHeaders(attributes),
        },
        isRepeatable: true,
      });
      return { uploadId };
    },

    uploadPart: (input, signal) => uploadPart(context, input, signal),
    uploadPartCopy: (input, signal) => uploadPartCopy(context, input, signal),
    completeMultipartUpload: (input, signal) => completeUpload(context, input, signal),

    async abortMultipartUpload(place) {
      await uploads.look(place);
      uploads.forget(place);
      const { container, blob } = stagingOf(place);
      await removeStaged(client, container, blob);
    },

    async listParts({ after, limit, ...place }) {
      const { record } = await uploads.look(place);
      const parts = (await readParts(client, stagingOf(place))).filter((part) => part.partNumber > after);
      const page = parts.slice(0, limit);
      return {
        parts: page,
        next: parts.length > page.length ? page.at(-1)?.partNumber : undefined,
        storageClass: record.storageClass ?? 'STANDARD',
        checksum: record.upload?.checksum,
      };
    },

    listMultipartUploads: (input) => listUploads(context, input),
  };
}

/**
 * Takes a part in: all but its end as one stream, the end when everything before it has been acknowledged and the
 * whole been verified. Only the end's id makes it a part, so that what breaks off or fails its checks is none, and
 * replaces none.
 */
async function uploadPart(context: Context, input: UploadPartInput, signal: AbortSignal): Promise<WrittenPart> {
  const { client, uploads } = context;
  const md5 = createHash('md5');
  let summing: ReturnType<typeof createChecksum> | undefined;
  const reader = new BodyReader(input.body, signal, (chunk) => {
    md5.update(chunk);
    summing?.update(chunk);
  });
  try {
    checkContainer(input.bucket);
    const mode = (await uploads.find(input, signal)).checksum;
    summing = mode && createChecksum(mode.algorithm);
    const place = stagingOf(input);
    const attempt = uploads.nextAttempt(context.now());
    const random = randomBytes(RANDOM_BYTES);
    const { partNumber } = input;
    let sequence = 0;
    const idOf = (last: LastBlock | undefined) =>
      packBlockId({ partNumber, sequence: sequence++, attempt, random, last });
    const tail = await sendAllButEnd(reader, input.length, (body) =>
      putBlock(client, place, idOf(undefined), body, signal),
    );
    const etag = md5.digest('hex');
    const checksum = partChecksum(mode, input.checksum(), summing?.digest());
    const isEmpty = tail.byteLength === 0;
    const last = { isEmpty, md5: etag, checksum };
    await putBlock(client, place, idOf(last), isEmpty ? Buffer.alloc(1) : tail, signal);
    return { etag, lastModified: new Date(attempt), checksum };
  } finally {
    reader.close();
  }
}

type BlockBody = Parameters<typeof putBlock>[3];

/** @returns the end of the body, which is empty only when all of it is */
async function sendAllButEnd(
  reader: BodyReader,
  length: number | undefined,
  send: (body: BlockBody) => Promise<void>,
): Promise<Buffer> {
  if (length === undefined) {
    let piece = await reader.read(PIECE);
    while (piece.byteLength === PIECE) {
      const next = await reader.read(PIECE);
      if (next.byteLength === 0) break;
      await send(piece);
      piece = next;
    }
    return piece;
  }
  for (let left = length - Math.min(length, TAIL); left > 0; ) {
    const size = Math.min(left, MAX_BLOCK);
    await send({ reader, length: size });
    left -= size;
  }
  const tail = await reader.read(Math.min(length, TAIL));
  if (tail.byteLength < Math.min(length, TAIL)) throw new S3Error('IncompleteBody');
  await reader.expectEnd();
  return tail;
}

/**
 * Reads the source and takes it in as any part: its ETag is to be the MD5 of exactly these bytes, which Azure does not
 * tell where it copies them itself.
 */
async function uploadPartCopy(context: Context, input: UploadPartCopyInput, signal: AbortSignal): Promise<WrittenPart> {
  checkContainer(input.bucket);
  await context.uploads.find(input, signal);
  await context.traits.checkKey(input.source.key);
  const blob = await headObjectBlob(context, input.source, signal);
  checkSourceConditions(input.sourceConditions, blob);
  const { start, end } = copyRange(input.sourceRange, blob.size);
  const read = { range: input.sourceRange, partNumber: undefined, conditions: { ifMatch: blob.etag }, headOnly: false };
  const { body } = await getObject(context, { ...input.source, ...read }, signal);
  const length = end - start + 1;
  const { bucket, key, uploadId, partNumber } = input;
  return uploadPart(context, { bucket, key, uploadId, partNumber, body, length, checksum: () => undefined }, signal);
}
