import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { exchange } from '../support/raw-socket.ts';
import { answerText, type RawUpstream, rawUpstream } from '../support/raw-upstream.ts';
import { presign, signHeader } from '../support/slow-verifier.ts';

/** What crosses the whole gateway, byte by byte, from a client's socket to the storage's and back. */

const CALLER = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
const OK = answerText(200, '', { etag: '"e"' });

interface Between {
  readonly gateway: TestGateway;
  readonly upstream: RawUpstream;
  /** Sends one signed request, with header lines of no signature behind it. */
  send(
    method: string,
    target: string,
    options?: { headers?: Readonly<Record<string, string>>; lines?: readonly string[]; body?: string },
  ): ReturnType<typeof exchange>;
}

async function between(t: Test, reply = OK, more = ''): Promise<Between> {
  const upstream = await rawUpstream((socket) => void socket.write(reply));
  t.teardown(() => upstream.close());
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: vendor, provider: other, endpoint: "127.0.0.1:${upstream.port}", protocol: http, accessKey: VENDORKEY, secretKey: vendor-secret, default: true }
${more}`);
  t.teardown(() => gateway.close());
  const host = `127.0.0.1:${gateway.port}`;
  const send: Between['send'] = (method, target, { headers = {}, lines = [], body = '' } = {}) => {
    const payload = createHash('sha256').update(body, 'latin1').digest('hex');
    const length = { 'content-length': String(body.length) };
    const all = { host, 'x-amz-content-sha256': payload, ...(method === 'PUT' && length), ...headers };
    const signed = signHeader({ method, target, headers: all }, { ...CALLER, time: new Date() });
    const fields = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}`);
    const head = `${method} ${target} HTTP/1.1\r\n${[...fields, ...lines, 'connection: close'].join('\r\n')}\r\n\r\n`;
    return exchange(gateway.port, Buffer.from(head + body, 'latin1'), { untilClose: true });
  };
  return { gateway, upstream, send };
}

/** The header names and values that the storage was sent, lower case. */
function fieldsOf(head: string | undefined): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of (head ?? '').split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}

t.test('U10 P17 headers of vendors and of the way here never reach the storage', async (t) => {
  const { send, upstream } = await between(t);
  const foreign = [
    ...['x-oss-copy-source', 'x-cos-copy-source', 'x-obs-copy-source', 'x-tos-copy-source', 'x-ms-copy-source'],
    ...['x-minio-source-etag', 'x-minio-extract', 'x-goog-copy-source', 'x-qn-meta-a', 'x-oss-object-acl', 'x-cos-acl'],
    ...['referer', 'cookie', 'forwarded', 'via', 'x-forwarded-for', 'x-real-ip', 'x-http-method-override'],
  ];
  const answer = await send('PUT', '/bkt/k', { lines: foreign.map((name) => `${name}: /other/secret`), body: 'x' });
  if (answer.status !== 200) t.equal(answer.code, 'NotImplemented', 'or refused altogether');
  const clean = await send('PUT', '/bkt/k', {
    lines: foreign.filter((name) => !name.startsWith('x-minio-')).map((name) => `${name}: /other/secret`),
    body: 'x',
  });
  t.equal(clean.status, 200, clean.text);
  for (const head of upstream.heads) t.notMatch(head, /other\/secret/);
  t.ok(upstream.heads.length > 0);
});

t.test('P17 a presigned URL leaves its signature here', async (t) => {
  const { gateway, upstream } = await between(t, answerText(200, 'bytes', { etag: '"e"' }));
  const host = `127.0.0.1:${gateway.port}`;
  const url = presign(
    { method: 'GET', target: '/bkt/k?versionId=v', headers: { host } },
    { ...CALLER, time: new Date() },
  );
  const referer = `Referer: http://${host}${url.target}`;
  const answer = await exchange(gateway.port, `GET ${url.target} HTTP/1.1\r\nhost: ${host}\r\n${referer}\r\n\r\n`);
  t.equal(answer.status, 200);
  t.match(upstream.heads[0], /^GET \/bkt\/k\?versionId=v HTTP\/1\.1\r\n/);
  const signature = /X-Amz-Signature=(\w+)/.exec(url.target)?.[1] ?? '';
  t.notMatch(upstream.heads[0], signature);
  t.notMatch(gateway.log(), signature, 'nor does the log have it');
  t.notMatch(gateway.log(), 'X-Amz-');
});

t.test('H21 the storage gets one Content-Length, and none of the client’s spelling', async (t) => {
  const { send, upstream } = await between(t);
  t.equal((await send('PUT', '/bkt/k', { body: 'four' })).status, 200);
  t.same(fieldsOf(upstream.heads[0]).get('content-length'), ['4']);
  const twice = await send('PUT', '/bkt/k', { lines: ['CONTENT-LENGTH: 4'], body: 'four' });
  t.equal(twice.status, 400);
  t.equal(upstream.heads.length, 1);
});

