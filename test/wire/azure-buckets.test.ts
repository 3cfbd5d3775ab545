import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import t from 'tap';
import { resolveAccount } from '../../src/store/azure/account.ts';
import { serve } from '../../src/store/serve.ts';
import { clientOf } from '../contract/suite/client.ts';
import { azureStandIn, type SeenByAzure } from '../support/azure-stand-in.ts';
import { AZURITE_ACCOUNT, AZURITE_KEY, azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const sdk = BlobServiceClient.fromConnectionString(azurite.connectionString);

/** A page of a listing. @param entries names; one that ends in `*` is a folder of a hierarchical account */
function page(entries: readonly string[], marker = ''): string {
  const blobs = entries.map((name) => {
    const type = name.endsWith('*') ? '<ResourceType>directory</ResourceType>' : '';
    return `<Blob><Name>${name.replace('*', '')}</Name><Properties><Last-Modified>Fri, 20 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x8D1</Etag>${type}<Content-Length>0</Content-Length></Properties></Blob>`;
  });
  return `<EnumerationResults><Blobs>${blobs.join('')}</Blobs><NextMarker>${marker}</NextMarker></EnumerationResults>`;
}

/** An account whose container lists so, page by page. */
function listing(pages: readonly string[], { isHierarchical = false } = {}) {
  return ({ method, target }: SeenByAzure) => {
    if (target.includes('comp=properties')) {
      return { status: 200, headers: { 'x-ms-is-hns-enabled': String(isHierarchical) } };
    }
    if (method === 'DELETE') return { status: 202 };
    const at = Number(/[?&]marker=m(\d+)/.exec(target)?.[1] ?? 0);
    return { status: 200, body: pages[at] ?? '' };
  };
}

t.test('a bucket is empty when every page of it is, not when the first one is', async (t) => {
  const full = await azureStandIn(t, listing([page([], 'm1'), page(['.sluice/staging/x'], 'm2'), page(['a'])]));
  await t.rejects(full.store.deleteBucket('bucket'), { code: 'BucketNotEmpty' });
  t.notOk(full.seen.some(({ method }) => method === 'DELETE'));
  const empty = await azureStandIn(t, listing([page([], 'm1'), page(['.sluice/staging/x'], 'm2'), page([])]));
  await empty.store.deleteBucket('bucket');
  t.equal(empty.seen.at(-1)?.what, 'DELETE /bucket');
});

t.test('folders that a hierarchical account keeps do not fill a bucket, files in them do', async (t) => {
  const isHierarchical = true;
  const empty = await azureStandIn(t, listing([page(['.sluice*', 'dir*', 'dir/sub*'])], { isHierarchical }));
  await empty.store.deleteBucket('bucket');
  t.equal(empty.seen.at(-1)?.what, 'DELETE /bucket');
  const full = await azureStandIn(t, listing([page(['dir*', 'dir/file'])], { isHierarchical }));
  await t.rejects(full.store.deleteBucket('bucket'), { code: 'BucketNotEmpty' });
  t.notOk(
    full.seen.some(({ target }) => target.includes('delimiter')),
    'as a folder would stand for what is in it',
  );
});

t.test(
  'a bucket is there for who may neither look at it nor list it, if anything in it could be asked for',
  async (t) => {
    const account = (answer: { readonly status: number; readonly code: string }) =>
      azureStandIn(t, ({ what }) =>
        what.startsWith('HEAD /bucket/') ? answer : { status: 403, code: 'AuthorizationPermissionMismatch' },
      );
    t.match(await (await account({ status: 404, code: 'BlobNotFound' })).store.headBucket('bucket'), {
      name: 'bucket',
    });
    const missing = await account({ status: 404, code: 'ContainerNotFound' });
    await t.rejects(missing.store.headBucket('bucket'), { code: 'NoSuchBucket' });
    const closed = await account({ status: 403, code: 'AuthorizationFailure' });
    await t.rejects(closed.store.headBucket('bucket'), { code: 'AccessDenied' });
  },
);

t.test('a SAS that may read alone finds its bucket, and nothing to list', async (t) => {
  await sdk.createContainer('readable');
  const sas = generateBlobSASQueryParameters(
    {
      containerName: 'readable',
      permissions: ContainerSASPermissions.parse('rw'),
      expiresOn: new Date(Date.now() + 600_000),
    },
    new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY),
  ).toString();
  const settings = { protocol: 'http', endpoint: azurite.endpoint, account: AZURITE_ACCOUNT } as const;
  const call = clientOf(serve(testAzureStore(t, resolveAccount({ ...settings, sas })).store));
  t.equal((await call({ method: 'HEAD', bucket: 'readable' })).status, 200);
  t.equal((await call({ method: 'GET', bucket: 'readable' })).code, 'AccessDenied');
  t.equal((await call({ method: 'HEAD', bucket: 'another' })).status, 403);
});

t.test('no ACL that a client sets touches the stored access policies of a container', async (t) => {
  const container = sdk.getContainerClient('policies');
  await container.create();
  const accessPolicy = { permissions: 'r', startsOn: new Date(0), expiresOn: new Date(4e12) };
  await container.setAccessPolicy(undefined, [{ id: 'download', accessPolicy }]);
  const call = clientOf(serve(testAzureStore(t, azuriteAccount(azurite)).store));
  const put = (acl: string) => call({ method: 'PUT', bucket: 'policies', query: 'acl', headers: { 'x-amz-acl': acl } });
  t.equal((await put('private')).status, 200);
  t.equal((await put('public-read')).code, 'NotImplemented');
  const object = { method: 'PUT', bucket: 'policies', key: 'k', body: 'x', headers: { 'x-amz-acl': 'public-read' } };
  t.equal((await call(object)).code, 'NotImplemented');
  const { signedIdentifiers, blobPublicAccess } = await container.getAccessPolicy();
  t.match(signedIdentifiers, [{ id: 'download', accessPolicy: { permissions: 'r' } }]);
  t.equal(blobPublicAccess, undefined);
});
