import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { peerFilter } from '../../src/http/peer-filter.ts';
import { startServer } from '../../src/http/server.ts';
import type { Handler, S3Response } from '../../src/s3/message.ts';
import { OPERATIONS } from '../../src/s3/operation.ts';
import { memoryS3 } from '../support/memory-s3.ts';
import { postForm } from '../support/post-form.ts';
import { exchange } from '../support/raw-socket.ts';
import { presign, presignV2, signHeader, signV2Header, type WireRequest } from '../support/slow-verifier.ts';
import { type SluiceProcess, sluice } from '../support/sluice-process.ts';

/** Where the bytes are, and with what: nothing of it may leave. */
const HOST = 'canary-host.localhost';
const VENDOR_KEY = 'CANARYACCESSKEY';
const VENDOR_SECRET = 'canary-secret-of-the-vendor';
const BUCKET = 'canary-bucket';
const PREFIX = 'canary-prefix/';
const CALLER = { accessKey: 'CALLERKEY', secretKey: 'secret-of-the-caller' };
const SCOPED = { accessKey: 'SCOPEDKEY', secretKey: 'secret-of-the-scoped' };
const ADMIN_TOKEN = 'admin-token-of-the-tests';

/** What a storage may answer at its worst; each says all it knows. */
const TELLING = `<Message>${VENDOR_KEY} ${HOST} ${BUCKET} ${PREFIX}</Message><AWSAccessKeyId>${VENDOR_KEY}</AWSAccessKeyId><StringToSign>PUT ${HOST}/${BUCKET}</StringToSign><BucketName>${BUCKET}</BucketName><Endpoint>${HOST}</Endpoint><HostId>canary</HostId><Resource>/${BUCKET}/${PREFIX}k</Resource>`;
const failing = (status: number, code: string): (() => S3Response) => {
  return () => answer(status, `<?xml version="1.0"?><Error><Code>${code}</Code>${TELLING}</Error>`);
};
const BAD_MOODS: Readonly<Record<string, () => S3Response>> = {
  'a signature refused': failing(403, 'SignatureDoesNotMatch'),
  'a key refused': failing(403, 'InvalidAccessKeyId'),
  'access denied': failing(403, 'AccessDenied'),
  'a bucket missing': failing(404, 'NoSuchBucket'),
  'a code nobody knows': failing(400, 'CanaryIsDead'),
  'a conflict': failing(409, 'OperationAborted'),
  'a failure': failing(500, 'InternalError'),
  'a failure in a success': failing(200, 'InternalError'),
  'a web page': () => answer(502, `<html>${HOST}</html>`, { 'content-type': 'text/html' }),
  'a web page as success': () => answer(200, `<html>${HOST}</html>`, { 'content-type': 'text/html' }),
  'a redirect': () =>
    answer(301, `<Error><Code>PermanentRedirect</Code>${TELLING}</Error>`, { location: `http://${HOST}/` }),
  'half a document': () => answer(200, `<ListBucketResult><Name>${BUCKET}</Name><Contents><Key>${PREFIX}`),
  'keys of somebody else': () =>
    answer(200, `<ListBucketResult><Contents><Key>canary-other/k</Key></Contents></ListBucketResult>`),
  'an unsatisfiable range': () => answer(416, `<Error><Code>InvalidRange</Code>${TELLING}</Error>`),
  'a body that breaks off': () => ({
    status: 200,
    headers: new Map([
      ['content-length', '100'],
      ['etag', '"e"'],
    ]),
    body: Readable.from(
      (async function* () {
        yield Buffer.from('first');
        throw new Error('the storage died');
      })(),
    ),
  }),
};

function answer(status: number, text: string, more: Readonly<Record<string, string>> = {}): S3Response {
  const fields = {
    'content-type': 'application/xml',
    server: 'canary-server',
    'x-amz-id-2': 'canary',
    via: HOST,
    ...more,
  };
  const body = Buffer.from(text);
  return { status, headers: new Map(Object.entries({ ...fields, 'content-length': String(body.length) })), body };
}

interface Backend {
  readonly port: number;
  readonly requests: () => number;
  /** Answers everything so until it is undefined again. */
  mood: (() => S3Response) | undefined;
}

