import type { Origin } from '../../http/transport.ts';

/** How requests to an account are authorised. */
export type AzureCredential =
  | ConfiguredCredential
  /** Asked before each request; keeps and renews its token itself. */
  | { readonly kind: 'bearer'; readonly token: () => Promise<string> };

/** What a configuration can hold. */
type ConfiguredCredential =
  | { readonly kind: 'shared-key'; readonly key: Buffer }
  /** A token as Azure made it, without `?`; it is sent byte for byte. */
  | { readonly kind: 'sas'; readonly token: string };

/** A storage account: where it is and who we are there. */
export interface AzureAccount {
  readonly name: string;
  readonly origin: Origin;
  /** Goes before every path: '' where the account is part of the host name, else `/ACCOUNT`. */
  readonly basePath: string;
  readonly credential: AzureCredential;
}

/** What a configuration says of an account. */
export interface AccountSettings {
  readonly protocol: 'http' | 'https';
  /** host[:port], or host:port/account; `ACCOUNT.blob.core.windows.net` unless given. */
  readonly endpoint?: string | undefined;
  readonly account?: string | undefined;
  /** Base64. */
  readonly accountKey?: string | undefined;
  readonly sas?: string | undefined;
  /** As the portal shows it. What is given beside it goes before what it says. */
  readonly connectionString?: string | undefined;
}

/** One thing wrong with an account's settings, and which one. */
export interface AccountFault {
  readonly setting: 'account' | 'accountKey' | 'connectionString' | 'endpoint';
  readonly message: string;
}

const ACCOUNT = /^[a-z0-9]{3,24}$/;
const KEY = /^[A-Za-z0-9+/_-]{4,}={0,2}$/;
const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** Settings that no account can be made of, each with the remedy; none when one can. */
export function accountFaults(settings: AccountSettings): AccountFault[] {
  const read = readSettings(settings);
  if (read === undefined) {
    return [{ setting: 'connectionString', message: 'must be NAME=VALUE pairs with ; between them' }];
  }
  const faults: AccountFault[] = [];
  const hasKey = read.accountKey !== undefined;
  if (hasKey === (read.sas !== undefined)) {
    const message = hasKey ? 'is given together with sas: use one of them' : 'is missing: give it, or sas';
    faults.push({ setting: 'accountKey', message });
  }
  if (read.accountKey !== undefined && !KEY.test(read.accountKey)) {
    faults.push({ setting: 'accountKey', message: 'is not base64' });
  }
  if (read.account === undefined) faults.push({ setting: 'account', message: 'is missing' });
  else if (!ACCOUNT.test(read.account)) {
    faults.push({ setting: 'account', message: 'must be 3 to 24 lower-case letters and digits' });
  }
  return faults;
}

/** Makes an account of its settings. @throws Error where `accountFaults` finds one */
export function resolveAccount(
  settings: AccountSettings,
): AzureAccount & { readonly credential: ConfiguredCredential } {
  const [fault] = accountFaults(settings);
  const read = readSettings(settings);
  if (fault !== undefined || read?.account === undefined) throw new Error(`${fault?.setting} ${fault?.message}`);
  const { account, protocol } = read;
  const endpoint = read.endpoint ?? `${account}.blob.${read.suffix ?? 'core.windows.net'}`;
  const [, host = endpoint, port, path = ''] = /^(.*?)(?::(\d+))?(\/[^/]+)?\/?$/.exec(endpoint) ?? [];
  return {
    name: account,
    origin: { protocol, host: host.toLowerCase(), port: port === undefined ? DEFAULT_PORT[protocol] : Number(port) },
    basePath: path,
    credential:
      read.accountKey === undefined
        ? { kind: 'sas', token: (read.sas ?? '').replace(/^\?/, '') }
        : { kind: 'shared-key', key: Buffer.from(read.accountKey, 'base64') },
  };
}

interface ReadSettings extends Omit<AccountSettings, 'connectionString'> {
  readonly suffix?: string | undefined;
}

/** https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string */
function readSettings(settings: AccountSettings): ReadSettings | undefined {
  const { connectionString, ...given } = settings;
  if (connectionString === undefined) return withAccount(given);
  const pairs = new Map<string, string>();
  for (const pair of connectionString.split(';')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 1) return undefined;
    pairs.set(pair.slice(0, equals).trim().toLowerCase(), pair.slice(equals + 1).trim());
  }
  const url = /^(https?):\/\/(.+?)\/?$/.exec(pairs.get('blobendpoint') ?? '');
  const protocol = url?.[1] ?? pairs.get('defaultendpointsprotocol');
  return withAccount({
    protocol: protocol === 'http' || protocol === 'https' ? protocol : given.protocol,
    endpoint: given.endpoint ?? url?.[2],
    account: given.account ?? pairs.get('accountname'),
    accountKey: given.accountKey ?? pairs.get('accountkey'),
    sas: given.sas ?? pairs.get('sharedaccesssignature'),
    suffix: pairs.get('endpointsuffix'),
  });
}

/** An endpoint tells the account: as its path, or as the first label of its host. */
function withAccount(settings: ReadSettings): ReadSettings {
  if (settings.account !== undefined || settings.endpoint === undefined) return settings;
  const inPath = /\/([^/]+)\/?$/.exec(settings.endpoint)?.[1];
  const inHost = /^([a-z0-9]+)(?:-secondary)?\.blob\./i.exec(settings.endpoint)?.[1];
  return { ...settings, account: inPath ?? inHost };
}
