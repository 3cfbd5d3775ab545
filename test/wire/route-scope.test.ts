import t from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { buildCatalog, type CatalogInput } from '../../src/route/catalog.ts';
import { route } from '../../src/route/router.ts';
import type { Handler, Layer } from '../../src/s3/message.ts';
import { mergeDialect } from '../../src/upstream/dialect.ts';
import { forward } from '../../src/upstream/forward.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { startEcho } from '../support/echo-server.ts';
import { recordingLog } from '../support/log.ts';
import { CANARY, type MemoryS3, memoryS3 } from '../support/memory-s3.ts';
import { exchange, type RawAnswer } from '../support/raw-socket.ts';
import { answerText, rawUpstream } from '../support/raw-upstream.ts';
import { texts, tokenKey } from '../support/routed.ts';

const REAL = `${CANARY}-bucket`;
const PREFIX = `${CANARY}/tenant1/`;

/** Stands in for authentication: the test says who calls. */
const identify: Layer = (next) => (request) => {
  const name = request.headers.get('test-caller');
  return next({ ...request, identity: name === undefined ? undefined : { name, accessKey: name } });
};

function configuration(handler: Handler): CatalogInput {
  const scope = { bucket: 'cache', prefix: 'team-a/', allow: ['read', 'list', 'write', 'delete'] as const };
  return {
    credentials: [
      { name: 'root', accessKey: 'root', project: 'one' },
      { name: 'ci', accessKey: 'ci', project: 'one', access: [scope] },
      { name: 'foe', accessKey: 'foe', project: 'two', access: [{ ...scope, prefix: 'team-b/' }] },
    ],
    storages: [
      { name: 'vendor', handler, projects: 'all', dotSegments: 'refuse', tokenKey, bucket: REAL, prefix: `${CANARY}/` },
    ],
    buckets: [
      { name: 'cache', storage: 'vendor', prefix: 'tenant1/' },
      { name: 'cache10', storage: 'vendor', prefix: 'tenant10/' },
    ],
  };
}

interface Gateway {
  /** Sends bytes as they are; `Host` and the caller are added. */
  send(caller: string, line: string, fields?: Readonly<Record<string, string>>, body?: string): Promise<RawAnswer>;
}

