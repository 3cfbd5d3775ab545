import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CREDENTIALS, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { selfSigned } from '../support/self-signed.ts';
import { crc32Of, md5Hex, textsOf, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';

/** What Zadig (Z), ZenML (M) and Overture Score (S) need of signatures, bodies and hosts: docs/systems. */

const HOST = 's3.office.test';
const SIGNED = 'storage.internal:9000';
const DATA = Buffer.from('{"a":1}');

async function behind(t: Test, more = ''): Promise<{ readonly gateway: TestGateway; readonly vendor: StandIn }> {
  const vendor = await startStandIn('other');
  t.teardown(() => vendor.close());
  const gateway = await startTestGateway(`domains: [${HOST}, "${SIGNED}"]
${more === '' ? CREDENTIALS : more}
storages:
  - name: vendor
    provider: other
    endpoint: ${vendor.endpoint}
    region: ${vendor.row.region}
    protocol: http
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    default: true
`);
  t.teardown(() => gateway.close());
  const setUp = wireClient(t, { port: gateway.port });
  if (more === '') t.equal((await setUp.ask('PUT', 'bucket')).status, 200);
  return { gateway, vendor };
}

t.test('ZMS-R1 any region in the scope is taken, and the vendor’s own is signed', async (t) => {
  const { gateway, vendor } = await behind(t);
  for (const region of ['ap-shanghai', 'us-east-1', 'oss-cn-hangzhou', 'default', 'minio']) {
    const { ask } = wireClient(t, { port: gateway.port, region });
    t.equal((await ask('PUT', 'bucket', 'key', { body: DATA })).status, 200, region);
    t.match(vendor.requests.at(-1)?.headers.authorization, `/${vendor.row.region}/s3/aws4_request`);
    const { presign, send } = wireClient(t, { port: gateway.port, region, host: HOST });
    const target = presign('GET', 'bucket', 'key');
    const host = `${HOST}:${gateway.port}`;
    t.equal((await send({ method: 'GET', target, headers: { host } })).text, DATA.toString(), `${region} in a URL`);
  }
});

t.test('ZMS-R2 path and virtual-hosted requests come to one listener', async (t) => {
  const { gateway } = await behind(t);
  const path = wireClient(t, { port: gateway.port });
  const named = wireClient(t, { port: gateway.port, host: HOST });
  const virtual = wireClient(t, { port: gateway.port, host: HOST, addressing: 'virtual' });
  // The second of the domains, with whatever port the request came to.
  const other = wireClient(t, { port: gateway.port, host: SIGNED.split(':')[0] ?? '', addressing: 'virtual' });
  t.equal((await virtual.ask('PUT', 'bucket', 'a/b', { body: DATA })).status, 200);
  for (const { ask } of [path, named, virtual, other])
    t.equal((await ask('GET', 'bucket', 'a/b')).text, DATA.toString());
});

t.test('ZMS-R3 V2 is verified in the header and in the query, path and virtual-hosted, by Date alone', async (t) => {
  const { gateway } = await behind(t);
  for (const addressing of ['path', 'virtual'] as const) {
    const { ask, sign } = wireClient(t, { port: gateway.port, host: HOST, addressing, signing: 'v2' });
    t.equal((await ask('PUT', 'bucket', 'v2/k', { body: DATA })).status, 200);
    t.equal((await ask('GET', 'bucket', 'v2/k')).text, DATA.toString());
    t.match(await ask('GET', 'bucket', undefined, { query: 'versioning' }), { status: 200 });
    t.match(Object.keys(sign('GET', 'bucket', 'k').headers).includes('x-amz-date'), false);
    const other = wireClient(t, {
      port: gateway.port,
      host: HOST,
      addressing,
      signing: 'v2',
      secretKey: 'another-secret',
    });
    t.match(await other.ask('GET', 'bucket', 'v2/k'), { status: 403, code: 'SignatureDoesNotMatch' });
  }
  const { presign, send } = wireClient(t, { port: gateway.port, host: HOST });
  const target = presign('GET', 'bucket', 'v2/k', { signing: 'v2' });
  t.equal((await send({ method: 'GET', target, headers: { host: HOST } })).text, DATA.toString());
  // V2 signs the bucket and the path, wherever the bucket stands in the request.
  const virtual = { method: 'GET', target: target.replace('/bucket/', '/'), headers: { host: `bucket.${HOST}` } };
  t.equal((await send(virtual)).text, DATA.toString(), 'as s3fs makes URLs');
  t.equal((await send({ ...virtual, headers: { host: `other.${HOST}` } })).status, 403);
  t.equal((await send({ method: 'DELETE', target, headers: { host: HOST } })).status, 403);
});

t.test('ZMS-R4 signed chunks are known by their hash value alone, of nothing and of little too', async (t) => {
  const { gateway } = await behind(t);
  const { ask, sign } = wireClient(t, { port: gateway.port, signing: 'v4-chunks' });
  for (const size of [0, 1, 700, 128 * 1024, 300_000]) {
    const body = generatedBytes(size, size);
    const { headers } = sign('PUT', 'bucket', `c${size}`, { body });
    t.equal(headers['content-encoding'], undefined);
    if (size === 700) t.equal(headers['content-length'], '874', 'as the Java SDK counts');
    if (size === 0) t.equal(headers['content-length'], '86');
    t.match(await ask('PUT', 'bucket', `c${size}`, { body }), { status: 200, headers: { etag: `"${md5Hex(body)}"` } });
    t.ok((await ask('GET', 'bucket', `c${size}`)).body.equals(body));
  }
  const tamper = (body: Buffer) => Buffer.from(body.toString('latin1').replace('payload', 'PAYLOAD'), 'latin1');
  t.equal((await ask('PUT', 'bucket', 'bad', { body: Buffer.from('payload'), tamper })).status, 403);
  t.equal((await ask('HEAD', 'bucket', 'bad')).status, 404, 'nothing is stored');
});

t.test('ZMS-R5 ZMS-M7 a body with a trailer and without a length arrives plain, with its length', async (t) => {
  const { gateway, vendor } = await behind(t);
  const { ask, sign } = wireClient(t, { port: gateway.port, signing: 'v4-trailer' });
  const body = Buffer.from('hello');
  t.equal(sign('PUT', 'bucket', 'k', { body }).body.length, 46, 'as botocore sends it');
  t.equal((await ask('PUT', 'bucket', 'k', { body, expects: true })).status, 200);
  const headers: Readonly<Record<string, string | undefined>> = vendor.requests.at(-1)?.headers ?? {};
  t.equal(headers['content-length'], '5');
  const names = Object.keys(headers).join();
  t.notMatch(names, /transfer-encoding|trailer|content-encoding|decoded|checksum/);
  const wrong = { 'x-amz-checksum-crc32': crc32Of(Buffer.from('other')) };
  t.match(await ask('PUT', 'bucket', 'wrong', { body, headers: wrong }), { status: 400, code: 'BadDigest' });
  t.equal((await ask('HEAD', 'bucket', 'wrong')).status, 404);
});

t.test('ZMS-R6 who waits for 100 Continue hears that or a final answer, at once', async (t) => {
  const { gateway } = await behind(t);
  for (const signing of ['v4', 'v2', 'v4-chunks', 'v4-trailer'] as const) {
    const { ask } = wireClient(t, { port: gateway.port, signing });
    t.match(await ask('PUT', 'bucket', 'k', { body: DATA, expects: true }), { status: 200, continued: true }, signing);
    const wrong = wireClient(t, { port: gateway.port, signing, secretKey: 'not-the-secret' });
    const refused = await wrong.ask('PUT', 'bucket', 'k', { body: DATA, expects: true });
    t.match(refused, { status: 403, continued: false, code: 'SignatureDoesNotMatch' }, signing);
    const nowhere = await ask('PUT', 'no-bucket', 'k', { body: DATA, expects: true });
    t.match(nowhere, { status: 404, code: 'NoSuchBucket' }, signing);
  }
});

t.test(
  'ZMS-R16 ZMS-R17 a URL works where the host was swapped, and the token that comes along stays here',
  async (t) => {
    const { gateway, vendor } = await behind(t);
    const { ask, presign, send } = wireClient(t, { port: gateway.port });
    t.equal((await ask('PUT', 'bucket', 'data/id', { body: generatedBytes(1000, 1) })).status, 200);
    const range = { range: 'bytes=10-19' };
    const extra = { 'x-score-token': 'canary-of-the-user', 'x-b3-traceid': 'canary' };
    for (const signing of ['v4', 'v2'] as const) {
      const signed = signing === 'v4' ? range : {};
      const target = presign('GET', 'bucket', 'data/id', { host: SIGNED, signing, headers: signed });
      for (const host of [HOST, `${HOST}:${gateway.port}`, SIGNED]) {
        const read = await send({ method: 'GET', target, headers: { host, ...range, ...extra } });
        t.match(read, { status: 206, headers: { 'content-range': 'bytes 10-19/1000' } }, `${signing} ${host}`);
      }
    }
    const strange = presign('GET', 'bucket', 'data/id', { host: 'elsewhere.test' });
    t.equal((await send({ method: 'GET', target: strange, headers: { host: HOST } })).status, 403);
    const id = textsOf((await ask('POST', 'bucket', 'data/id', { query: 'uploads' })).text, 'UploadId')[0];
    const part = presign('PUT', 'bucket', 'data/id', { host: SIGNED, query: `partNumber=1&uploadId=${id}` });
    const stored = await send({
      method: 'PUT',
      target: part,
      headers: { host: HOST, 'content-length': '7' },
      body: DATA,
    });
    t.match(stored, { status: 200, headers: { etag: `"${md5Hex(DATA)}"` } });
    t.notMatch(
      JSON.stringify(vendor.requests.map(({ headers, target }) => ({ headers, target }))),
      /canary|elsewhere|TESTACCESSKEY/,
    );
  },
);

t.test('ZMS-R25 a key does what its rules say, and the vendor’s key is nowhere', async (t) => {
  const { gateway, vendor } = await behind(
    t,
    `credentials:
  - { name: admin, accessKey: ADMINKEY, secretKey: admin-secret }
  - name: pod
    accessKey: PODKEY
    secretKey: pod-secret-key
    access: [{ bucket: bucket, prefix: wf-demo/, allow: [read, write, list] }]`,
  );
  const admin = wireClient(t, { port: gateway.port, accessKey: 'ADMINKEY', secretKey: 'admin-secret' });
  await admin.ask('PUT', 'bucket');
  await admin.ask('PUT', 'bucket', 'wf-other/log', { body: DATA });
  const pod = wireClient(t, { port: gateway.port, accessKey: 'PODKEY', secretKey: 'pod-secret-key' });
  t.equal((await pod.ask('PUT', 'bucket', 'wf-demo/log', { body: DATA })).status, 200);
  t.equal((await pod.ask('GET', 'bucket', 'wf-demo/log')).status, 200);
  t.match(await pod.ask('DELETE', 'bucket', 'wf-demo/log'), { status: 403, code: 'AccessDenied' });
  t.match(await pod.ask('GET', 'bucket', 'wf-other/log'), { status: 403, code: 'AccessDenied' });
  const headers = { 'x-amz-copy-source': 'bucket/wf-other/log' };
  t.match(await pod.ask('PUT', 'bucket', 'wf-demo/stolen', { headers }), { status: 403, code: 'AccessDenied' });
  const listed = await pod.ask('GET', 'bucket', undefined, { query: 'prefix=wf-other/' });
  t.equal(listed.status, 403);
  const seen = [
    ...(await Promise.all(['wf-demo/log', 'wf-demo/none'].map((key) => pod.ask('GET', 'bucket', key)))),
    listed,
  ];
  t.notMatch(JSON.stringify(seen.map(({ headers, text }) => [headers, text])), new RegExp(STAND_IN_KEY.accessKey));
  t.notMatch(gateway.log(), new RegExp(`${STAND_IN_KEY.secretKey}|pod-secret-key`));
  const authorizations = vendor.requests.map(({ headers }) => headers.authorization ?? '');
  t.ok(
    authorizations.every((text) => text.includes(`Credential=${STAND_IN_KEY.accessKey}/`)),
    'nor a pod’s key behind',
  );
});

t.test('ZMS-R28 HTTP in front and HTTPS behind, and the other way round', async (t) => {
  const folder = t.testdir();
  const certificate = await selfSigned(folder, 'localhost');
  mkdirSync(join(folder, 'data'));
  const behind =
    await startTestGateway(`tls: { cert: ${JSON.stringify(certificate.certFile)}, key: ${JSON.stringify(certificate.keyFile)} }
${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(join(folder, 'data'))}, default: true }]
`);
  t.teardown(() => behind.close());
  const front = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: office, provider: other, endpoint: "localhost:${behind.port}", ca: ${JSON.stringify(certificate.certFile)}, accessKey: TESTACCESSKEY, secretKey: test-secret-key-of-no-value, default: true }
`);
  t.teardown(() => front.close());
  const secure = wireClient(t, { port: behind.port, host: 'localhost', ca: certificate.cert });
  t.equal((await secure.ask('PUT', 'bucket')).status, 200);
  const plain = wireClient(t, { port: front.port });
  t.equal((await plain.ask('PUT', 'bucket', 'key', { body: Buffer.from('up') })).status, 200);
  t.equal((await secure.ask('GET', 'bucket', 'key')).text, 'up');
  const down =
    await startTestGateway(`tls: { cert: ${JSON.stringify(certificate.certFile)}, key: ${JSON.stringify(certificate.keyFile)} }
${CREDENTIALS}
storages:
  - { name: plain, provider: other, endpoint: "127.0.0.1:${front.port}", protocol: http, accessKey: TESTACCESSKEY, secretKey: test-secret-key-of-no-value, default: true }
`);
  t.teardown(() => down.close());
  const through = wireClient(t, { port: down.port, host: 'localhost', ca: certificate.cert });
  t.equal((await through.ask('GET', 'bucket', 'key')).text, 'up', 'HTTPS, HTTP, HTTPS');
});

t.test('ZMS-R30 headers that clients sign, and that something on the way likes to change, still fit', async (t) => {
  const { gateway } = await behind(t);
  const { ask } = wireClient(t, { port: gateway.port });
  const headers = {
    'user-agent': 'aws-sdk-java/1.11.219 Linux/5.10  OpenJDK',
    'content-type': 'application/octet-stream',
    'amz-sdk-invocation-id': '1b8a2f7e-0000-4000-8000-000000000000',
    'amz-sdk-retry': '0/0/500',
    connection: 'Keep-Alive',
    'accept-encoding': 'gzip',
  };
  const signs = [...Object.keys(headers), 'content-length'];
  t.equal((await ask('PUT', 'bucket', 'k', { body: DATA, headers, signs })).status, 200);
  const read = await ask('GET', 'bucket', 'k', { headers, signs: Object.keys(headers) });
  t.match(read, { status: 200, text: DATA.toString() });
});
