import { pino } from 'pino';
import type { AzureStorageConfig } from '../../config/schema.ts';
import { createTransport } from '../../http/transport.ts';
import { transportOptions } from '../../storage.ts';
import { resolveAccount } from '../../store/azure/account.ts';
import { doesTellMd5 } from '../../store/azure/blocks.ts';
import { type AzureClient, createAzureClient } from '../../store/azure/client.ts';
import { newStagingName, removeStaged } from '../../store/azure/finishing.ts';
import { reasonOf } from './ask.ts';
import type { Finding } from './finding.ts';

/** What an account says of itself. */
export interface AccountReport {
  readonly findings: readonly Finding[];
  /** Its clock, as it told it. */
  readonly date: string | undefined;
}

/** What is not as in S3 where names are paths; docs/systems/azure.md says more. */
const HIERARCHICAL: readonly Finding[] = [
  {
    capability: 'order of listings',
    state: 'missing',
    note: 'a/x comes before a-b: aws s3 sync and rclone sync misjudge keys with characters below /',
  },
  { capability: 'keys a and a/b', state: 'missing', note: 'not both at once: the second is InvalidRequest' },
  {
    capability: 'keys with //, or / first',
    state: 'missing',
    note: 'refused as InvalidArgument: they would be other keys',
  },
  { capability: 'keys of more than 63 levels', state: 'missing', note: 'refused as KeyTooLongError' },
  { capability: 'folders', state: 'emulated', note: 'made and left behind by themselves; listings do not show them' },
  { capability: 'tags', state: 'emulated', note: 'kept in metadata, as there are no index tags' },
];

/**
 * Asks an account what it is, and of a container what uploads in parts get there. What it does not tell is no failure: a
 * SAS for less than an account is refused.
 */
export async function tryAccount(
  config: AzureStorageConfig,
  { bucket, now }: { readonly bucket: string | undefined; readonly now: () => Date },
): Promise<AccountReport> {
  const transport = createTransport(transportOptions(config));
  const client = createAzureClient({
    ...{ account: resolveAccount(config), transport, now, retries: config.retries },
    log: pino({ level: 'silent' }),
  });
  try {
    const account = await askAccount(client);
    const parts = bucket === undefined ? [] : [await tryBlock(client, bucket, now())];
    return { ...account, findings: [...account.findings, ...parts] };
  } finally {
    await transport.close();
  }
}

/** Whether parts cost no MD5 here (decision 0012). The block it is tried with is removed. */
async function tryBlock(client: AzureClient, container: string, now: Date): Promise<Finding> {
  const capability = 'MD5 of parts';
  const byUs = (why: string): Finding => ({ capability, state: 'emulated', note: `computed here: ${why}` });
  if (client.account.origin.protocol !== 'https') return byUs('the line is plain http');
  const blob = newStagingName(now.getTime());
  try {
    const isTold = await doesTellMd5(client, { container, blob });
    await removeStaged(client, container, blob);
    return isTold ? { capability, state: 'native', note: 'told by the account' } : byUs('the account does not tell it');
  } catch (error) {
    return byUs(reasonOf(error));
  }
}

async function askAccount(client: AzureClient): Promise<AccountReport> {
  try {
    const headers = await client.head({ method: 'HEAD', query: { restype: 'account', comp: 'properties' } });
    const isHierarchical = headers.get('x-ms-is-hns-enabled') === 'true';
    const kind = [headers.get('x-ms-account-kind'), headers.get('x-ms-sku-name')].filter((text) => text !== undefined);
    const namespace = `${isHierarchical ? 'hierarchical' : 'flat'} namespace`;
    const account: Finding = {
      capability: 'account',
      state: isHierarchical ? 'emulated' : 'native',
      note: [...kind, isHierarchical ? `${namespace}: use a flat account where you can` : namespace].join(', '),
    };
    return { findings: [account, ...(isHierarchical ? HIERARCHICAL : [])], date: headers.get('date') };
  } catch (error) {
    const note = `it does not tell what it is (${reasonOf(error)}), and is taken for one with a flat namespace`;
    return { findings: [{ capability: 'account', state: 'skipped', note }], date: undefined };
  }
}
