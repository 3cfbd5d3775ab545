import { randomBytes } from 'node:crypto';
import { type Conditions, hasConditions } from '../../s3/conditions.ts';
import { checkWriteConditions } from '../conditions.ts';
import type { ObjectPlace } from '../object-store.ts';
import type { Blob } from './blob.ts';
import type { Context } from './context.ts';
import { azureStatus } from './errors.ts';
import { blobName } from './names.ts';
import { findBlob } from './reading.ts';

/** The same conditions in headers that Azure decides by, at the instant the write becomes visible. */
export interface NativeConditions {
  readonly 'if-match'?: string;
  readonly 'if-none-match'?: string;
}

/**
 * Decides a write's conditions on the client's ETags, and says them in Azure's.
 * @throws S3Error PreconditionFailed, NoSuchKey
 */
export async function nativeConditions(
  { client }: Context,
  { bucket, key }: ObjectPlace,
  conditions: Conditions,
  signal?: AbortSignal,
): Promise<NativeConditions> {
  if (!hasConditions(conditions)) return {};
  const blob = await findBlob(client, bucket, blobName(key), signal);
  checkWriteConditions(conditions, blob);
  return blob === undefined ? { 'if-none-match': '*' } : { 'if-match': blob.azureEtag };
}

/** A mark of one write, for its record. */
export function newNonce(): string {
  return randomBytes(9).toString('base64url');
}

/**
 * A conditional write that is sent again may run into its own first success, whose answer was lost. Its nonce tells.
 * @param failure what the write failed with
 * @returns the blob that is there by this write
 * @throws the failure, where it is another's
 */
export async function ownSuccess(
  { client }: Context,
  { bucket, key }: ObjectPlace,
  { conditions, nonce }: { readonly conditions: Conditions; readonly nonce: string },
  failure: unknown,
  signal: AbortSignal,
): Promise<Blob> {
  const status = azureStatus(failure);
  if (!hasConditions(conditions) || (status !== 409 && status !== 412)) throw failure;
  const blob = await findBlob(client, bucket, blobName(key), signal);
  if (blob?.record.nonce !== nonce) throw failure;
  return blob;
}
