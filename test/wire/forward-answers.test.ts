import t from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { S3Error } from '../../src/s3/error.ts';
import type { Handler } from '../../src/s3/message.ts';
import { type Dialect, mergeDialect } from '../../src/upstream/dialect.ts';
import { forward } from '../../src/upstream/forward.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { recordingLog } from '../support/log.ts';
import { answerText, rawUpstream } from '../support/raw-upstream.ts';
import { bytesOf, type RequestParts, s3Request, textOf } from '../support/s3-request.ts';

const transport = createTransport({ idleTimeout: 2000 });
t.teardown(() => transport.close());

type Tap = { teardown(end: () => Promise<void>): void };

async function start(t: Tap, answer: string, dialect: Partial<Dialect> = {}) {
  const upstream = await rawUpstream((socket) => void socket.write(answer, 'latin1'));
  t.teardown(() => upstream.close());
  const log = recordingLog();
  const handler: Handler = forward(
    {
      name: 'vendor',
      dialect: mergeDialect(VENDORS.other, dialect),
      endpoint: { protocol: 'http', host: '127.0.0.1', port: upstream.port },
      region: 'us-east-1',
      credentials: { accessKey: 'KEY', secretKey: 'SECRET' },
    },
    { transport, now: () => new Date(), log },
  );
  return { handler, upstream, lines: log.lines };
}

const ask = (parts: Partial<RequestParts>) => s3Request({ method: 'GET', bucket: 'bucket', ...parts });
const list = { query: 'list-type=2' };
const complete = { method: 'POST', key: 'k', query: 'uploadId=u', body: '<CompleteMultipartUpload/>' };
const copy = { method: 'PUT', key: 'k', headers: { 'x-amz-copy-source': '/bucket/a' } };
const copyPart = { ...copy, query: 'partNumber=1&uploadId=u' };
const page = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult><Name>b</Name></ListBucketResult>';

t.test('R27 what is no S3 answer is ServiceUnavailable, never an empty listing', async (t) => {
  const bodies = [
    '',
    '   ',
    '{"keys":[]}',
    '<!DOCTYPE html><html><body>Login</body></html>',
    '<html></html>',
    'plain text',
    '<Other></Other>',
    '<ListBucketResult><Contents>',
    '<ListBucketResult',
    '\x1f\x08\x00binary',
  ];
  for (const body of bodies) {
    const { handler } = await start(t, answerText(200, body));
    await t.rejects(handler(ask(list)), { code: 'ServiceUnavailable' }, body);
  }
  for (const status of [200, 201, 206]) {
    const { handler } = await start(t, answerText(status, page));
    t.equal(await textOf(await handler(ask(list))), page);
  }
});

t.test('R27 a web page is no success for an operation without a document either', async (t) => {
  const html = '<!doctype html>\n<html><body>Login</body></html>';
  for (const parts of [{ method: 'DELETE', key: 'k' }, { method: 'PUT', key: 'k', body: 'x' }, { key: 'k' }]) {
    const { handler } = await start(t, answerText(200, html, { 'content-type': 'text/html' }));
    await t.rejects(handler(ask(parts)), { code: 'ServiceUnavailable' });
  }
  const { handler } = await start(t, answerText(200, 'OK'));
  t.match(await handler(ask({ method: 'DELETE', key: 'k' })), { status: 200, body: null });
});

t.test('R24 an error inside a 200 is that error', async (t) => {
  const body = '<?xml version="1.0"?>\n<Error><Code>InvalidPart</Code><Message>m</Message></Error>';
  for (const parts of [complete, copy, copyPart]) {
    const { handler } = await start(t, answerText(200, body));
    await t.rejects(handler(ask(parts)), { code: 'InvalidPart', status: 400 });
  }
  const { handler } = await start(t, answerText(200, '<Error><Code>InternalError</Code></Error>'));
  await t.rejects(handler(ask(complete)), { code: 'ServiceUnavailable', status: 503 });
});

t.test('R25 white space that keeps a slow answer alive is tolerated and taken off', async (t) => {
  const document =
    '<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>';
  const { handler } = await start(t, answerText(200, `\n\n  \r\n${document}\n`));
  const response = await handler(ask(complete));
  t.equal((await textOf(response)).trim(), document);
  t.equal(response.headers.get('content-length'), String(document.length + 1));
  const failed = await start(t, answerText(200, '   <Error><Code>NoSuchUpload</Code></Error>'));
  await t.rejects(failed.handler(ask(complete)), { code: 'NoSuchUpload' });
});