async function startBackend(t: Test): Promise<Backend> {
  const memory = memoryS3('wire', [BUCKET, 'canary-second', 'plain']);
  let requests = 0;
  const handler: Handler = async (request) => {
    requests += 1;
    return backend.mood?.() ?? memory.handler(request);
  };
  const settings = { handler, domains: [], isTrustedProxy: peerFilter([]) };
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    settings: () => settings,
    onRequest: () => undefined,
  });
  t.teardown(() => server.close(0));
  const backend: Backend = { port: server.port, requests: () => requests, mood: undefined };
  return backend;
}

function configOf(port: number): string {
  const vendor = (host: string, at: number) =>
    `provider: other, endpoint: "${host}:${at}", protocol: http, accessKey: ${VENDOR_KEY}, secretKey: ${VENDOR_SECRET}, retries: 0`;
  return `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0", token: ${ADMIN_TOKEN} }
log: { level: trace }
credentials:
  - { name: caller, accessKey: ${CALLER.accessKey}, secretKey: ${CALLER.secretKey}, signatures: [v4, v2] }
  - { name: scoped, accessKey: ${SCOPED.accessKey}, secretKey: ${SCOPED.secretKey}, access: [{ bucket: cache, prefix: mine/, allow: [read, list, write, delete] }] }
storages:
  - { name: vendor, ${vendor(HOST, port)}, prefix: ${PREFIX} }
  - { name: whole, ${vendor(HOST, port)}, bucket: plain }
  - { name: gone, ${vendor('canary-gone.localhost', 1)} }
buckets:
  - { name: cache, storage: vendor, bucket: ${BUCKET}, prefix: team/, anonymous: read }
  - { name: alias, storage: whole, bucket: canary-second }
  - { name: closed, storage: gone, bucket: ${BUCKET} }
`;
}

interface Gateway {
  readonly port: number;
  readonly host: string;
  readonly running: SluiceProcess;
  /** Every byte that came back so far. */
  readonly told: () => string;
  readonly send: (request: WireRequest, body?: string | Buffer) => Promise<{ status: number; text: string }>;
  readonly call: (method: string, target: string, options?: CallOptions) => Promise<{ status: number; text: string }>;
}

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly as?: typeof CALLER;
}

async function startGateway(t: Test, backendPort: number): Promise<Gateway> {
  const cwd = t.testdir({ 'sluice.yaml': configOf(backendPort) });
  const running = sluice(['serve', '--config', join(cwd, 'sluice.yaml')], { cwd });
  t.teardown(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
  });
  await running.until(/Admin page: \S+\n/);
  const host = /listens on http:\/\/(\S+)/.exec(running.stdout())?.[1] ?? '';
  const port = Number(host.split(':')[1]);
  const told: string[] = [];
  const send: Gateway['send'] = async ({ method, target, headers }, body = '') => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `${method} ${target} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`;
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]);
    const got = await exchange(port, bytes, { untilClose: true });
    told.push(...got.text.split('\n').map((line) => `${method} ${target}: ${line}`));
    return got;
  };
  return {
    ...{ port, host, running, send },
    told: () => told.join('\n'),
    call: (method, target, { headers = {}, body = '', as = CALLER } = {}) => {
      const payload = createHash('sha256').update(body).digest('hex');
      const fields = {
        host,
        'x-amz-content-sha256': payload,
        'content-length': String(Buffer.byteLength(body)),
        ...headers,
      };
      return send(signHeader({ method, target, headers: fields }, { ...as, time: new Date() }), body);
    },
  };
}

const DOCUMENTS: Readonly<Record<string, string>> = {
  DeleteObjects: '<Delete><Object><Key>a</Key></Object><Object><Key>mine/b</Key></Object></Delete>',
  CompleteMultipartUpload:
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part></CompleteMultipartUpload>',
};

/** What they answer is bytes of the client's own, passed as they are, whatever they look like. */
const OPAQUE = new Set(['GetBucketPolicy', 'SelectObjectContent']);

