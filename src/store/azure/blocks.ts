import { createHash } from 'node:crypto';
import { S3Error } from '../../s3/error.ts';
import { BLOCK_ID_BYTES } from './block-id.ts';
import type { BodyReader } from './body-reader.ts';
import type { AzureClient } from './client.ts';
import type { BlobAddress } from './copy-blob.ts';

/**
 * From 2019-02-02 on Azure tells the CRC-64 of a block in place of its MD5, and before 2019-12-12 it takes 100 MiB at
 * most. https://learn.microsoft.com/rest/api/storageservices/put-block
 */
export const TELLS_MD5 = { version: '2018-11-09', maxBlock: 100 * 1024 * 1024 } as const;
/** The most that Azure takes as one block, 4000 MiB. */
export const MAX_BLOCK = 4000 * 1024 * 1024;
/** Where no size is known beforehand: what is held in memory, and 50,000 of which are more than S3 takes. */
const BUFFERED_BLOCK = 4 * 1024 * 1024;

/** A block that is sent as it comes. */
export interface StreamedBlock {
  readonly reader: BodyReader;
  readonly length: number;
}

/** Adds a block, not yet visible to anybody. A buffered one is sent again after trouble. */
export async function putBlock(
  client: AzureClient,
  { container, blob }: BlobAddress,
  id: string,
  body: Uint8Array | StreamedBlock,
  signal: AbortSignal,
): Promise<void> {
  const query = { comp: 'block', blockid: id };
  if (body instanceof Uint8Array) {
    await client.head({ method: 'PUT', container, blob, query, body, isRepeatable: true, signal });
    return;
  }
  const { reader, length } = body;
  await client.head({ method: 'PUT', container, blob, query, body: reader.stream(length), bodyLength: length, signal });
}

/**
 * Adds all of a body as one block; its last bytes leave only when the body has ended as it should.
 * @param md5 base64, where it is known: Azure refuses other bytes then
 * @returns the MD5, in hex, of what Azure has received
 * @throws S3Error ServiceUnavailable when it does not tell
 */
export async function putWholeBlock(
  client: AzureClient,
  { container, blob }: BlobAddress,
  id: string,
  { reader, length }: StreamedBlock,
  md5: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const headers = await client.head({
    ...{ method: 'PUT', container, blob, query: { comp: 'block', blockid: id }, signal },
    headers: { 'content-md5': md5 },
    version: md5 === undefined ? TELLS_MD5.version : undefined,
    body: reader.whole(length),
    bodyLength: length,
  });
  const told = Buffer.from(md5 ?? headers.get('content-md5') ?? '', 'base64');
  if (told.byteLength === 16) return told.toString('hex');
  throw new S3Error('ServiceUnavailable', { cause: new Error('Azure did not tell the MD5 of a block') });
}

/** Whether Azure, asked by the version that should, tells the MD5 of a block. It is tried with one that is never used. */
export async function doesTellMd5(client: AzureClient, { container, blob }: BlobAddress): Promise<boolean> {
  const body = Buffer.from('x');
  const query = { comp: 'block', blockid: Buffer.alloc(BLOCK_ID_BYTES).toString('base64') };
  const { version } = TELLS_MD5;
  const headers = await client.head({ method: 'PUT', container, blob, query, body, version, isRepeatable: true });
  return headers.get('content-md5') === createHash('md5').update(body).digest('base64');
}

/**
 * Sends a whole body as blocks.
 * @returns their ids, in order
 * @throws S3Error IncompleteBody when it has not `length` bytes, if that is known
 */
export async function stageBlocks(
  client: AzureClient,
  place: BlobAddress,
  reader: BodyReader,
  {
    begun,
    length,
    signal,
  }: { readonly begun: Buffer; readonly length: number | undefined; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const ids: string[] = [];
  const nextId = (): string => {
    const id = Buffer.alloc(BLOCK_ID_BYTES);
    id.writeUInt32BE(ids.length);
    ids.push(id.toString('base64'));
    return id.toString('base64');
  };
  if (begun.byteLength > 0) await putBlock(client, place, nextId(), begun, signal);
  if (length === undefined) {
    for (;;) {
      const bytes = await reader.read(BUFFERED_BLOCK);
      if (bytes.byteLength > 0) await putBlock(client, place, nextId(), bytes, signal);
      if (bytes.byteLength < BUFFERED_BLOCK) return ids;
    }
  }
  for (let left = length - begun.byteLength; left > 0; ) {
    const size = Math.min(left, MAX_BLOCK);
    await putBlock(client, place, nextId(), { reader, length: size }, signal);
    left -= size;
  }
  await reader.expectEnd();
  return ids;
}
