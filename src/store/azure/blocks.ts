import type { BodyReader } from './body-reader.ts';
import type { AzureClient } from './client.ts';
import type { BlobAddress } from './copy-blob.ts';

/** The most that Azure takes as one block, 4000 MiB. */
export const MAX_BLOCK = 4000 * 1024 * 1024;
/** Where no size is known beforehand: what is held in memory, and 50,000 of which are more than S3 takes. */
const BUFFERED_BLOCK = 4 * 1024 * 1024;

/** Adds a block, not yet visible to anybody. A buffered one is sent again after trouble. */
export async function putBlock(
  client: AzureClient,
  { container, blob }: BlobAddress,
  id: string,
  body: Uint8Array | { readonly reader: BodyReader; readonly length: number },
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
    const id = Buffer.alloc(64);
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
