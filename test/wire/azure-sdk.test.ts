import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import {
  BlobServiceClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import t from 'tap';
import { createChecksum } from '../../src/s3/checksum.ts';
import { childText } from '../../src/s3/xml.ts';
import { resolveAccount } from '../../src/store/azure/account.ts';
import { sharedKeyAuthorization } from '../../src/store/azure/shared-key.ts';
import { serve } from '../../src/store/serve.ts';
import { clientOf, document, listPage, md5 } from '../contract/suite/client.ts';
import { AZURITE_ACCOUNT, AZURITE_KEY, azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';
import { generatedBytes } from '../support/generated.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const sdk = BlobServiceClient.fromConnectionString(azurite.connectionString);
const call = clientOf(serve(testAzureStore(t, azuriteAccount(azurite)).store));
const bucket = 'both';
await call({ method: 'PUT', bucket });
const container = sdk.getContainerClient(bucket);

t.test('SharedKey signatures are those of Azure’s SDK', async (t) => {
  const seen: { method: string; url: string; headers: Map<string, string>; length: number }[] = [];
  const server = createServer((request, response) => {
    const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    seen.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers,
      length: Number(headers.get('content-length') ?? 0),
    });
    request
      .resume()
      .on('end', () => response.writeHead(201, { etag: '"1"', 'last-modified': new Date().toUTCString() }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  // Listening on TCP gives an AddressInfo.
  const { port } = server.address() as AddressInfo;
  const key = new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY);
  const client = new BlobServiceClient(`http://127.0.0.1:${port}/${AZURITE_ACCOUNT}`, key).getContainerClient('c');
  const blob = client.getBlockBlobClient('a b/ü%+&=.txt');
  const metadata = { a: '1', ab: '2', a1: '3', z9: '4', b: 'x y' };
  const conditions = {
    ifMatch: '"x"',
    ifNoneMatch: '*',
    ifModifiedSince: new Date(0),
    ifUnmodifiedSince: new Date(1e12),
  };
  const id = Buffer.from('a/+b').toString('base64');
  const blobHTTPHeaders = { blobContentType: 'a/b' };
  const calls = [
    () => blob.upload('hello', 5, { metadata, tags: { t: '1', 'u v': '+' }, tier: 'Cool', blobHTTPHeaders }),
    () => blob.upload('', 0, { conditions }),
    () => blob.stageBlock(id, 'xyz', 3),
    () => blob.commitBlockList([id], { metadata }),
    () => blob.setMetadata(metadata),
    () => blob.delete(),
    () => client.create({ metadata }),
  ];
  // What they make of the answer does not matter.
  for (const send of calls) await send().catch(() => undefined);
  t.equal(seen.length, calls.length);
  for (const { method, url, headers, length } of seen) {
    const [path = '', text = ''] = url.split('?');
    const query =
      text === '' ? [] : text.split('&').map((pair) => pair.split('=').map(decodeURIComponent) as [string, string]);
    const request = { method, path, query, headers, contentLength: length };
    const ours = sharedKeyAuthorization(AZURITE_ACCOUNT, Buffer.from(AZURITE_KEY, 'base64'), request);
    t.equal(ours, headers.get('authorization'), `${method} ${url}`);
  }
});

t.test('what Sluice wrote, Azure’s tools read', async (t) => {
  const body = generatedBytes(300_000, 1);
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'max-age=5',
    'content-disposition': 'inline',
    expires: 'Thu, 01 Dec 2033 16:00:00 GMT',
    'x-amz-meta-plain': 'value',
    'x-amz-meta-with-hyphen': 'grüße',
    'x-amz-tagging': 'team=a%20b',
    'x-amz-storage-class': 'STANDARD_IA',
  };
  await call({
    method: 'PUT',
    bucket,
    key: 'dir/ü.txt',
    body: Readable.from([body]),
    bodyLength: body.byteLength,
    headers,
  });
  const blob = container.getBlobClient('dir/ü.txt');
  t.ok((await blob.downloadToBuffer()).equals(body));
  const found = await blob.getProperties();
  t.match(found, {
    contentType: 'text/plain; charset=utf-8',
    cacheControl: 'max-age=5',
    contentDisposition: 'inline',
    accessTier: 'Cool',
    tagCount: 1,
    blobType: 'BlockBlob',
  });
  t.equal(Buffer.from(found.contentMD5 ?? []).toString('hex'), md5(body));
  t.equal(found.metadata?.plain, 'value');
  t.same(Object.keys(found.metadata ?? {}).sort(), ['plain', 'sluice']);
  t.same((await blob.getTags()).tags, { team: 'a b' });
});

t.test('what Azure’s tools wrote, Sluice reads: one ETag in list, head and get, and conditions on it', async (t) => {
  const body = generatedBytes(50_000, 2);
  await container.getBlockBlobClient('single').uploadData(body, {
    metadata: { Mixed_Case: 'kept', plain: 'x' },
    blobHTTPHeaders: { blobContentType: 'image/png', blobContentEncoding: 'gzip' },
    tags: { one: '1', two: '2' },
  });
  const blocks = container.getBlockBlobClient('blocks');
  const ids = ['000', '001'].map((id) => Buffer.from(id).toString('base64'));
  for (const id of ids) await blocks.stageBlock(id, body, body.byteLength);
  await blocks.commitBlockList(ids);
  await container.getAppendBlobClient('appended').create();
  await container.getAppendBlobClient('appended').appendBlock('log', 3);
  for (const [key, etag] of [
    ['single', `"${md5(body)}"`],
    ['blocks', /^"[0-9a-f]{32}-1"$/],
    ['appended', /^"[0-9a-f]{32}-1"$/],
  ] as const) {
    const head = await call({ method: 'HEAD', bucket, key });
    const shown = head.headers.get('etag') ?? '';
    t.match(shown, etag);
    t.equal((await call({ method: 'GET', bucket, key })).headers.get('etag'), shown, 'GET');
    const { root } = await listPage(call, bucket, { prefix: key });
    t.equal(childText(root.children.find(({ name }) => name === 'Contents') ?? root, 'ETag'), shown, 'list');
    const conditional = (name: string) => call({ method: 'GET', bucket, key, headers: { [name]: shown } });
    t.equal((await conditional('if-match')).status, 200);
    t.equal((await conditional('if-none-match')).status, 304);
    const copied = await call({
      method: 'PUT',
      bucket,
      key: `copy of ${key}`,
      headers: { 'x-amz-copy-source': `${bucket}/${key}` },
    });
    const copy = await call({ method: 'HEAD', bucket, key: `copy of ${key}` });
    t.equal(childText(document(copied), 'ETag'), copy.headers.get('etag'));
  }
  const { headers } = await call({ method: 'GET', bucket, key: 'single' });
  t.match(Object.fromEntries(headers), {
    'content-type': 'image/png',
    'content-encoding': 'gzip',
    'x-amz-meta-mixed_case': 'kept',
    'x-amz-meta-plain': 'x',
    'x-amz-tagging-count': '2',
  });
  const copied = await call({ method: 'HEAD', bucket, key: 'copy of single' });
  t.same(
    ['x-amz-meta-mixed_case', 'x-amz-tagging-count', 'content-type'].map((name) => copied.headers.get(name)),
    ['kept', '2', 'image/png'],
    'the copy has it all',
  );
  t.same((await container.getBlobClient('copy of single').getTags()).tags, { one: '1', two: '2' });
  const over = await call({ method: 'PUT', bucket, key: 'appended', body: 'x' });
  t.ok(over.status === 200 || over.code === 'OperationAborted', `${over.status} ${over.code}`);
});

t.test('an object that other tools overwrote is no longer what its record says', async (t) => {
  const begun = await call({
    method: 'POST',
    bucket,
    key: 'mixed',
    query: 'uploads',
    headers: { 'x-amz-checksum-algorithm': 'CRC32' },
  });
  const uploadId = childText(document(begun), 'UploadId') ?? '';
  const part = await call({
    method: 'PUT',
    bucket,
    key: 'mixed',
    query: `partNumber=1&uploadId=${uploadId}`,
    body: 'part',
  });
  const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`;
  t.equal(
    (await call({ method: 'POST', bucket, key: 'mixed', query: `uploadId=${uploadId}`, body: list })).status,
    200,
  );
  const mode = { 'x-amz-checksum-mode': 'ENABLED' };
  const before = await call({ method: 'HEAD', bucket, key: 'mixed', headers: mode });
  t.match(before.headers.get('etag'), /-1"$/);
  t.ok(before.headers.has('x-amz-checksum-crc32'));
  const blob = container.getBlockBlobClient('mixed');
  const { metadata = {} } = await blob.getProperties();
  await blob.upload('trap', 4, { metadata });
  const after = await call({ method: 'HEAD', bucket, key: 'mixed', headers: mode });
  t.equal(after.headers.get('etag'), `"${md5(Buffer.from('trap'))}"`, 'of the same length, and the record came along');
  t.notOk(after.headers.has('x-amz-checksum-crc32'));
});

t.test('the checksum of a streamed body, known when it has ended, is kept with the object', async (t) => {
  const body = generatedBytes(400_000, 4);
  const sum = createChecksum('SHA256');
  sum.update(body);
  const checksum = { algorithm: 'SHA256', value: sum.digest() } as const;
  const headers = { 'x-amz-meta-with-hyphen': 'x', 'x-amz-tagging': 'a=1', 'content-type': 'a/b' };
  const stream = { body: Readable.from([body]), bodyLength: body.byteLength };
  const put = await call({ method: 'PUT', bucket, key: 'summed', ...stream, headers, checksum });
  t.equal(put.headers.get('etag'), `"${md5(body)}"`);
  const mode = { 'x-amz-checksum-mode': 'ENABLED' };
  for (const key of ['summed', 'copy of summed']) {
    const { headers: found } = await call({ method: 'HEAD', bucket, key, headers: mode });
    t.match(Object.fromEntries(found), {
      etag: `"${md5(body)}"`,
      'x-amz-checksum-sha256': checksum.value,
      'x-amz-meta-with-hyphen': 'x',
      'x-amz-tagging-count': '1',
      'content-type': 'a/b',
    });
    if (key === 'summed') {
      const copy = { 'x-amz-copy-source': `${bucket}/summed` };
      t.equal((await call({ method: 'PUT', bucket, key: 'copy of summed', headers: copy })).status, 200);
    }
  }
});

t.test('snapshots go with their blob', async (t) => {
  await call({ method: 'PUT', bucket, key: 'snapped', body: 'x' });
  await container.getBlobClient('snapped').createSnapshot();
  t.equal((await call({ method: 'DELETE', bucket, key: 'snapped' })).status, 204);
  t.equal(await container.getBlobClient('snapped').exists(), false);
});

t.test('a SAS of one container lets in to that container', async (t) => {
  const key = new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY);
  const expiresOn = new Date(Date.now() + 3600_000);
  const token = (permissions: string, expires = expiresOn) =>
    generateBlobSASQueryParameters(
      {
        containerName: bucket,
        permissions: ContainerSASPermissions.parse(permissions),
        expiresOn: expires,
        version: '2022-11-02',
      },
      key,
    ).toString();
  const settings = { protocol: 'http', endpoint: azurite.endpoint, account: AZURITE_ACCOUNT } as const;
  const store = testAzureStore(t, resolveAccount({ ...settings, sas: `?${token('racwdlt')}` })).store;
  const ask = clientOf(serve(store));
  t.equal((await ask({ method: 'HEAD', bucket })).status, 200);
  t.equal(
    (await ask({ method: 'PUT', bucket, key: 'by sas +', body: 'x', headers: { 'x-amz-tagging': 'a=1' } })).status,
    200,
  );
  const copied = { 'x-amz-copy-source': `${bucket}/by%20sas%20%2B` };
  t.equal((await ask({ method: 'PUT', bucket, key: 'copied by sas', headers: copied })).status, 200);
  t.equal((await ask({ method: 'GET', bucket, key: 'copied by sas' })).bytes.toString(), 'x');
  t.ok((await listPage(ask, bucket, { prefix: 'by sas' })).keys.length === 1);
  t.equal((await ask({ method: 'PUT', bucket: 'another' })).code, 'AccessDenied');
  const reader = clientOf(serve(testAzureStore(t, resolveAccount({ ...settings, sas: token('r') })).store));
  t.equal((await reader({ method: 'GET', bucket, key: 'by sas +' })).bytes.toString(), 'x');
  t.equal((await reader({ method: 'PUT', bucket, key: 'no', body: 'x' })).code, 'AccessDenied');
  const expired = resolveAccount({ ...settings, sas: token('racwdlt', new Date(Date.now() - 1000)) });
  t.equal(
    (await clientOf(serve(testAzureStore(t, expired).store))({ method: 'GET', bucket, key: 'by sas +' })).code,
    'AccessDenied',
  );
});

t.test('a wrong account key is AccessDenied, and says nothing of the account', async (t) => {
  const account = resolveAccount({
    protocol: 'http',
    endpoint: azurite.endpoint,
    account: AZURITE_ACCOUNT,
    accountKey: Buffer.from('wrong').toString('base64'),
  });
  const answer = await clientOf(serve(testAzureStore(t, account).store))({
    method: 'PUT',
    bucket,
    key: 'k',
    body: 'x',
  });
  t.same([answer.status, answer.code, answer.detail], [403, 'AccessDenied', {}]);
  t.equal(await container.getBlobClient('k').exists(), false);
});

t.test('a body of unknown length beyond what is held in memory goes in blocks', async (t) => {
  const body = generatedBytes(9_000_000, 7);
  const pieces = Array.from({ length: 90 }, (_, n) => body.subarray(n * 100_000, (n + 1) * 100_000));
  const written = await call({ method: 'PUT', bucket, key: 'unknown', body: Readable.from(pieces) });
  t.equal(written.headers.get('etag'), `"${md5(body)}"`);
  const read = await call({ method: 'GET', bucket, key: 'unknown' });
  t.ok(read.bytes.equals(body));
  t.equal(read.headers.get('etag'), `"${md5(body)}"`);
  const left: string[] = [];
  for await (const { name } of container.listBlobsFlat({ prefix: '.sluice/', includeUncommitedBlobs: true }))
    left.push(name);
  t.same(left, [], 'and leaves nothing behind');
});