async function start(t: { teardown(end: () => Promise<void>): void }, handler: Handler): Promise<Gateway> {
  const routed = route(buildCatalog(configuration(handler)));
  const server = await startEcho({ handler: identify(routed) });
  t.teardown(() => server.close(0));
  return {
    send: (caller, line, fields = {}, body = '') => {
      const headers = {
        host: 'localhost',
        connection: 'close',
        'test-caller': caller,
        'content-length': String(Buffer.byteLength(body)),
        ...fields,
      };
      const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      return exchange(
        server.port,
        Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${head.join('')}\r\n`, 'latin1'), Buffer.from(body)]),
      );
    },
  };
}

async function setup(t: { teardown(end: () => Promise<void>): void }): Promise<Gateway & { backend: MemoryS3 }> {
  const backend = memoryS3('wire', [REAL]);
  backend.put(REAL, `${PREFIX}team-a/k`, 'mine');
  backend.put(REAL, `${PREFIX}team-b/secret`, 'theirs');
  backend.put(REAL, `${CANARY}/tenant10/secret`, 'another tenant');
  return { ...(await start(t, backend.handler)), backend };
}

/** Ways to write a key that leaves its prefix, if anyone on the way resolves it. */
const ESCAPES = [
  '../tenant10/secret',
  'team-a/../team-b/secret',
  'team-a/%2e%2e/team-b/secret',
  'team-a/%2E./team-b/secret',
  'team-a/.%2e%2fteam-b/secret',
  'team-a%2F..%2Fteam-b%2Fsecret',
  'team-a/./k',
  'team-a/..%5cteam-b%5csecret',
  '%2e%2e%2f%2e%2e%2fsecret',
  '..',
  'team-a/..',
];

t.test('S01 S02 S03 S08 an escape is refused on every operation, and the backend sees nothing', async (t) => {
  const { send, backend } = await setup(t);
  for (const key of ESCAPES) {
    for (const [method, query, body] of [
      ['GET', '', ''],
      ['HEAD', '', ''],
      ['PUT', '', 'x'],
      ['DELETE', '', ''],
      ['POST', '?uploads', ''],
      ['PUT', '?partNumber=1&uploadId=x', 'x'],
      ['POST', '?uploadId=x', '<C/>'],
      ['DELETE', '?uploadId=x', ''],
      ['GET', '?uploadId=x', ''],
      ['GET', '?tagging', ''],
      ['PUT', '?tagging', '<Tagging/>'],
      ['GET', '?acl', ''],
    ] as const) {
      for (const caller of ['root', 'ci']) {
        const answer = await send(caller, `${method} /cache/${key}${query}`, {}, body);
        t.ok(answer.status === 400 || answer.status === 403, `${caller} ${method} ${key}${query}: ${answer.status}`);
        t.notMatch(answer.text, /canary|theirs|another tenant/);
      }
      const addressed = { host: 'cache.localhost' };
      const virtual = await send('root', `${method} /${key}${query}`, addressed, body);
      t.equal(virtual.status, 400, `virtual ${method} ${key}${query}`);
    }
  }
  t.same(backend.seen, []);
});

t.test('S01 S23 an escape in a list parameter or a document is refused', async (t) => {
  const { send, backend } = await setup(t);
  for (const key of ESCAPES) {
    const encoded = encodeURIComponent(decodeURIComponent(key));
    for (const query of [
      `prefix=${encoded}`,
      `prefix=team-a/&marker=${encoded}`,
      `list-type=2&prefix=team-a/&start-after=${encoded}`,
      `versions&prefix=team-a/&key-marker=${encoded}`,
      `uploads&prefix=team-a/&key-marker=${encoded}`,
    ]) {
      const answer = await send('root', `GET /cache?${query}`);
      t.equal(answer.code, 'InvalidArgument', query);
      t.match((await send('ci', `GET /cache?${query}`)).status, /40[03]/);
    }
    const document = `<Delete><Object><Key>${decodeURIComponent(key)}</Key></Object></Delete>`;
    t.equal((await send('root', 'POST /cache?delete', {}, document)).status, 400);
    const copy = { 'x-amz-copy-source': `/cache/${key}` };
    t.equal((await send('root', 'PUT /cache/team-a/to', copy)).status, 400, 'S14');
    t.equal((await send('root', 'PUT /cache/team-a/to?partNumber=1&uploadId=x', copy)).status, 400, 'S18');
  }
  t.same(backend.seen, []);
});

t.test('S11 S15 S21 S26 what lies outside the rules is denied in every place', async (t) => {
  const { send, backend } = await setup(t);
  for (const [line, source] of [
    ['GET /cache/team-b/secret'],
    ['GET /cache%2Fteam-b%2Fsecret'],
    ['GET /cache//team-a/k'],
    ['GET /cache/'],
    ['GET /cache?prefix=te'],
    ['GET /cache?prefix=team-a'],
    ['GET /cache?prefix=%2Fteam-a/'],
    ['GET /cache?prefix=team-a/&marker=team-b/'],
    ['GET /cache10?prefix=team-a/'],
    [`GET /${REAL}/${PREFIX}team-a/k`],
    ['PUT /cache/team-a/to', '/cache/team-b/secret'],
    ['PUT /cache/team-a/to', 'cache%2Fteam-b%2Fsecret'],
    ['PUT /cache/team-a/to', '/cache/team-b/secret?versionId=x'],
    ['PUT /cache/team-a/to', `/${REAL}/${PREFIX}team-a/k`],
    ['PUT /cache/team-a/to?partNumber=1&uploadId=x', '/cache10/secret'],
  ]) {
    const answer = await send('ci', line ?? '', source === undefined ? {} : { 'x-amz-copy-source': source });
    t.match(answer.status, /^40[03]$/, `${line} ${source ?? ''}`);
    t.notMatch(answer.text.replaceAll(REAL, '').replaceAll(PREFIX, ''), /theirs|another|canary/);
  }
  t.same(backend.seen, []);
  const document = '<Delete><Object><Key>team-b/secret</Key></Object><Object><Key>team-a/k</Key></Object></Delete>';
  const answer = await send('ci', 'POST /cache?delete', {}, document);
  t.same(
    [texts(answer.text, 'Code'), texts(answer.text, 'Key').sort()],
    [['AccessDenied'], ['team-a/k', 'team-b/secret']],
  );
  t.ok(backend.buckets.get(REAL)?.has(`${PREFIX}team-b/secret`));
});

t.test('S25 S28 a token of one tenant is worthless to the next', async (t) => {
  const { send, backend } = await setup(t);
  const begun = await send('root', 'POST /cache/team-b/big?uploads');
  const [uploadId = ''] = texts(begun.text, 'UploadId');
  backend.put(REAL, `${PREFIX}team-b/a`);
  const page = await send('root', 'GET /cache?list-type=2&prefix=team-b/&max-keys=1');
  const [token = ''] = texts(page.text, 'NextContinuationToken');
  const seen = backend.seen.length;
  for (const [line, body] of [
    ['PUT /cache/team-b/big?partNumber=1&uploadId=', 'x'],
    ['GET /cache/team-b/big?uploadId=', ''],
    ['POST /cache/team-b/big?uploadId=', '<C/>'],
    ['DELETE /cache/team-b/big?uploadId=', ''],
  ] as const) {
    t.equal((await send('foe', line + uploadId, {}, body)).code, 'NoSuchUpload', line);
    t.equal((await send('ci', line.replace('team-b', 'team-a') + uploadId, {}, body)).code, 'NoSuchUpload', line);
  }
  t.equal(
    (await send('foe', `GET /cache?list-type=2&prefix=team-b/&continuation-token=${token}`)).code,
    'InvalidArgument',
  );
  t.equal(
    (await send('ci', `GET /cache?list-type=2&prefix=team-a/&continuation-token=${token}`)).code,
    'InvalidArgument',
  );
  t.equal(backend.seen.length, seen);
  const next = await send('root', `GET /cache?list-type=2&prefix=team-b/&max-keys=1&continuation-token=${token}`);
  t.same(texts(next.text, 'Key'), ['team-b/secret']);
});

t.test('E14 no byte that leaves tells bucket, prefix, host or account', async (t) => {
  const { send } = await setup(t);
  const begun = await send('root', 'POST /cache/team-a/big?uploads');
  const id = texts(begun.text, 'UploadId')[0] ?? '';
  const answers = [begun];
  for (const [line, body, fields] of [
    ['GET /'],
    ['GET /cache'],
    ['GET /cache?list-type=2&max-keys=1'],
    ['GET /cache?list-type=2&encoding-type=url&delimiter=/'],
    ['GET /cache?versions'],
    ['GET /cache?uploads'],
    ['GET /cache?acl'],
    ['GET /cache?location'],
    ['GET /cache?policy'],
    ['GET /cache?inventory'],
    ['HEAD /cache'],
    ['PUT /cache'],
    ['DELETE /cache'],
    ['GET /cache/team-a/k'],
    ['HEAD /cache/team-a/k'],
    ['GET /cache/none'],
    ['HEAD /cache/none'],
    ['GET /cache/team-a/k?acl'],
    ['GET /cache/team-a/k?tagging'],
    ['GET /cache/team-a/k?torrent'],
    ['PUT /cache/team-a/n', 'bytes'],
    ['PUT /cache/team-a/c', '', { 'x-amz-copy-source': '/cache/team-a/k' }],
    ['PUT /cache/team-a/c', '', { 'x-amz-copy-source': '/cache/none' }],
    ['PUT /cache10/c', '', { 'x-amz-copy-source': '/cache/team-a/k' }],
    [`PUT /cache/team-a/big?partNumber=1&uploadId=${id}`, 'bytes'],
    [`GET /cache/team-a/big?uploadId=${id}`],
    [`POST /cache/team-a/big?uploadId=${id}`, '<C/>'],
    [`POST /cache/team-a/big?uploadId=${id}`, '<C/>'],
    ['POST /cache?delete', '<Delete><Object><Key>team-a/n</Key></Object></Delete>'],
    ['DELETE /cache/team-a/k'],
    ['GET /nowhere/k'],
  ] as const) {
    answers.push(await send('root', line, fields, body));
  }
  for (const answer of answers)
    t.notMatch(answer.text.replace(/<Name>canary-bucket<\/Name>/, ''), /canary|vendor\.example/i);
  t.match(
    answers[1]?.text,
    /<Name>cache<\/Name>.*<Name>cache10<\/Name>.*<Name>canary-bucket<\/Name>/,
    'the storage bucket is a name of its own here (rule 2)',
  );
});

t.test('S04 S05 the request line behind is bucket, prefix and encoded key', async (t) => {
  const upstream = await rawUpstream((socket) => socket.write(answerText(200, '', { etag: '"e"' })));
  t.teardown(() => upstream.close());
  const transport = createTransport();
  t.teardown(() => transport.close());
  const vendor = forward(
    {
      name: 'vendor',
      dialect: mergeDialect(VENDORS.other, { signature: 'v4', addressing: 'path' }),
      endpoint: { protocol: 'http', host: '127.0.0.1', port: upstream.port },
      region: 'us-east-1',
      credentials: { accessKey: 'VENDORKEY', secretKey: 'vendor-secret' },
    },
    { transport, now: () => new Date(), log: recordingLog() },
  );
  const { send } = await start(t, vendor);
  for (const [sent, due] of [
    ['/cache/k', 'k'],
    ['/cache/a//b/', 'a//b/'],
    ['/cache//k', '/k'],
    ['/cache/a%2Fb', 'a/b'],
    ['/cache/%252e%252e/k', '%252e%252e/k'],
    ['/cache/%2525', '%2525'],
    ['/cache/a+b%20c', 'a%2Bb%20c'],
    ["/cache/!*'()", '%21%2A%27%28%29'],
    ['/cache/e%CC%81%C3%A9', 'e%CC%81%C3%A9'],
    ['/cache/a%5Cb', 'a%5Cb'],
    ['/cache/...', '...'],
    ['/cache/%E2%80%AE', '%E2%80%AE'],
    ['/cache10/k', '../tenant10/k'],
  ] as const) {
    await send('root', `GET ${sent}`);
    const line = upstream.heads.at(-1)?.split('\r\n', 1)[0];
    const place = due.startsWith('../') ? `${CANARY}/${due.slice(3)}` : PREFIX + due;
    t.equal(line, `GET /${REAL}/${place} HTTP/1.1`, sent);
  }
  const count = upstream.heads.length;
  for (const line of [
    'GET /cache/%00',
    'GET /cache/%ff',
    'GET /cache/%zz',
    'GET /cache/a\\b',
    'GET http://evil/cache/k',
    'GET //evil/k',
  ]) {
    t.match((await send('root', line)).status, /^40/, `S09 ${line}`);
  }
  t.equal(upstream.heads.length, count);
});
