import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import t from 'tap';
import type { StorageReport } from '../../src/commands/check/finding.ts';
import { checkStorage } from '../../src/commands/check/storage.ts';
import { parseConfig } from '../../src/config/load.ts';
import { serve } from '../../src/store/serve.ts';
import { clientOf } from '../contract/suite/client.ts';
import { azureFront } from '../support/azure-front.ts';
import { azureConfig } from '../support/azure-gateway.ts';
import {
  AZURITE_ACCOUNT,
  AZURITE_KEY,
  type Azurite,
  azuriteAccount,
  startAzurite,
  testAzureStore,
} from '../support/azurite.ts';
import { selfSigned } from '../support/self-signed.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());
await BlobServiceClient.fromConnectionString(azurite.connectionString).createContainer('tried');

async function tried(account: Pick<Azurite, 'endpoint'>, change = (yaml: string) => yaml): Promise<StorageReport> {
  const yaml = change(azureConfig(account, ', bucket: tried, prefix: pre/'));
  const [storage] = parseConfig(yaml, 'test', { env: {}, readFile: () => '' }).storages;
  if (storage === undefined) throw new Error('no storage');
  return checkStorage(storage, { bucket: undefined, now: () => new Date() });
}

const found = ({ findings }: StorageReport, capability: string) =>
  findings.find((finding) => finding.capability === capability);

t.test('a flat account is usable, and says what it is and what its clock shows', async (t) => {
  const report = await tried(azurite);
  t.ok(report.isUsable, JSON.stringify(report));
  t.match(found(report, 'account'), { state: 'native', note: /Standard_\w+, flat namespace$/ });
  t.match(found(report, 'clock'), { state: 'native', note: 'as ours' });
  t.equal(found(report, 'order of listings'), undefined);
  t.equal(found(report, 'conditional write')?.state, 'native');
  t.match(found(report, 'MD5 of parts'), { state: 'emulated', note: 'computed here: the line is plain http' });
});

t.test('a hierarchical account is told with all that differs, and still is usable', async (t) => {
  const report = await tried(await azureFront(t, azurite, { isHierarchical: true }));
  t.ok(report.isUsable, JSON.stringify(report));
  t.match(found(report, 'account'), { state: 'emulated', note: /hierarchical namespace: use a flat account/ });
  t.equal(found(report, 'order of listings')?.state, 'missing');
  t.match(found(report, 'keys with //, or / first'), { state: 'missing', note: /InvalidArgument/ });
  t.equal(found(report, 'tags')?.state, 'emulated');
});

t.test('an account that does not tell, as to a SAS for one container, is no failure', async (t) => {
  const key = new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY);
  const permissions = ContainerSASPermissions.parse('racwdl');
  const scope = { containerName: 'tried', permissions, expiresOn: new Date(Date.now() + 600_000) };
  const sas = generateBlobSASQueryParameters(scope, key).toString();
  const report = await tried(azurite, (yaml) => yaml.replace(/accountKey: "[^"]*"/, `sas: "${sas}"`));
  t.ok(report.isUsable, JSON.stringify(report));
  t.match(found(report, 'account'), { state: 'skipped', note: /does not tell .*403.* flat namespace/ });
});

t.test('over HTTPS it tells whether the MD5 of parts costs anything here', async (t) => {
  const certificate = await selfSigned(t.testdir(), 'localhost');
  const over = (yaml: string) => yaml.replace('protocol: http', `protocol: https, ca: ${certificate.certFile}`);
  const told = await tried(await azureFront(t, azurite, { certificate, tellsMd5: true }), over);
  t.ok(told.isUsable, JSON.stringify(told));
  t.match(found(told, 'MD5 of parts'), { state: 'native', note: 'told by the account' });
  const silent = await azureFront(t, azurite, { certificate });
  t.match(found(await tried(silent, over), 'MD5 of parts'), { state: 'emulated', note: /does not tell/ });
  t.ok(
    silent.seen.some((line) => /^DELETE .*\.sluice\/staging/.test(line)),
    'and leaves nothing',
  );
});

t.test('keys that would be others on a hierarchical account are refused, however asked for', async (t) => {
  const account = await azureFront(t, azurite, { isHierarchical: true });
  const call = clientOf(serve(testAzureStore(t, azuriteAccount(account)).store));
  const place = { bucket: 'tried' };
  await call({ ...place, method: 'PUT', key: 'a/b', body: 'kept' });
  for (const key of ['a//b', '/a/b']) {
    const source = { 'x-amz-copy-source': `tried/${key}` };
    const answers = [
      await call({ ...place, method: 'PUT', key, body: 'x' }),
      await call({ ...place, method: 'GET', key }),
      await call({ ...place, method: 'DELETE', key }),
      await call({ ...place, method: 'GET', key, query: 'tagging' }),
      await call({ ...place, method: 'POST', key, query: 'uploads' }),
      await call({ ...place, method: 'PUT', key: 'c', headers: source }),
      await call({ ...place, method: 'PUT', key, headers: { 'x-amz-copy-source': 'tried/a/b' } }),
    ];
    for (const answer of answers) t.same([answer.status, answer.code], [400, 'InvalidArgument'], key);
  }
  const deep = await call({ ...place, method: 'PUT', key: 'd/'.repeat(63), body: 'x' });
  t.equal(deep.code, 'KeyTooLongError');
  t.equal((await call({ ...place, method: 'GET', key: 'a/b' })).bytes.toString(), 'kept');
  t.equal(account.seen.filter((line) => line.includes('restype=account')).length, 1, 'asked once');
  const flat = clientOf(serve(testAzureStore(t, azuriteAccount(azurite)).store));
  t.equal((await flat({ ...place, method: 'PUT', key: 'a//b', body: 'x' })).status, 200, 'fine on a flat one');
});

t.test('tags are kept in metadata on a hierarchical account', async (t) => {
  const account = await azureFront(t, azurite, { isHierarchical: true });
  const call = clientOf(serve(testAzureStore(t, azuriteAccount(account)).store));
  const put = { method: 'PUT', bucket: 'tried', key: 'tagged', body: 'x', headers: { 'x-amz-tagging': 'a=1' } };
  t.equal((await call(put)).status, 200);
  const read = await call({ method: 'GET', bucket: 'tried', key: 'tagged', query: 'tagging' });
  t.match(read.bytes.toString(), '<Key>a</Key><Value>1</Value>');
  t.notOk(account.seen.some((line) => line.includes('comp=tags')));
});
