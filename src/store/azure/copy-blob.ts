import { setTimeout as delay } from 'node:timers/promises';
import { S3Error } from '../../s3/error.ts';
import { writtenAt } from './blob.ts';
import type { AzureClient } from './client.ts';
import { azureCode, azureStatus } from './errors.ts';

/** A blob by its Azure names. */
export interface BlobAddress {
  readonly container: string;
  readonly blob: string;
}

/** Milliseconds between two looks at a copy that is still going on. */
const FIRST_POLL = 100;
const LONGEST_POLL = 1000;

/**
 * Copies a blob within the account, without a byte passing through here. What `headers` do not give, the copy has
 * from its source, but for tags and tier; with any metadata given, none of the source's is taken.
 * @returns when the copy was written
 * @throws S3Error NoSuchKey and PreconditionFailed for source and target alike; OperationAborted when it was broken off
 */
export async function copyBlob(
  client: AzureClient,
  { source, target }: { readonly source: BlobAddress; readonly target: BlobAddress },
  headers: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Date> {
  const answer = await client.head({
    method: 'PUT',
    ...target,
    headers: { 'x-ms-copy-source': client.sourceUrl(source.container, source.blob), ...headers },
    isRepeatable: true,
    signal,
  });
  const id = answer.get('x-ms-copy-id') ?? '';
  let status = answer.get('x-ms-copy-status');
  if (status === 'success') return writtenAt(answer);
  try {
    for (let wait = FIRST_POLL; status === 'pending'; wait = Math.min(wait * 2, LONGEST_POLL)) {
      await delay(wait, undefined, { signal });
      const look = await client.head({ method: 'HEAD', ...target, signal });
      // Somebody has written to the target meanwhile: ours came first, and is gone.
      if (look.get('x-ms-copy-id') !== id) return writtenAt(look);
      status = look.get('x-ms-copy-status');
      if (status === 'success') return writtenAt(look);
    }
  } catch (error) {
    if (signal.aborted) await abortCopy(client, target, id);
    throw error;
  }
  await removeRemains(client, target, id);
  throw new S3Error('OperationAborted', { cause: new Error(`copy: ${status}`) });
}

/** Nobody waits for it any more; left alone it would replace the object some time later. */
async function abortCopy(client: AzureClient, target: BlobAddress, id: string): Promise<void> {
  const headers = { 'x-ms-copy-action': 'abort' };
  try {
    await client.head({ method: 'PUT', ...target, query: { comp: 'copy', copyid: id }, headers });
  } catch (error) {
    // It has come to its end meanwhile.
    if (azureCode(error) === 'NoPendingCopyOperation') return;
    throw error;
  }
  await removeRemains(client, target, id);
}

/** A copy that came to nothing leaves a blob of no bytes that has all headers of the object it was to be. */
async function removeRemains(client: AzureClient, target: BlobAddress, id: string): Promise<void> {
  try {
    const look = await client.head({ method: 'HEAD', ...target });
    if (look.get('x-ms-copy-id') !== id || look.get('x-ms-copy-status') === 'success') return;
    await client.head({ method: 'DELETE', ...target, headers: { 'if-match': look.get('etag') } });
  } catch (error) {
    const status = azureStatus(error);
    if (status !== 404 && status !== 412) throw error;
  }
}
