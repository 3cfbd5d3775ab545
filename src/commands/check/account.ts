import { pino } from 'pino';
import type { AzureStorageConfig } from '../../config/schema.ts';
import { createTransport } from '../../http/transport.ts';
import { transportOptions } from '../../storage.ts';
import { resolveAccount } from '../../store/azure/account.ts';
import { createAzureClient } from '../../store/azure/client.ts';
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

/** Asks an account what it is. What it does not tell is no failure: a SAS for less than an account is refused. */
export async function tryAccount(config: AzureStorageConfig, now: () => Date): Promise<AccountReport> {
  const transport = createTransport(transportOptions(config));
  try {
    const client = createAzureClient({
      ...{ account: resolveAccount(config), transport, now, retries: config.retries },
      log: pino({ level: 'silent' }),
    });
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
  } finally {
    await transport.close();
  }
}