/** Every operation of the table, on a bucket, in its simplest form. */
async function everyOperation(gateway: Gateway, bucket: string, as: typeof CALLER, skip?: Set<string>): Promise<void> {
  for (const [name, row] of Object.entries(OPERATIONS)) {
    if (name === 'DeleteBucket' || skip?.has(name)) continue;
    const path = { service: '/', bucket: `/${bucket}`, object: `/${bucket}/mine/k` }[row.resource];
    const names = 'query' in row ? row.query : [];
    const query = names.map((each) => (each === 'partNumber' ? 'partNumber=1' : each)).join('&');
    const headers = {
      ...('header' in row && { 'x-amz-copy-source': `/${bucket}/mine/k` }),
      ...(name === 'DeleteObjects' && {
        'content-md5': createHash('md5')
          .update(DOCUMENTS.DeleteObjects ?? '')
          .digest('base64'),
      }),
    };
    const body = DOCUMENTS[name] ?? ('body' in row ? '<Nothing/>' : '');
    await gateway.call(row.method, query === '' ? path : `${path}?${query}`, { headers, body, as });
  }
}

/** What clients really do: uploads in parts, copies, listings page by page, URLs and forms. */
async function realLife(gateway: Gateway, t: Test, bucket: string): Promise<void> {
  const { call, send, host } = gateway;
  const path = (key: string) => `/${bucket}/${key}`;
  for (const key of ['mine/a', 'mine/b%20c%2B', 'mine/d/e', 'f'])
    t.equal((await call('PUT', path(key), { body: key })).status, 200);
  const begun = await call('POST', `${path('mine/parts')}?uploads`);
  const id = encodeURIComponent(/<UploadId>(.*?)<\/UploadId>/.exec(begun.text)?.[1] ?? '');
  t.not(id, '');
  const upload = `${path('mine/parts')}?uploadId=${id}`;
  t.equal((await call('PUT', `${path('mine/parts')}?partNumber=1&uploadId=${id}`, { body: 'part' })).status, 200);
  const source = { headers: { 'x-amz-copy-source': path('mine/a') } };
  t.equal((await call('PUT', `${path('mine/parts')}?partNumber=2&uploadId=${id}`, source)).status, 200);
  t.equal((await call('GET', upload)).status, 200);
  t.equal((await call('GET', `/${bucket}?uploads`)).status, 200);
  t.equal((await call('POST', upload, { body: DOCUMENTS.CompleteMultipartUpload ?? '' })).status, 200);
  t.equal((await call('GET', upload)).status, 404);
  t.equal((await call('PUT', path('mine/copy'), source)).status, 200);
  for (const query of [
    '',
    'list-type=2',
    'list-type=2&delimiter=%2F&encoding-type=url',
    'prefix=mine%2F&max-keys=1',
    'versions',
    'list-type=2&fetch-owner=true&start-after=mine%2Fa',
  ]) {
    t.equal((await call('GET', `/${bucket}?${query}`)).status, 200, query);
  }
  let token = '';
  for (let page = 0; page < 9; page += 1) {
    const { text } = await call('GET', `/${bucket}?list-type=2&max-keys=1${token}`);
    const next = /<NextContinuationToken>(.*?)</.exec(text)?.[1];
    if (next === undefined) break;
    token = `&continuation-token=${encodeURIComponent(next)}`;
  }
  t.not(token, '', 'pages have been turned');
  const by = { ...CALLER, time: new Date() };
  const get: WireRequest = { method: 'GET', target: path('mine/a'), headers: { host } };
  t.equal((await send(presign(get, by))).status, 200);
  t.equal((await send(presignV2(get, { ...CALLER, expires: Math.floor(Date.now() / 1000) + 60 }))).status, 200);
  t.equal((await send(signV2Header(get, by))).status, 200);
  t.equal((await send({ ...get, method: 'HEAD' })).status, bucket === 'cache' ? 200 : 403, 'nobody');
  for (const [status, version] of [
    ['201', 'v4'],
    ['204', 'v2'],
  ] as const) {
    const fields = { key: 'mine/form', success_action_status: status };
    const { headers, body } = postForm({ ...by, bucket, fields, file: 'by form', version });
    const sent = await send({ method: 'POST', target: `/${bucket}`, headers: { host, ...headers } }, body);
    t.equal(sent.status, Number(status), `a form signed ${version}`);
  }
}

