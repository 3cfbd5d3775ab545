import { BlobSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob';
import t from 'tap';
import { type AzureAccount, resolveAccount } from '../../../../src/store/azure/account.ts';
import { deliveryFaults } from '../../../../src/store/azure/delivery.ts';
import { canOverride, readSas } from '../../../../src/store/azure/sas.ts';

const KEY = Buffer.from('a key of no value').toString('base64');
const expires = new Date('2026-11-20T15:00:00Z');

function accountOf(protocol: 'http' | 'https'): AzureAccount & { readonly key: Buffer } {
  const account = resolveAccount({ protocol, account: 'example', accountKey: KEY });
  return { ...account, key: Buffer.from(KEY, 'base64') };
}

t.test('a SAS to read one blob is what Azure’s SDK makes of the same', async (t) => {
  const oracle = new StorageSharedKeyCredential('example', KEY);
  const version = '2022-11-02';
  const blobs = ['plain', 'a b/ü%+&=?#.txt', 'C:%5Cx', '/lead//twice', '\u{1F600}'];
  const overrides = {
    'cache-control': 'no-cache',
    'content-disposition': 'attachment; filename="a +&%.txt"',
    'content-encoding': 'gzip',
    'content-language': 'de',
    'content-type': 'text/plain; charset=utf-8',
  };
  for (const blob of blobs) {
    const place = { containerName: 'c', blobName: blob, version, expiresOn: expires };
    const https = readSas(accountOf('https'), accountOf('https').key, {
      ...{ container: 'c', blob, expires, policy: undefined },
      overrides: new Map(Object.entries(overrides)),
    });
    const full = generateBlobSASQueryParameters(
      {
        ...place,
        permissions: BlobSASPermissions.parse('r'),
        // The SDK's name for https alone.
        protocol: 'https' as never,
        cacheControl: 'no-cache',
        contentDisposition: 'attachment; filename="a +&%.txt"',
        contentEncoding: 'gzip',
        contentLanguage: 'de',
        contentType: 'text/plain; charset=utf-8',
      },
      oracle,
    );
    t.same(sorted(https), sorted(full.toString()), blob);
    const byPolicy = readSas(accountOf('http'), accountOf('http').key, {
      ...{ container: 'c', blob, expires, policy: 'readers', overrides: new Map() },
    });
    const named = generateBlobSASQueryParameters({ ...place, identifier: 'readers' }, oracle);
    t.same(sorted(byPolicy), sorted(named.toString()), 'what a policy says is not said twice');
  }
});

t.test('headers that a SAS has no word for cannot be overridden', async (t) => {
  t.ok(canOverride(new Map([['content-type', 'a/b']])));
  t.notOk(canOverride(new Map([['content-disposition', 'Å¼']])));
  t.notOk(canOverride(new Map([['expires', 'Thu, 01 Dec 2033 16:00:00 GMT']])));
});

t.test('a redirect needs the account key: a SAS is not for clients', async (t) => {
  const named = { protocol: 'https', account: 'example' } as const;
  t.same(deliveryFaults({ ...named, accountKey: KEY }), []);
  t.match(deliveryFaults({ ...named, sas: 'sv=2022-11-02&sig=x' }), [{ setting: 'delivery', message: /accountKey/ }]);
  const connectionString = 'BlobEndpoint=https://example.blob.core.windows.net;SharedAccessSignature=sv=2022&sig=x';
  t.match(deliveryFaults({ protocol: 'https', connectionString }), [{ setting: 'delivery' }]);
  t.same(deliveryFaults(named), [], 'what else is wrong is said elsewhere');
});

/** Their order is nobody's business: the signature does not depend on it. */
function sorted(query: string): string[] {
  return query.split('&').map(decodeURIComponent).sort();
}
