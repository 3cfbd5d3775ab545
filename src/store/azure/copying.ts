import { Readable } from 'node:stream';
import { createChecksum } from '../../s3/checksum.ts';
import { hasConditions } from '../../s3/conditions.ts';
import { S3Error } from '../../s3/error.ts';
import { checkSourceConditions } from '../conditions.ts';
import type { Checksum, CopyObjectInput, Tags, WrittenObject } from '../object-store.ts';
import { type BlobAttributes, copyHeaders, propertyHeaders, readAttributes } from './attributes.ts';
import { type Blob, checksumOf, describeBlob } from './blob.ts';
import type { Context } from './context.ts';
import { type BlobAddress, copyBlob } from './copy-blob.ts';
import { azureStatus } from './errors.ts';
import { newStagingName, removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { nativeConditions, newNonce, ownSuccess } from './native-conditions.ts';
import { getObject, headObjectBlob } from './reading.ts';
import { readTags } from './tagging.ts';
import { putObject } from './writing.ts';

/** Azure's limit on `x-ms-copy-source`, in bytes; a key of other scripts than Latin is three times as long in a URL. */
const MAX_SOURCE_URL = 2048;

/** How often a copy begins anew when its source is replaced between looking at it and copying it. */
const ATTEMPTS = 3;

/** Copies an object within the account: no byte passes through here, but where Azure cannot be told of the source. */
export async function copyObject(
  context: Context,
  input: CopyObjectInput,
  signal: AbortSignal,
): Promise<WrittenObject> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await copyOnce(context, input, signal);
    } catch (error) {
      // A condition of the client's that no longer holds fails at the next look at source and target, of which Azure
      // has not heard then.
      const isOvertaken = error instanceof S3Error && error.code === 'PreconditionFailed';
      const isAsked = hasConditions(input.conditions) || hasConditions(input.sourceConditions);
      if (!isOvertaken || (isAsked && azureStatus(error) !== 412)) throw error;
      if (attempt === ATTEMPTS) throw new S3Error('SlowDown', { cause: error });
    }
  }
}

async function copyOnce(context: Context, input: CopyObjectInput, signal: AbortSignal): Promise<WrittenObject> {
  const { client } = context;
  const blob = await headObjectBlob(context, input.source, signal);
  checkSourceConditions(input.sourceConditions, blob);
  // Azure would begin to bring it back, which takes hours.
  if (blob.tier === 'Archive') throw new S3Error('InvalidObjectState');
  const checksum = await checksumFor(context, input, blob, signal);
  const tags = input.tags ?? (await tagsOf(context, input, blob));
  const hasTags = await context.traits.mayTag(tags);
  const nonce = newNonce();
  const attributes = attributesOf(input, blob, { tags, hasTags, checksum, nonce });
  const source = { container: input.source.bucket, blob: blobName(input.source.key) };
  const target = { container: input.bucket, blob: blobName(input.key) };
  const conditions = await nativeConditions(context, input, input.conditions, signal);
  if (client.sourceUrl(source.container, source.blob).length > MAX_SOURCE_URL) {
    return copyThrough(context, input, blob, attributes, signal);
  }
  const headers = { ...copyHeaders(attributes), ...conditions };
  const isSame = source.container === target.container && source.blob === target.blob;
  let lastModified: Date;
  try {
    lastModified =
      input.attributes === undefined && !isSame
        ? await copyBlob(client, { source, target }, { 'x-ms-source-if-match': blob.azureEtag, ...headers }, signal)
        : await copyChanged(context, { source, target, blob }, attributes, headers, signal);
  } catch (error) {
    ({ lastModified } = await ownSuccess(context, input, { conditions: input.conditions, nonce }, error, signal));
  }
  return { etag: await etagAfter(context, input, blob, signal), lastModified, checksum };
}

/**
 * A copy has the content headers of its source. Others are given to one in between, so that the target changes in
 * one instant: from what it was to all of what it is to be.
 */