t.test('R26 a 200 that breaks off is no success', async (t) => {
  const upstream = await rawUpstream((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n   \r\n', () => socket.resetAndDestroy());
  });
  t.teardown(() => upstream.close());
  const handler = forward(
    {
      name: 'vendor',
      dialect: VENDORS.other,
      endpoint: { protocol: 'http', host: '127.0.0.1', port: upstream.port },
      region: 'us-east-1',
      credentials: { accessKey: 'KEY', secretKey: 'SECRET' },
    },
    { transport, now: () => new Date(), log: recordingLog() },
  );
  await t.rejects(handler(ask(complete)), { code: 'ServiceUnavailable' });
});

t.test('R28 lengths that contradict each other are refused', async (t) => {
  const headers = { etag: '"e"', 'content-range': 'bytes 0-9/100' };
  const { handler } = await start(t, answerText(206, 'four', headers));
  await t.rejects(handler(ask({ key: 'k', headers: { range: 'bytes=0-9' } })), { code: 'ServiceUnavailable' });
  const twoLengths = 'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nfour!';
  const doubled = await start(t, twoLengths);
  await t.rejects(async () => bytesOf(await doubled.handler(ask({ key: 'k' }))));
  const both = 'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n';
  const mixed = await start(t, both);
  await t.rejects(async () => bytesOf(await mixed.handler(ask({ key: 'k' }))));
});

t.test('R29 H28 a 304 and a 204 have no body and no length, and the next answer is its own', async (t) => {
  for (const status of [204, 304]) {
    const upstream = await rawUpstream((socket, index) => {
      socket.write(
        index === 0 ? answerText(status, 'three', { etag: '"e"' }) : answerText(200, 'next', { etag: '"e"' }),
      );
    });
    t.teardown(() => upstream.close());
    const handler = forward(
      {
        name: 'vendor',
        dialect: VENDORS.other,
        endpoint: { protocol: 'http', host: '127.0.0.1', port: upstream.port },
        region: 'us-east-1',
        credentials: { accessKey: 'KEY', secretKey: 'SECRET' },
      },
      { transport, now: () => new Date(), log: recordingLog() },
    );
    const first = await handler(ask({ key: 'k', headers: { 'if-none-match': '"e"' } }));
    t.equal(first.status, status);
    t.equal(first.body, null);
    t.notOk(first.headers.has('content-length'));
    t.equal(first.headers.get('etag'), '"e"');
    t.equal(await textOf(await handler(ask({ key: 'k' }))), 'next');
  }
});

t.test('an error without a body gets its code from status and operation', async (t) => {
  const cases: readonly (readonly [number, Partial<RequestParts>, string])[] = [
    [404, { method: 'HEAD', key: 'k' }, 'NoSuchKey'],
    [404, { key: 'k' }, 'NoSuchKey'],
    [404, { method: 'HEAD' }, 'NoSuchBucket'],
    [403, { method: 'HEAD', key: 'k' }, 'AccessDenied'],
    [412, { method: 'HEAD', key: 'k' }, 'PreconditionFailed'],
    [416, { key: 'k' }, 'InvalidRange'],
    [400, { method: 'HEAD' }, 'InvalidRequest'],
    [401, { key: 'k' }, 'InternalError'],
    [418, { key: 'k' }, 'InvalidRequest'],
    [429, { key: 'k' }, 'SlowDown'],
    [500, { key: 'k' }, 'ServiceUnavailable'],
    [501, { key: 'k' }, 'NotImplemented'],
    [599, { key: 'k' }, 'ServiceUnavailable'],
  ];
  for (const [status, parts, code] of cases) {
    const length: Record<string, string> = parts.method === 'HEAD' ? { 'content-length': '100' } : {};
    const { handler } = await start(t, answerText(status, '', length));
    await t.rejects(handler(ask(parts)), { code }, `${status} ${code}`);
  }
});

