import { randomBytes } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import { escapeXml } from '../../s3/xml.ts';
import type { ObjectPlace } from '../object-store.ts';
import { type BlobAttributes, copyHeaders, metadataHeaders, propertyHeaders } from './attributes.ts';
import type { AzureClient } from './client.ts';
import type { Context } from './context.ts';
import { type BlobAddress, copyBlob } from './copy-blob.ts';
import { azureCode, azureStatus } from './errors.ts';
import { blobName, SYSTEM_PREFIX } from './names.ts';
import type { NativeConditions } from './native-conditions.ts';
import type { BlobRecord } from './record.ts';

/** Below this lie the blobs that are made piece by piece. One left behind by a crash is invisible, and swept. */
export const STAGING_PREFIX = `${SYSTEM_PREFIX}staging/`;

export function newStagingName(now: number): string {
  return `${STAGING_PREFIX}${now.toString(16).padStart(12, '0')}${randomBytes(14).toString('hex')}`;
}

/** A blob made of blocks, to become an object. */
export interface Staged {
  /** Ids, in order. */
  readonly blocks: readonly string[];
  readonly attributes: BlobAttributes;
  /** Base64, where it is known. */
  readonly contentMd5: string | undefined;
  readonly conditions: NativeConditions;
  /** What makes the staging blob an upload, where it is one: it stays that until the object is there. */
  readonly upload?: BlobRecord['upload'];
}

/**
 * Makes one blob of blocks, and that the object: the copy is the instant in which it becomes visible, and decides
 * the conditions. The staging blob is removed when, and only when, that has succeeded.
 * @returns when the object was written
 */
export async function finishStaged(
  context: Context,
  place: ObjectPlace & { readonly staging: string },
  { blocks, attributes, contentMd5, conditions, upload }: Staged,
  signal: AbortSignal,
): Promise<Date> {
  const { client } = context;
  const { bucket: container, staging } = place;
  const kept = { ...attributes, hasTags: false, record: { ...attributes.record, ...(upload && { upload }) } };
  const azureEtag = await commitBlocks(client, { container, blob: staging }, blocks, kept, contentMd5, signal);
  const lastModified = await copyBlob(
    client,
    { source: { container, blob: staging }, target: { container, blob: blobName(place.key) } },
    { 'x-ms-source-if-match': azureEtag, ...copyHeaders(attributes), ...conditions },
    signal,
  );
  await removeStaged(client, container, staging);
  return lastModified;
}

/** Makes a blob of blocks. @returns its ETag, Azure's @throws S3Error InvalidPart when a block is gone, as another Complete's doing */
async function commitBlocks(
  client: AzureClient,
  { container, blob }: BlobAddress,
  blocks: readonly string[],
  attributes: BlobAttributes,
  contentMd5: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const items = blocks.map((id) => `<Latest>${escapeXml(id)}</Latest>`).join('');
  try {
    const headers = await client.head({
      method: 'PUT',
      container,
      blob,
      query: { comp: 'blocklist' },
      headers: {
        'x-ms-blob-content-md5': contentMd5,
        ...propertyHeaders(attributes.systemHeaders),
        ...metadataHeaders(attributes),
      },
      body: Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${items}</BlockList>`),
      isRepeatable: true,
      signal,
    });
    return headers.get('etag') ?? '';
  } catch (error) {
    const code = azureCode(error);
    if (code !== 'InvalidBlockList' && code !== 'InvalidBlobOrBlock' && code !== 'InvalidBlockId') throw error;
    throw new S3Error('InvalidPart', { cause: error });
  }
}

/** Removes a blob of ours; that it is gone already is as good. */
export async function removeStaged(client: AzureClient, container: string, blob: string): Promise<void> {
  try {
    await client.head({ method: 'DELETE', container, blob, isRepeatable: true });
  } catch (error) {
    if (azureStatus(error) !== 404) throw error;
  }
}
