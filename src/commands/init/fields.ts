import { VENDORS, type Vendor } from '../../upstream/vendors.ts';

/** What is asked for, by the name of its option. */
export const OPTIONS = {
  provider: { flag: '--provider', text: 'Provider' },
  name: { flag: '--name', text: 'Name of the storage in this file' },
  endpoint: { flag: '--endpoint', text: 'Endpoint, host[:port]' },
  protocol: { flag: '--protocol', text: 'Protocol, http or https' },
  region: { flag: '--region', text: 'Region' },
  addressing: { flag: '--addressing', text: 'Addressing: virtual, path or domain' },
  accessKey: { flag: '--access-key', text: 'Access key' },
  secretKey: { flag: '--secret-key', text: 'Secret key', isSecret: true },
  account: { flag: '--account', text: 'Storage account' },
  accountKey: { flag: '--account-key', text: 'Account key (empty: a SAS instead)', isSecret: true },
  sas: { flag: '--sas', text: 'Shared access signature', isSecret: true },
  connectionString: {
    flag: '--connection-string',
    text: 'Connection string (empty: account and key)',
    isSecret: true,
  },
  path: { flag: '--path', text: 'Folder' },
  bucket: { flag: '--bucket', text: 'Bucket (empty: any)' },
  prefix: { flag: '--prefix', text: 'Storage path prefix (empty: none)' },
  default: { flag: '--default', text: 'Use it for buckets that nothing else names (yes or no)' },
  clientAccessKey: { flag: '--client-access-key', text: 'Access key for clients (empty: a new one)' },
  clientSecretKey: { flag: '--client-secret-key', text: 'Secret key for clients (empty: a new one)', isSecret: true },
} as const satisfies Readonly<
  Record<string, { readonly flag: string; readonly text: string; readonly isSecret?: true }>
>;

export type OptionName = keyof typeof OPTIONS;

/** What was answered, in words. A value may be a reference, `${NAME}` or `${file:PATH}`. */
export type Answers = { readonly [Name in OptionName]?: string | undefined };

/** One question, and where its answer goes in the storage's entry: its own name, unless it is a key for clients. */
export interface Field {
  readonly name: OptionName;
  /** Taken when nothing is answered. */
  readonly fallback?: string;
  /** All that may be answered, where the configuration does not check it. */
  readonly choices?: readonly string[];
  /** Only asked, and only missed, when this says so. */
  readonly isWanted?: (answers: Answers) => boolean;
  /** Asked only when the configuration cannot do without it, as its check then says. */
  readonly isRare?: true;
  readonly isRequired?: true;
}

const COMMON: readonly Field[] = [
  { name: 'bucket' },
  { name: 'prefix' },
  { name: 'default', fallback: 'yes', choices: ['yes', 'no'] },
  { name: 'clientAccessKey' },
  { name: 'clientSecretKey', isWanted: ({ clientAccessKey }) => clientAccessKey !== undefined, isRequired: true },
];

const SERVICE: readonly Field[] = [
  { name: 'endpoint', isRequired: true },
  { name: 'protocol', fallback: 'https' },
  { name: 'region', isRare: true },
  { name: 'addressing', isRare: true },
  { name: 'accessKey', isRequired: true },
  { name: 'secretKey', isRequired: true },
];

const hasNoConnectionString = ({ connectionString }: Answers): boolean => connectionString === undefined;

/** Providers that are no row of the table of S3 services. */
const OTHERS: Readonly<Record<string, readonly Field[]>> = {
  azure: [
    { name: 'connectionString' },
    { name: 'account', isWanted: hasNoConnectionString, isRequired: true },
    { name: 'accountKey', isWanted: (given) => hasNoConnectionString(given) && given.sas === undefined },
    {
      name: 'sas',
      isWanted: (given) => hasNoConnectionString(given) && given.accountKey === undefined,
      isRequired: true,
    },
    { name: 'endpoint', isWanted: hasNoConnectionString },
    { name: 'protocol', isWanted: hasNoConnectionString, fallback: 'https' },
  ],
  filesystem: [{ name: 'path', fallback: './sluice-data' }],
};

/** Every provider that a configuration may name. */
export const PROVIDERS: readonly string[] = [...Object.keys(VENDORS), ...Object.keys(OTHERS)];

/** The questions to ask for a provider, in order; none for one that there is not. */
export function fieldsOf(provider: string): readonly Field[] {
  if (!PROVIDERS.includes(provider)) return [];
  return [{ name: 'name', fallback: provider, isRare: true }, ...(OTHERS[provider] ?? SERVICE), ...COMMON];
}

/** An endpoint of the provider, as an example; undefined where everybody has one of their own. */
export function exampleEndpoint(provider: string): string | undefined {
  if (!Object.hasOwn(VENDORS, provider)) return undefined;
  // Just looked at.
  const row = VENDORS[provider as Vendor];
  const found = row.hosts.find(({ host, use }) => use === undefined && !/accelerate|internal/.test(host));
  return found?.host.replaceAll('{region}', row.region).replaceAll('{account}', 'ACCOUNT');
}