t.test('E02 E08 an error document gives its code and nothing of the vendor', async (t) => {
  const document = `<Error><Code>NoSuchKey</Code><Message>CANARY</Message><Key>CANARY/k</Key><BucketName>CANARY</BucketName>
    <Resource>/CANARY</Resource><HostId>CANARY</HostId><EC>0026</EC><RecommendDoc>CANARY</RecommendDoc></Error>`;
  const headers = { server: 'CANARY', 'x-oss-request-id': 'CANARY', 'x-amz-delete-marker': 'true' };
  const { handler } = await start(t, answerText(404, document, headers));
  const failed = await handler(ask({ key: 'k' })).catch((error: unknown) => error);
  if (!(failed instanceof S3Error)) throw failed;
  t.equal(failed.code, 'NoSuchKey');
  t.notMatch(JSON.stringify([failed.message, failed.detail, [...(failed.headers ?? [])]]), 'CANARY');
  t.same([...(failed.headers ?? [])], [['x-amz-delete-marker', 'true']]);
  const html = await start(t, answerText(404, '<html>CANARY</html>'));
  await t.rejects(html.handler(ask({ key: 'k' })), { code: 'NoSuchKey', detail: {} });
  const kept = '<Error><Code>PreconditionFailed</Code><Condition>If-Match</Condition></Error>';
  const condition = await start(t, answerText(412, kept));
  await t.rejects(condition.handler(ask({ key: 'k' })), {
    code: 'PreconditionFailed',
    detail: { Condition: 'If-Match' },
  });
});

t.test('X01 X14 an error document is not trusted either', async (t) => {
  const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&a;</Code></Error>';
  for (const document of [bomb, `<Error><Code>${'x'.repeat(100_000)}</Code></Error>`, '<Error><Code>NoSuchKey']) {
    const { handler } = await start(t, answerText(403, document));
    await t.rejects(handler(ask({ key: 'k' })), { code: 'AccessDenied', detail: {} });
  }
  for (const code of ['__proto__', 'constructor', 'NotModified']) {
    const { handler } = await start(t, answerText(400, `<Error><Code>${code}</Code></Error>`));
    await t.rejects(handler(ask({ key: 'k' })), { code: 'InvalidRequest' }, code);
  }
});

t.test('E07 an ETag without quotes gets them, and headers keep their bytes', async (t) => {
  const { handler } = await start(
    t,
    answerText(200, 'x', { ETag: 'ABC', 'X-Amz-Meta-N': 'gr\u00c3\u00bc\u00c3\u009fe' }),
  );
  const response = await handler(ask({ key: 'k' }));
  t.equal(response.headers.get('etag'), '"ABC"');
  t.equal(response.headers.get('x-amz-meta-n'), 'gr\u00c3\u00bc\u00c3\u009fe');
  t.equal(await textOf(response), 'x');
});

t.test("a vendor's own header stands in for the S3 one that is missing, where the row names its prefix", async (t) => {
  const headers = { etag: '"e"', 'x-vendor-version-id': 'v1', 'x-vendor-request-id': 'CANARY', 'x-vendor-meta-a': '1' };
  const { handler } = await start(t, answerText(200, 'x', headers), { nativeHeaders: 'x-vendor-' });
  const response = await handler(ask({ key: 'k' }));
  t.same([...response.headers.keys()].sort(), ['content-length', 'etag', 'x-amz-meta-a', 'x-amz-version-id']);
  await bytesOf(response);
  const other = await start(t, answerText(200, 'x', headers));
  const plain = await other.handler(ask({ key: 'k' }));
  t.same([...plain.headers.keys()].sort(), ['content-length', 'etag']);
  await bytesOf(plain);
});

t.test('an operation we do not know passes through, as it is', async (t) => {
  const { handler, upstream } = await start(t, answerText(200, '{"a":1}', { 'content-type': 'application/json' }));
  const response = await handler(ask({ query: 'inventory&id=a%20b&x-oss-process=evil' }));
  t.equal(await textOf(response), '{"a":1}');
  t.match(upstream.heads[0], 'GET /bucket/?inventory&id=a%20b HTTP/1.1');
});

t.test('a listing of a thousand long keys comes whole', async (t) => {
  const keys = Array.from(
    { length: 1000 },
    (_, index) => `<Contents><Key>${'%E6'.repeat(1000)}${index}</Key></Contents>`,
  );
  const document = `<ListBucketResult>${keys.join('')}</ListBucketResult>`;
  const { handler } = await start(t, answerText(200, document));
  t.equal((await bytesOf(await handler(ask(list)))).byteLength, document.length);
});