async function copyChanged(
  { client, now }: Context,
  { source, target, blob }: { readonly source: BlobAddress; readonly target: BlobAddress; readonly blob: Blob },
  attributes: BlobAttributes,
  headers: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Date> {
  const staging = { container: target.container, blob: newStagingName(now()) };
  try {
    await copyBlob(client, { source, target: staging }, { 'x-ms-source-if-match': blob.azureEtag }, signal);
    const changed = await client.head({
      method: 'PUT',
      ...staging,
      query: { comp: 'properties' },
      headers: { ...propertyHeaders(attributes.systemHeaders), 'x-ms-blob-content-md5': blob.contentMd5 },
      isRepeatable: true,
      signal,
    });
    const etag = changed.get('etag');
    return await copyBlob(client, { source: staging, target }, { 'x-ms-source-if-match': etag, ...headers }, signal);
  } finally {
    await removeStaged(client, staging.container, staging.blob);
  }
}

/** Through here, as an upload of what is downloaded. */
async function copyThrough(
  context: Context,
  input: CopyObjectInput,
  blob: Blob,
  attributes: BlobAttributes,
  signal: AbortSignal,
): Promise<WrittenObject> {
  const { body } = await getObject(context, readOf(input, blob), signal);
  const { systemHeaders, userMetadata, tags, storageClass } = attributes;
  const checksum = attributes.record.checksum;
  const sent = checksum?.type === 'FULL_OBJECT' ? checksum : undefined;
  const { bucket, key, conditions } = input;
  const written = { systemHeaders, userMetadata, tags, storageClass, body, length: blob.size, checksum: () => sent };
  return putObject(context, { bucket, key, conditions, ...written }, signal);
}

function attributesOf(
  input: CopyObjectInput,
  blob: Blob,
  given: {
    readonly tags: Tags;
    readonly hasTags: boolean;
    readonly checksum: Checksum | undefined;
    readonly nonce: string;
  },
): BlobAttributes {
  const { tags, hasTags, checksum, nonce } = given;
  const described = describeBlob(input, blob);
  const kept = input.attributes ?? {
    ...readAttributes(blob.properties, blob.metadata, blob.record),
    storageClass: described.storageClass,
  };
  const { multipart } = blob.record;
  return {
    ...kept,
    storageClass: input.storageClass ?? kept.storageClass,
    tags,
    hasTags,
    record: {
      nonce,
      // Completing the source's upload again must not find the copy.
      ...(multipart && described.parts && { multipart: { ...multipart, uploadId: '' } }),
      ...(checksum && { checksum: { ...checksum, etag: blob.etag } }),
    },
  };
}

async function tagsOf(context: Context, { source }: CopyObjectInput, blob: Blob): Promise<Tags> {
  if (blob.record.tags !== undefined || blob.tagCount === 0) return blob.record.tags ?? [];
  return readTags(context, source);
}

/** The checksum asked for, when the source has another or none. */
async function checksumFor(
  context: Context,
  input: CopyObjectInput,
  blob: Blob,
  signal: AbortSignal,
): Promise<Checksum | undefined> {
  const algorithm = input.checksumAlgorithm;
  const kept = checksumOf(blob);
  if (algorithm === undefined || (kept?.algorithm === algorithm && kept.type === 'FULL_OBJECT')) return kept;
  const { body } = await getObject(context, readOf(input, blob), signal);
  const checksum = createChecksum(algorithm);
  if (body instanceof Readable) for await (const chunk of body) checksum.update(chunk);
  return { algorithm, type: 'FULL_OBJECT', value: checksum.digest() };
}

function readOf({ source }: CopyObjectInput, { etag }: Blob) {
  const conditions = { ifMatch: etag };
  return { ...source, conditions, range: undefined, partNumber: undefined, headOnly: false };
}

/** Azure's own ETag, where that is all there is, is another for the copy. */
async function etagAfter(context: Context, input: CopyObjectInput, blob: Blob, signal: AbortSignal): Promise<string> {
  if (!blob.etag.endsWith('-1') || blob.record.multipart?.etag === blob.etag) return blob.etag;
  return (await headObjectBlob(context, input, signal)).etag;
}