t.test('H22 H23 no value breaks out of its line, on the way in or out', async (t) => {
  const evil = answerText(200, 'x', {
    etag: '"e"',
    'x-amz-meta-b': 'a%0D%0ASet-Cookie: b',
    'x-amz-meta-c': '\u00e9\u00ff',
  });
  const { send, upstream } = await between(t, evil);
  const put = await send('PUT', '/bkt/k', {
    headers: { 'x-amz-meta-a': 'x%0d%0aX-Evil: 1', 'content-type': 'a/b; c="\\r\\n"' },
    body: 'x',
  });
  t.equal(put.status, 200);
  const fields = fieldsOf(upstream.heads[0]);
  t.same(fields.get('x-amz-meta-a'), ['x%0d%0aX-Evil: 1']);
  t.notOk(fields.has('x-evil'));
  const bare = await send('PUT', '/bkt/k', { headers: { 'x-amz-meta-a': 'x\rX-Evil: 1' } });
  t.equal(bare.status, 400, 'a bare CR');
  t.equal(upstream.heads.length, 1);
  const got = await send('GET', '/bkt/k?response-content-type=a%0D%0AX-Evil:%201');
  t.notMatch(got.text, /^X-Evil/im, 'E11');
  const metadata = await send('GET', '/bkt/k');
  t.match(metadata.text, 'x-amz-meta-b: a%0D%0ASet-Cookie: b\r\n');
  t.match(metadata.text, `x-amz-meta-c: ${Buffer.from('\u00e9\u00ff').toString('latin1')}\r\n`);
});

t.test('H24 Connection cannot strip what was signed', async (t) => {
  const { send, upstream } = await between(t);
  const headers = { 'x-amz-meta-a': 'kept', 'cache-control': 'no-store', 'content-type': 'text/x' };
  const lines = ['Connection: x-amz-meta-a, x-amz-date, authorization, cache-control, content-type, content-length'];
  const answer = await send('PUT', '/bkt/k', { headers, lines, body: 'x' });
  t.equal(answer.status, 200, answer.text);
  const fields = fieldsOf(upstream.heads[0]);
  for (const [name, value] of Object.entries(headers)) t.same(fields.get(name), [value], name);
  for (const name of ['keep-alive', 'te', 'upgrade', 'proxy-connection', 'transfer-encoding'])
    t.notOk(fields.has(name));
});

t.test('H31 trailers of the client’s are dropped', async (t) => {
  const { gateway, upstream } = await between(t);
  const host = `127.0.0.1:${gateway.port}`;
  const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'transfer-encoding': 'chunked', te: 'trailers' };
  const signed = signHeader({ method: 'PUT', target: '/bkt/k', headers }, { ...CALLER, time: new Date() });
  const head = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const body = '1\r\nx\r\n0\r\nx-amz-copy-source: /other/secret\r\nx-amz-acl: public-read\r\n\r\n';
  const answer = await exchange(gateway.port, `PUT /bkt/k HTTP/1.1\r\n${head.join('')}\r\n${body}`);
  t.equal(answer.code, 'MissingContentLength');
  for (const sent of upstream.heads) t.notMatch(sent, /other|public-read/);
});

t.test('D09 compressed bytes are bytes, both ways', async (t) => {
  const zipped = gzipSync('x'.repeat(100_000)).toString('latin1');
  const reply = `HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-encoding: gzip\r\ncontent-length: ${zipped.length}\r\n\r\n`;
  const upstream = await rawUpstream((socket) => void socket.write(Buffer.from(reply + zipped, 'latin1')));
  t.teardown(() => upstream.close());
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: vendor, provider: other, endpoint: "127.0.0.1:${upstream.port}", protocol: http, accessKey: VENDORKEY, secretKey: vendor-secret, default: true }
`);
  t.teardown(() => gateway.close());
  const host = `127.0.0.1:${gateway.port}`;
  const signed = signHeader({ method: 'GET', target: '/bkt/k', headers: { host } }, { ...CALLER, time: new Date() });
  const head = Object.entries({ ...signed.headers, 'accept-encoding': 'gzip, br' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const answer = await exchange(gateway.port, `GET /bkt/k HTTP/1.1\r\n${head.join('')}\r\n`);
  t.ok(answer.text.endsWith(zipped));
  t.match(answer.text, `Content-Length: ${zipped.length}\r\n`);
});

t.test('E09 E10 versions and redirects are those of the object, where names are rewritten too', async (t) => {
  const reply = answerText(200, '', {
    etag: '"e"',
    'x-amz-version-id': 'v-1',
    'x-amz-copy-source-version-id': 'v-0',
    'x-amz-website-redirect-location': '/vendor-prefix/elsewhere',
  });
  const more = 'buckets: [{ name: alias, storage: vendor, bucket: real, prefix: vendor-prefix/ }]\n';
  const { send } = await between(t, reply, more);
  const plain = await send('HEAD', '/bkt/k');
  t.match(plain.text, 'x-amz-version-id: v-1\r\n');
  const rewritten = await send('HEAD', '/alias/k');
  t.match(rewritten.text, 'x-amz-version-id: v-1\r\n');
  t.notMatch(rewritten.text, 'vendor-prefix', 'E10 a redirect would tell the prefix');
  const put = await send('PUT', '/alias/k', { headers: { 'x-amz-website-redirect-location': '/else' } });
  t.equal(put.code, 'NotImplemented', 'E10 and one of the client’s would lead beyond it');
});

t.test('names of headers are spelled as S3 spells them, for clients that compare every letter', async (t) => {
  const reply = answerText(206, 'body', {
    etag: '"e"',
    'last-modified': 'Fri, 20 Nov 2026 14:00:00 GMT',
    'content-type': 'text/plain',
    'content-range': 'bytes 0-3/9',
    'cache-control': 'no-store',
    'x-amz-meta-who': 'me',
  });
  const { send } = await between(t, reply);
  const { text } = await send('GET', '/bkt/k', { headers: { range: 'bytes=0-3' } });
  const names = text
    .split('\r\n\r\n')[0]
    ?.split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(':')));
  const asS3 = ['ETag', 'Last-Modified', 'Content-Type', 'Content-Range', 'Content-Length', 'Cache-Control'];
  for (const name of [...asS3, 'x-amz-meta-who', 'x-amz-request-id'])
    t.ok(names?.includes(name), `${name} of ${names}`);
});
