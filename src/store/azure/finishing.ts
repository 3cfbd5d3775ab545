import { randomBytes } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import { escapeXml } from '../../s3/xml.ts';
import { type BlobAttributes, copyHeaders, metadataHeaders, propertyHeaders } from './attributes.ts';
import type { AzureClient } from './client.ts';
import { type BlobAddress, copyBlob } from './copy-blob.ts';
import { azureCode, azureStatus } from './errors.ts';
import { SYSTEM_PREFIX } from './names.ts';
import type { NativeConditions } from './native-conditions.ts';
import type { BlobRecord } from './record.ts';

/** Below this lie the blobs that are made piece by piece. One left behind by a crash is invisible, and swept. */
export const STAGING_PREFIX = `${SYSTEM_PREFIX}staging/`;

export function newStagingName(now: number): string {
  return `${STAGING_PREFIX}${now.toString(16).padStart(12, '0')}${randomBytes(14).toString('hex')}`;
}

/** Blocks, and what the blob that is made of them is to be. */
export interface Commit {
  /** Ids, in order. */
  readonly blocks: readonly string[];
  readonly attributes: BlobAttributes;
  /** Base64, where it is known. */
  readonly contentMd5: string | undefined;
  /** What makes the staging blob an upload, where it is one: it stays that until the object is there. */
  readonly upload?: BlobRecord['upload'];
}

/** A blob that is whole, to become an object. */
export interface Publication {
  /** Of the staging blob. */
  readonly azureEtag: string;
  readonly attributes: BlobAttributes;
  readonly conditions: NativeConditions;
}

/**
 * Makes the staging blob of its blocks. All other blocks of it are gone then.
 * @returns its ETag, Azure's
 * @throws S3Error InvalidPart when a block is gone, as another Complete's doing
 */
export async function commitStaged(
  client: AzureClient,
  { container, blob }: BlobAddress,
  { blocks, attributes, contentMd5, upload }: Commit,
  signal: AbortSignal,
): Promise<string> {
  const items = blocks.map((id) => `<Latest>${escapeXml(id)}</Latest>`).join('');
  const kept = { ...attributes, hasTags: false, record: { ...attributes.record, ...(upload && { upload }) } };
  try {
    const headers = await client.head({
      method: 'PUT',
      container,
      blob,
      query: { comp: 'blocklist' },
      headers: {
        'x-ms-blob-content-md5': contentMd5,
        ...propertyHeaders(attributes.systemHeaders),
        ...metadataHeaders(kept),
      },
      body: Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${items}</BlockList>`),
      isRepeatable: true,
      signal,
    });
    return headers.get('etag') ?? '';
  } catch (error) {
    if (!BLOCK_FAULTS.has(azureCode(error) ?? '')) throw error;
    throw new S3Error('InvalidPart', { cause: error });
  }
}

const BLOCK_FAULTS: ReadonlySet<string> = new Set(['InvalidBlockList', 'InvalidBlobOrBlock', 'InvalidBlockId']);

/**
 * Makes the staging blob the object: the copy is the instant in which it becomes visible, and decides the conditions.
 * The staging blob is removed when, and only when, that has succeeded.
 * @returns when the object was written
 */
export async function publishStaged(
  client: AzureClient,
  { source, target }: { readonly source: BlobAddress; readonly target: BlobAddress },
  { azureEtag, attributes, conditions }: Publication,
  signal: AbortSignal,
): Promise<Date> {
  const headers = { 'x-ms-source-if-match': azureEtag, ...copyHeaders(attributes), ...conditions };
  const lastModified = await copyBlob(client, { source, target }, headers, signal);
  await removeStaged(client, source.container, source.blob);
  return lastModified;
}

/** Removes a blob of ours; that it is gone already is as good. */
export async function removeStaged(client: AzureClient, container: string, blob: string): Promise<void> {
  try {
    await client.head({ method: 'DELETE', container, blob, isRepeatable: true });
  } catch (error) {
    if (azureStatus(error) !== 404) throw error;
  }
}
