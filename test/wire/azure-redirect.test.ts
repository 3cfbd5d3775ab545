import { createHmac } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import t, { type Test } from 'tap';
import { azureConfig } from '../support/azure-gateway.ts';
import { AZURITE_ACCOUNT, startAzurite } from '../support/azurite.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { md5Hex, type Presigning, wireClient } from '../support/wire-client.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient('real');
const large = generatedBytes(1024 * 1024, 1);
const KEY = 'a b/ü+%.bin';

const ENTRIES = `buckets:
  - { name: shown, storage: azure, bucket: real, prefix: "team ü/", anonymous: read }
  - { name: cached, storage: azure, bucket: real, prefix: "team ü/", cache: docker-registry }
  - { name: uncached, storage: azure, bucket: real, prefix: "team ü/", cache: "off" }
`;

async function gateway(t: Pick<Test, 'teardown'>, more: string): Promise<TestGateway> {
  const started = await startTestGateway(`${azureConfig(azurite, `, ${more}`)}${ENTRIES}`);
  t.teardown(() => started.close());
  return started;
}

const proxy = await gateway(t, 'delivery: proxy');
const redirect = await gateway(t, 'delivery: redirect, redirectFrom: 64KiB');
const everything = await gateway(t, 'delivery: redirect-all, redirectFrom: 64KiB, redirectExpiry: 1m');
const byPolicy = await gateway(t, 'delivery: redirect, redirectFrom: 64KiB, redirectPolicy: readers');
const client = wireClient(t, redirect);
await client.ask('PUT', 'uncached');
await client.ask('PUT', 'uncached', KEY, { body: large, headers: { 'content-type': 'a/b', 'x-amz-meta-who': 'me' } });
await client.ask('PUT', 'uncached', 'small', { body: Buffer.from('hello') });

/** The answer to a presigned URL, not followed. */
async function first(of: TestGateway, bucket: string, key: string, options: Presigning & { range?: string } = {}) {
  const { range, ...presigning } = options;
  const target = wireClient(t, of).presign('GET', bucket, key, presigning);
  const headers = { ...presigning.headers, ...(range !== undefined && { range }) };
  const answer = await fetch(of.url + target, { redirect: 'manual', headers });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
}

t.test('a large read by presigned URL is sent on, and fetch follows to the same bytes', async (t) => {
  const answer = await first(redirect, 'uncached', KEY);
  t.equal(answer.status, 307);
  t.equal(answer.bytes.byteLength, 0);
  t.notOk(answer.headers.has('etag'));
  const location = new URL(answer.headers.get('location') ?? '');
  t.equal(location.host, azurite.endpoint.split('/')[0]);
  const grant = Object.fromEntries(location.searchParams);
  t.match(grant, { sp: 'r', sr: 'b', sv: '2022-11-02' }, 'it may read this one blob');
  t.notOk(location.searchParams.has('st'), 'clocks differ');
  const left = Date.parse(grant.se ?? '') - Date.now();
  t.ok(left > 13 * 60_000 && left <= 15 * 60_000, 'and soon no more');
  const url = redirect.url + client.presign('GET', 'uncached', KEY);
  const followed = await fetch(url);
  t.equal(followed.status, 200);
  t.ok(followed.redirected);
  t.ok(Buffer.from(await followed.arrayBuffer()).equals(large));
  t.equal(followed.headers.get('content-type'), 'a/b');
  const part = await fetch(url, { headers: { range: 'bytes=1000-99999' } });
  t.equal(part.status, 206);
  t.ok(part.redirected);
  t.ok(Buffer.from(await part.arrayBuffer()).equals(large.subarray(1000, 100_000)));
  const anonymous = await fetch(`${redirect.url}/shown/${encodeURIComponent(KEY)}`);
  t.ok(anonymous.redirected, 'so is one that nobody signed');
  t.ok(Buffer.from(await anonymous.arrayBuffer()).equals(large));
});

t.test('any key is found behind a redirect, also one that Azure cannot hold as it is', async (t) => {
  for (const key of ['C:\\x', 'trail.', 'a//b/', 'a%5Cb?#&', '\u{1F600}']) {
    await client.ask('PUT', 'uncached', key, { body: large });
    const followed = await fetch(redirect.url + client.presign('GET', 'uncached', key));
    t.ok(followed.redirected, key);
    t.ok(Buffer.from(await followed.arrayBuffer()).equals(large), key);
  }
});

