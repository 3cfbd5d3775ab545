import { copyRange } from '../../s3/copy-source.ts';
import { checkSourceConditions } from '../conditions.ts';
import type { ObjectStore, UploadPartCopyInput, WrittenPart } from '../object-store.ts';
import { metadataHeaders, propertyHeaders } from './attributes.ts';
import { checkContainer } from './buckets.ts';
import { completeUpload } from './complete.ts';
import type { Context } from './context.ts';
import { removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { uploadPart } from './part-upload.ts';
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
  const bytes = { body, length, checksum: () => undefined, claims: { md5: undefined, algorithm: undefined } };
  return uploadPart(context, { bucket, key, uploadId, partNumber, ...bytes }, signal);
}
