import { createHash } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import type { Checksum, PutObjectInput, WrittenObject } from '../object-store.ts';
import { attributeHeaders, isArchived, metadataHeaders } from './attributes.ts';
import { clientEtag, writtenAt } from './blob.ts';
import { stageBlocks } from './blocks.ts';
import { BodyReader } from './body-reader.ts';
import { checkContainer } from './buckets.ts';
import type { Context } from './context.ts';
import { azureStatus } from './errors.ts';
import { commitStaged, newStagingName, publishStaged, removeStaged } from './finishing.ts';
import { blobName } from './names.ts';
import { type NativeConditions, nativeConditions, newNonce, ownSuccess } from './native-conditions.ts';
import type { BlobRecord } from './record.ts';

/** Bodies up to this size are read first: they can be sent again, and their checksum goes along in one request. */
export const SMALL = 256 * 1024;
/** The most that Azure takes as one blob, 5000 MiB; S3 takes 5 GiB. */
const MAX_PUT = 5000 * 1024 * 1024;

/**
 * Writes an object: in one request, but for sizes that Azure does not take so, and for what goes to the archive, where a
 * checksum that is known only at the end of the body could not be added.
 */
export async function putObject(context: Context, input: PutObjectInput, signal: AbortSignal): Promise<WrittenObject> {
  const { length } = input;
  const isOneRequest = length !== undefined && length <= (isArchived(input.storageClass) ? SMALL : MAX_PUT);
  // Azure computes it by itself for what comes in one request.
  const md5 = isOneRequest ? undefined : createHash('md5');
  const reader = new BodyReader(input.body, signal, (chunk) => md5?.update(chunk));
  try {
    checkContainer(input.bucket);
    const conditions = await nativeConditions(context, input, input.conditions, signal);
    if (isOneRequest && length > SMALL) return await putStream(context, input, { reader, length }, conditions, signal);
    const begun = length === undefined || isOneRequest ? await reader.read(length ?? SMALL) : Buffer.alloc(0);
    if (isOneRequest || (length === undefined && begun.byteLength < SMALL)) {
      if (length !== undefined && begun.byteLength < length) throw new S3Error('IncompleteBody');
      await reader.expectEnd();
      return await putBytes(context, input, begun, conditions, signal);
    }
    const digest = () => (md5 ?? createHash('md5')).digest();
    return await putBlocks(context, input, { reader, begun, digest }, conditions, signal);
  } finally {
    reader.close();
  }
}

async function putBytes(
  context: Context,
  input: PutObjectInput,
  bytes: Buffer,
  conditions: NativeConditions,
  signal: AbortSignal,
): Promise<WrittenObject> {
  const digest = createHash('md5').update(bytes).digest();
  const etag = digest.toString('hex');
  const checksum = sentChecksum(input);
  const nonce = newNonce();
  const record: BlobRecord = { nonce, ...(checksum && { checksum: { ...checksum, etag } }) };
  try {
    const headers = await context.client.head({
      method: 'PUT',
      container: input.bucket,
      blob: blobName(input.key),
      headers: {
        'x-ms-blob-type': 'BlockBlob',
        'content-md5': digest.toString('base64'),
        ...attributeHeaders({ ...input, record, hasTags: await context.traits.mayTag(input.tags) }),
        ...conditions,
      },
      body: bytes,
      isRepeatable: true,
      signal,
    });
    return { etag, lastModified: writtenAt(headers), checksum };
  } catch (error) {
    const blob = await ownSuccess(context, input, { conditions: input.conditions, nonce }, error, signal);
    return { etag, lastModified: blob.lastModified, checksum };
  }
}

async function putStream(
  context: Context,
  input: PutObjectInput,
  { reader, length }: { readonly reader: BodyReader; readonly length: number },
  conditions: NativeConditions,
  signal: AbortSignal,
): Promise<WrittenObject> {
  const place = { container: input.bucket, blob: blobName(input.key) };
  const attributes = { ...input, record: {}, hasTags: await context.traits.mayTag(input.tags) };
  const headers = await context.client.head({
    method: 'PUT',
    ...place,
    headers: {
      'x-ms-blob-type': 'BlockBlob',
      // Where the client said it, Azure refuses what comes to it as anything else.
      'content-md5': input.claims?.md5,
      ...attributeHeaders(attributes),
      ...conditions,
    },
    body: reader.whole(length),
    bodyLength: length,
    signal,
  });
  // What it does not tell now it will not know later either.
  const etag = clientEtag(headers.get('content-md5'), headers.get('etag') ?? '');
  const checksum = sentChecksum(input);
  if (checksum === undefined) return { etag, lastModified: writtenAt(headers), checksum };
  // Known only now that the body has ended. Should the object be replaced meanwhile, it has a checksum of its own.
  try {
    const record = { checksum: { ...checksum, etag } };
    const kept = await context.client.head({
      method: 'PUT',
      ...place,
      query: { comp: 'metadata' },
      headers: { ...metadataHeaders({ ...attributes, record }), 'if-match': headers.get('etag') },
      isRepeatable: true,
      signal,
    });
    return { etag, lastModified: writtenAt(kept), checksum };
  } catch (error) {
    if (azureStatus(error) !== 412 && azureStatus(error) !== 404) throw error;
    return { etag, lastModified: writtenAt(headers), checksum };
  }
}

interface BlockedBody {
  readonly reader: BodyReader;
  /** Bytes that were read already. */
  readonly begun: Buffer;
  /** MD5 of all bytes, once they have been read. */
  readonly digest: () => Buffer;
}

/** What is too large for one request, or of unknown size, goes in blocks to a blob of its own and is copied when whole. */
async function putBlocks(
  context: Context,
  input: PutObjectInput,
  { reader, begun, digest }: BlockedBody,
  conditions: NativeConditions,
  signal: AbortSignal,
): Promise<WrittenObject> {
  const target = { container: input.bucket, blob: blobName(input.key) };
  const nonce = newNonce();
  const source = { container: input.bucket, blob: newStagingName(context.now()) };
  const blocks = await stageBlocks(context.client, source, reader, {
    begun,
    length: input.length,
    signal,
  });
  const md5 = digest();
  const etag = md5.toString('hex');
  const checksum = sentChecksum(input);
  const attributes = {
    ...input,
    record: { nonce, ...(checksum && { checksum: { ...checksum, etag } }) },
    hasTags: await context.traits.mayTag(input.tags),
  };
  const { client } = context;
  const azureEtag = await commitStaged(
    client,
    source,
    { blocks, attributes, contentMd5: md5.toString('base64') },
    signal,
  );
  try {
    const lastModified = await publishStaged(client, { source, target }, { azureEtag, attributes, conditions }, signal);
    return { etag, lastModified, checksum };
  } catch (error) {
    try {
      const blob = await ownSuccess(context, input, { conditions: input.conditions, nonce }, error, signal);
      return { etag, lastModified: blob.lastModified, checksum };
    } finally {
      await removeStaged(client, source.container, source.blob);
    }
  }
}

function sentChecksum(input: PutObjectInput): Checksum | undefined {
  const sent = input.checksum();
  return sent && { ...sent, type: 'FULL_OBJECT' };
}