t.test('response-* parameters go along, and one that Azure has no word for keeps the read here', async (t) => {
  const query = new URLSearchParams({
    'response-content-type': 'text/plain; charset=utf-8',
    'response-content-disposition': 'attachment; filename="a +&.txt"',
    'response-cache-control': 'no-store',
    'response-content-language': 'pl',
  });
  const encoded = query.toString().replaceAll('+', '%20');
  const followed = await fetch(redirect.url + client.presign('GET', 'uncached', KEY, { query: encoded }));
  t.ok(followed.redirected);
  t.equal(followed.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.equal(followed.headers.get('cache-control'), 'no-store');
  t.equal(followed.headers.get('content-language'), 'pl');
  t.equal(followed.headers.get('content-disposition'), 'attachment; filename="a +&.txt"');
  const queries = ['response-expires=Thu%2C%2001%20Dec%202033', 'response-content-disposition=%C5%BC'];
  for (const query of queries) t.equal((await first(redirect, 'uncached', KEY, { query })).status, 200);
});

t.test('what is small, or would mean something else to Azure, is read here', async (t) => {
  t.equal((await first(redirect, 'uncached', 'small')).bytes.toString(), 'hello');
  const cases: [Presigning & { range?: string }, number][] = [
    [{ range: 'bytes=0-99' }, 206],
    [{ range: 'bytes=-100000' }, 206],
    [{ range: 'bytes=0-1,5-6' }, 200],
    [{ range: 'bytes=9-3' }, 200],
    [{ query: 'partNumber=1' }, 206],
    [{ headers: { 'if-match': `"${md5Hex(large)}"` } }, 200],
  ];
  for (const [options, status] of cases) {
    const answer = await first(redirect, 'uncached', KEY, options);
    t.equal(answer.status, status, JSON.stringify(options));
    t.equal(answer.headers.get('etag'), `"${md5Hex(large)}"`);
  }
  const head = await client.ask('HEAD', 'uncached', KEY);
  t.equal(head.status, 200, 'and HEAD always');
});

t.test('conditions, ranges, signatures and rights are judged before', async (t) => {
  const etag = `"${md5Hex(large)}"`;
  t.equal((await first(redirect, 'uncached', KEY, { headers: { 'if-none-match': etag } })).status, 304);
  t.equal((await first(redirect, 'uncached', KEY, { headers: { 'if-match': '"0"' } })).status, 412);
  t.equal((await first(redirect, 'uncached', KEY, { range: 'bytes=1048576-' })).status, 416);
  t.equal((await first(redirect, 'uncached', 'absent')).status, 404);
  t.equal((await first(redirect, 'uncached', KEY, { expires: -10 })).status, 403);
  t.equal((await fetch(`${redirect.url}/uncached/${encodeURIComponent(KEY)}`, { redirect: 'manual' })).status, 403);
});

t.test('only where it is asked for, and never for a bucket that is cached', async (t) => {
  t.equal((await first(proxy, 'uncached', KEY)).status, 200);
  for (const each of [redirect, everything]) t.equal((await first(each, 'cached', KEY)).status, 200);
  const other = await client.ask('PUT', 'uncached', 'copied', {
    headers: { 'x-amz-copy-source': `/shown/${encodeURIComponent(KEY)}` },
  });
  t.equal(other.status, 200, 'nor when Sluice reads for itself');
});

t.test('a signature in the headers is answered here, unless all reads are to be sent on', async (t) => {
  t.equal((await client.ask('GET', 'uncached', KEY)).status, 200);
  const sent = await wireClient(t, everything).ask('GET', 'uncached', KEY);
  t.equal(sent.status, 307);
  const location = sent.headers.location ?? '';
  // A real account refuses a request with both, so the signature must not go along; Azurite does not care.
  t.ok(Buffer.from(await (await fetch(location)).arrayBuffer()).equals(large));
});

t.test('a stored access policy says what may be done, and takes it away at once', async (t) => {
  const policy = { id: 'readers', accessPolicy: { permissions: 'r' } };
  await container.setAccessPolicy(undefined, [policy]);
  const answer = await first(byPolicy, 'uncached', KEY);
  const location = answer.headers.get('location') ?? '';
  const grant = new URL(location).searchParams;
  t.same([grant.get('si'), grant.get('sp')], ['readers', null]);
  t.ok(grant.has('se'));
  t.ok(Buffer.from(await (await fetch(location)).arrayBuffer()).equals(large));
  await container.setAccessPolicy(undefined, []);
  const refused = await fetch(location);
  t.equal(refused.status, 403);
  await refused.body?.cancel();
});

t.test('neither answers nor log lines give the account key away', async (t) => {
  const answer = await first(redirect, 'uncached', KEY);
  const location = answer.headers.get('location') ?? '';
  t.match(location, AZURITE_ACCOUNT, 'the account’s name is what a redirect cannot hide');
  const signature = new URL(location).searchParams.get('sig') ?? '';
  t.equal(Buffer.from(signature, 'base64').byteLength, createHmac('sha256', '').digest().byteLength);
  t.notOk(redirect.log().includes(signature), 'a URL is as good as a key while it lasts');
  t.notOk(redirect.log().includes(encodeURIComponent(signature)));
});