/** Requests that are refused, each in another part of the gateway. */
async function malformed(gateway: Gateway, bucket: string): Promise<void> {
  const { call, send, host } = gateway;
  const paths = [
    '%zz',
    '../k',
    'a%00b',
    `${'x'.repeat(1025)}`,
    'k?uploadId=AAAA',
    'k?partNumber=0&uploadId=x',
    'k?versionId=%00',
    'k?unknown-sub&torrent',
  ];
  for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'])
    for (const path of paths) await call(method, `/${bucket}/${path}`);
  for (const query of [
    'list-type=2&continuation-token=AAAA',
    'max-keys=-1',
    'max-keys=x',
    'prefix=a&prefix=b',
    'marker=..%2Fx',
    'uploads&key-marker=a&upload-id-marker=b',
  ])
    await call('GET', `/${bucket}?${query}`);
  for (const body of [
    '',
    '<',
    '<Delete>',
    '<Delete><Object><Key>../x</Key></Object></Delete>',
    '<!DOCTYPE a><Delete/>',
    `<Delete><Object><Key>${'k'.repeat(2000)}</Key></Object></Delete>`,
  ])
    await call('POST', `/${bucket}?delete`, {
      body,
      headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
    });
  for (const value of [
    '',
    '/',
    'x',
    `/${bucket}/`,
    `/${bucket}/../x`,
    '/other-bucket/k',
    `/${bucket}/mine/a?versionId=%`,
  ])
    await call('PUT', `/${bucket}/copied`, { headers: { 'x-amz-copy-source': value } });
  await call('PUT', `/${bucket}/k`, { headers: { 'x-amz-content-sha256': 'f'.repeat(64) }, body: 'x' });
  await call('GET', `/${bucket}/mine/a`, { headers: { range: 'bytes=100-' } });
  await call('GET', `/${bucket}/mine/a`, { as: { ...CALLER, secretKey: 'wrong-secret-key' } });
  await call('GET', `/${bucket}/mine/a`, {
    as: { ...CALLER, accessKey: VENDOR_KEY.toLowerCase().replace('canary', 'x') },
  });
  await send({ method: 'GET', target: `/${bucket}/mine/a`, headers: { host, authorization: 'Nonsense' } });
  await send({ method: 'GET', target: 'nonsense', headers: { host } });
  await send({ method: 'GET', target: '/', headers: { host, 'content-length': 'x' } });
}

const CANARIES = /canary/i;

t.test('E14 L08 whatever happens, nothing of the place or its keys leaves the gateway', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, backend.port);
  const buckets = ['cache', 'alias', 'plain'];
  for (const bucket of buckets) await realLife(gateway, t, bucket);
  for (const bucket of [...buckets, 'closed', 'no-such-bucket']) {
    await everyOperation(gateway, bucket, CALLER);
    await everyOperation(gateway, bucket, SCOPED);
    await malformed(gateway, bucket);
  }
  for (const [index, mood] of Object.values(BAD_MOODS).entries()) {
    backend.mood = mood;
    await everyOperation(gateway, buckets[index % buckets.length] ?? '', CALLER, OPAQUE);
  }
  backend.mood = undefined;
  t.ok(backend.requests() > 300, `${backend.requests()} requests reached the storage`);
  const told = gateway.told();
  const leaks = told
    .split('\n')
    // An ACL on a bucket of the storage's own name keeps its document, with other accounts in it.
    .map((line) => (line.includes('<AccessControlPolicy') ? line.replace(/ xmlns="[^"]*"/, '') : line))
    .filter((line) => CANARIES.test(line.slice(line.indexOf(': '))));
  t.same([...new Set(leaks)], []);
  for (const secret of [CALLER.secretKey, SCOPED.secretKey, 'secret-of']) t.notMatch(told, secret);

  const admin = /Admin page: (http:\/\/[^/\s]+)/.exec(gateway.running.stdout())?.[1] ?? '';
  const authorization = `Bearer ${ADMIN_TOKEN}`;
  const metrics = await (await fetch(`${admin}/metrics`, { headers: { authorization } })).text();
  t.match(metrics, 'sluice_requests_total');
  t.notMatch(metrics, CANARIES);
  gateway.running.child.kill('SIGTERM');
  t.equal(await gateway.running.exited, 0);
  const log = gateway.running.stderr();
  t.match(log, '"operation":"ListObjectsV2"');
  for (const secret of [VENDOR_KEY, VENDOR_SECRET, 'secret-of', ADMIN_TOKEN, 'Signature=', 'AWS4-HMAC'])
    t.notMatch(log, secret, `the log has no ${secret}`);
  const signatures = [...log.matchAll(/[0-9a-f]{64}/g)];
  t.same(signatures, [], 'no signature stands in the log');
  t.notMatch(log, /unhandled|uncaught|deprecat/i);
});
