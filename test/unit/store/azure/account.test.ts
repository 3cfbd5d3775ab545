import t from 'tap';
import { accountFaults, resolveAccount } from '../../../../src/store/azure/account.ts';

const key = Buffer.from('key').toString('base64');
const settings = { protocol: 'https', account: 'acct', accountKey: key } as const;

t.test('where an account is', async (t) => {
  t.match(resolveAccount(settings), {
    name: 'acct',
    origin: { protocol: 'https', host: 'acct.blob.core.windows.net', port: 443 },
    basePath: '',
    credential: { kind: 'shared-key', key: Buffer.from('key') },
  });
  t.match(resolveAccount({ ...settings, protocol: 'http', endpoint: '127.0.0.1:10000/acct' }), {
    origin: { protocol: 'http', host: '127.0.0.1', port: 10000 },
    basePath: '/acct',
  });
  t.match(resolveAccount({ ...settings, endpoint: '[::1]:10000' }), {
    origin: { host: '[::1]', port: 10000 },
    basePath: '',
  });
  t.match(resolveAccount({ protocol: 'https', sas: '?sv=1&sig=x%3D', endpoint: 'acct.blob.core.chinacloudapi.cn' }), {
    name: 'acct',
    origin: { host: 'acct.blob.core.chinacloudapi.cn' },
    credential: { kind: 'sas', token: 'sv=1&sig=x%3D' },
  });
});

t.test('connection strings, as the portal and Azurite show them', async (t) => {
  const read = (connectionString: string) => resolveAccount({ protocol: 'https', connectionString });
  t.match(
    read(`DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=${key};EndpointSuffix=core.usgovcloudapi.net`),
    {
      name: 'acct',
      origin: { protocol: 'https', host: 'acct.blob.core.usgovcloudapi.net', port: 443 },
      credential: { kind: 'shared-key', key: Buffer.from('key') },
    },
  );
  t.match(read(`AccountName=acct;AccountKey=${key};BlobEndpoint=http://127.0.0.1:1/acct;`), {
    origin: { protocol: 'http', host: '127.0.0.1', port: 1 },
    basePath: '/acct',
  });
  t.match(read('BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x=='), {
    name: 'acct',
    credential: { kind: 'sas', token: 'sv=1&sig=x==' },
  });
});

t.test('what no account can be made of is told with its setting', async (t) => {
  const cases: readonly [Parameters<typeof accountFaults>[0], string[]][] = [
    [settings, []],
    [{ protocol: 'https' }, ['accountKey', 'account']],
    [{ ...settings, sas: 'x' }, ['accountKey']],
    [{ ...settings, accountKey: 'not base64!' }, ['accountKey']],
    [{ ...settings, account: 'Not-An-Account' }, ['account']],
    [{ protocol: 'https', connectionString: 'nonsense' }, ['connectionString']],
  ];
  for (const [given, faulty] of cases) {
    t.same(
      accountFaults(given).map(({ setting }) => setting),
      faulty,
    );
    if (faulty.length > 0) t.throws(() => resolveAccount(given));
  }
});
