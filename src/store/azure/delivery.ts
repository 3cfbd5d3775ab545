import type { ByteRange } from '../../s3/range.ts';
import type { GetObjectInput } from '../object-store.ts';
import { type AccountFault, type AccountSettings, accountFaults, resolveAccount } from './account.ts';
import type { Blob } from './blob.ts';
import type { Context } from './context.ts';
import { blobName } from './names.ts';
import { canOverride, readSas } from './sas.ts';

/** How reads are handed over to Azure. */
export interface Delivery {
  /** Bytes wanted of an object from which on a redirect pays. */
  readonly from: number;
  /** Milliseconds for which a URL is good. */
  readonly expiry: number;
  /** Name of a stored access policy of every container that is read. */
  readonly policy: string | undefined;
}

/** Why reads of this account cannot be handed over; none when they can. */
export function deliveryFaults(settings: AccountSettings): (AccountFault | { setting: 'delivery'; message: string })[] {
  if (accountFaults(settings).length > 0 || resolveAccount(settings).credential.kind === 'shared-key') return [];
  const message = 'needs accountKey: a SAS cannot make others, and to hand out itself would give away all it allows';
  return [{ setting: 'delivery', message }];
}

/**
 * Whether this read could be one that the client makes by itself. What its client would repeat to Azure must mean the
 * same there: ETags do not, nor do ranges that count from the end.
 */
export function mayDeliver({ delivery }: Context, input: GetObjectInput): boolean {
  const { redirect, range, partNumber, conditions, headOnly } = input;
  if (delivery === undefined || redirect === undefined || headOnly || partNumber !== undefined) return false;
  if (conditions.ifMatch !== undefined || !canOverride(redirect.overrides)) return false;
  return range === undefined || /^bytes=\d+-\d*$/.test(range);
}

/** The URL at which the client finds what it asked for; undefined where Sluice is to read it. */
export function deliveryUrl(
  context: Context,
  input: GetObjectInput,
  blob: Blob,
  range: ByteRange | undefined,
): string | undefined {
  const { client, delivery } = context;
  const { credential } = client.account;
  if (delivery === undefined || input.redirect === undefined || !mayDeliver(context, input)) return undefined;
  if (credential.kind !== 'shared-key' || blob.tier === 'Archive') return undefined;
  const isIgnored = input.range !== undefined && range === undefined;
  const size = range === undefined ? blob.size : range.end - range.start + 1;
  if (isIgnored || size < delivery.from) return undefined;
  const place = { container: input.bucket, blob: blobName(input.key) };
  const expires = new Date(client.clock().getTime() + delivery.expiry);
  const grant = { ...place, expires, policy: delivery.policy, overrides: input.redirect.overrides };
  return `${client.sourceUrl(place.container, place.blob)}?${readSas(client.account, credential.key, grant)}`;
}
