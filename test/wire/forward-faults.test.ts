import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { createTransport, type TransportOptions } from '../../src/http/transport.ts';
import { retry } from '../../src/layers/retry.ts';
import { S3Error } from '../../src/s3/error.ts';
import { compose, type Handler, type S3Response } from '../../src/s3/message.ts';
import { type Dialect, mergeDialect } from '../../src/upstream/dialect.ts';
import { forward } from '../../src/upstream/forward.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { generatedBytes, generatedStream } from '../support/generated.ts';
import { silentLog } from '../support/log.ts';
import { answerText, rawUpstream } from '../support/raw-upstream.ts';
import { bytesOf, s3Request, textOf } from '../support/s3-request.ts';

type Tap = { teardown(end: () => Promise<void>): void };
type Script = Parameters<typeof rawUpstream>[0];

interface Settings extends TransportOptions {
  readonly retries?: number;
  readonly protocol?: 'http' | 'https';
  readonly host?: string;
  readonly dialect?: Partial<Dialect>;
}

function handlerFor(t: Tap, port: number, settings: Settings = {}): Handler {
  const transport = createTransport({ connectTimeout: 300, idleTimeout: 400, ...settings });
  t.teardown(() => transport.close());
  const handler = forward(
    {
      name: 'vendor',
      dialect: mergeDialect(VENDORS.other, settings.dialect ?? {}),
      endpoint: { protocol: settings.protocol ?? 'http', host: settings.host ?? '127.0.0.1', port },
      region: 'us-east-1',
      credentials: { accessKey: 'KEY', secretKey: 'SECRET' },
    },
    { transport, now: () => new Date(), log: silentLog },
  );
  const { retries } = settings;
  // No jitter: retries come at once.
  return retries === undefined ? handler : compose(handler, [retry({ retries, random: () => 0 })]);
}

async function start(t: Tap, script: Script, settings: Settings = {}) {
  const upstream = await rawUpstream(script);
  t.teardown(() => upstream.close());
  return { upstream, handler: handlerFor(t, upstream.port, settings) };
}

const get = () => s3Request({ method: 'GET', bucket: 'bucket', key: 'k' });
const put = (body: Readable | string, bodyLength?: number) =>
  s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body, ...(bodyLength !== undefined && { bodyLength }) });
const objectHead = 'HTTP/1.1 200 OK\r\netag: "e"\r\n';
const whole = answerText(200, 'body', { etag: '"e"' });

t.test('R01 a closed port is ServiceUnavailable within a second, retries included', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const started = performance.now();
  const handler = handlerFor(t, port, { retries: 2 });
  const failed = { code: 'ServiceUnavailable', status: 503, cause: { phase: 'connect', code: 'ECONNREFUSED' } };
  const request = get();
  await t.rejects(handler(request), failed);
  t.equal(request.notes.get('retries'), 2);
  const body = generatedStream(100, 1);
  await t.rejects(handler(put(body, 100)), failed);
  t.ok(body.destroyed);
  t.ok(performance.now() - started < 1000);
});

t.test('R02 a server that takes the connection and says nothing more fails within the connect timeout', async (t) => {
  const { handler } = await start(t, () => {}, { protocol: 'https' });
  await t.rejects(handler(get()), { code: 'ServiceUnavailable', cause: { phase: 'connect' } });
});

t.test('R03 a name that does not resolve is ServiceUnavailable', async (t) => {
  const handler = handlerFor(t, 1, {
    host: 'storage.test',
    lookup: (_name, _options, callback) => callback(Object.assign(new Error('no name'), { code: 'ENOTFOUND' }), ''),
  });
  const failed = { code: 'ServiceUnavailable', cause: { phase: 'connect', code: 'ENOTFOUND' } };
  await t.rejects(handler(get()), failed);
});

t.test('R04 of two addresses the one that answers is used', async (t) => {
  const upstream = await rawUpstream((socket) => void socket.write(whole));
  t.teardown(() => upstream.close());
  const addresses = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));
  const handler = handlerFor(t, upstream.port, {
    host: 'storage.test',
    lookup: (_name, _options, callback) => callback(null, addresses),
  });
  t.equal(await textOf(await handler(get())), 'body');
});

t.test('R05 a certificate nobody vouches for is refused, and nothing is sent', async (t) => {
  const { createServer: createTls } = await import('node:https');
  const { selfSigned } = await import('../support/self-signed.ts');
  const certificate = await selfSigned(t.testdir(), 'localhost');
  let requests = 0;
  const server = createTls(certificate, (_request, response) => {
    requests++;
    response.setHeader('etag', '"e"').end('body');
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => new Promise((resolve) => void server.close(resolve).closeAllConnections()));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const settings = { protocol: 'https', connectTimeout: 3000 } as const;
  await t.rejects(handlerFor(t, port, settings)(get()), {
    code: 'ServiceUnavailable',
    cause: { phase: 'connect', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  });
  await t.rejects(handlerFor(t, port, { ...settings, ca: certificate.cert })(get()), {
    cause: { phase: 'connect', code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  });
  t.equal(requests, 0);
  const trusted = handlerFor(t, port, { ...settings, ca: certificate.cert, servername: 'localhost' });
  t.equal(await textOf(await trusted(s3Request({ method: 'HEAD', bucket: 'bucket', key: 'k' }))), '');
  t.equal(requests, 1);
});

t.test('R07 R22 a reset before the answer: a read is asked again on a fresh connection', async (t) => {
  const script: Script = (socket, index) => void (index === 0 ? socket.resetAndDestroy() : socket.write(whole));
  const { upstream, handler } = await start(t, script, { retries: 2 });
  t.equal(await textOf(await handler(get())), 'body');
  t.equal(upstream.sockets.length, 2);
});

t.test('R07 R20 a stream is never sent twice, a buffer is', async (t) => {
  const script: Script = (socket, index) => void (index % 2 === 0 ? socket.resetAndDestroy() : socket.write(whole));
  const streamed = await start(t, script, { retries: 2 });
  const size = 100_000;
  const body = generatedStream(size, 1);
  await t.rejects(streamed.handler(put(body, size)), { code: 'ServiceUnavailable', cause: { phase: 'exchange' } });
  t.equal(streamed.upstream.heads.length, 1);
  t.ok(body.destroyed);
  const buffered = await start(t, script, { retries: 2 });
  t.equal((await buffered.handler(put('body'))).status, 200);
  t.equal(buffered.upstream.heads.length, 2);
});

t.test('R21 an operation that must not run twice is not sent twice', async (t) => {
  const { upstream, handler } = await start(t, (socket) => socket.resetAndDestroy(), { retries: 3 });
  const complete = { method: 'POST', bucket: 'bucket', key: 'k', body: '<CompleteMultipartUpload/>' };
  await t.rejects(handler(s3Request({ ...complete, query: 'uploadId=u' })));
  await t.rejects(handler(s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploads' })));
  const headers = { 'x-amz-copy-source': '/bucket/a' };
  await t.rejects(handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', headers })));
  t.equal(upstream.heads.length, 3);
});

const cuts: readonly (readonly [string, string])[] = [
  ['R09 an end before Content-Length', `${objectHead}content-length: 10\r\n\r\n12345`],
  ['R10 chunks without a terminator', `${objectHead}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`],
];
for (const [title, bytes] of cuts) {
  for (const end of ['end', 'resetAndDestroy'] as const) {
    t.test(`${title} breaks the body (${end})`, async (t) => {
      const { handler } = await start(t, async (socket) => {
        socket.write(bytes);
        await delay(20);
        socket[end]();
      });
      const response = await handler(get());
      await t.rejects(bytesOf(response));
    });
  }
}

t.test('R08 a reset at any byte of a body never looks like its end', async (t) => {
  const size = 50;
  const body = generatedBytes(size, 3);
  for (let cut = 0; cut < size; cut += 7) {
    const { handler } = await start(t, (socket) => {
      socket.write(`${objectHead}content-length: ${size}\r\n\r\n`);
      socket.write(body.subarray(0, cut), () => socket.resetAndDestroy());
    });
    await t.rejects(async () => bytesOf(await handler(get())), `cut at ${cut}`);
  }
});

t.test('R11 a body whose end nobody can tell from a cut is refused', async (t) => {
  const { handler } = await start(t, (socket) => void socket.end(`${objectHead}connection: close\r\n\r\nhalf an obj`));
  await t.rejects(handler(get()), { code: 'ServiceUnavailable' });
});

t.test('R12 an upload that breaks off, or ends short, never arrives as a whole', async (t) => {
  const endings: readonly (readonly [string, () => Readable])[] = [
    ['breaks', () => Readable.from(failing(generatedBytes(50, 1)))],
    ['short', () => generatedStream(50, 1)],
    ['empty', () => generatedStream(0, 1)],
  ];
  for (const [title, makeBody] of endings) {
    let received = '';
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const failed = handlerFor(t, port, { keepAlive: 50 })(put(makeBody(), 100));
    await t.rejects(failed, { code: title === 'breaks' ? 'BadDigest' : 'IncompleteBody' }, title);
    // A body without a byte is noticed before anything is sent.
    t.equal(sockets.length, title === 'empty' ? 0 : 1);
    for (const socket of sockets) if (!socket.closed) await once(socket, 'close');
    t.notMatch(received, 'content-length: 0', title);
    t.ok(received === '' || received.endsWith(generatedBytes(50, 1).toString('latin1')), title);
    await new Promise((resolve) => server.close(resolve));
  }
});

async function* failing(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
  await delay(10);
  throw new S3Error('BadDigest');
}

t.test('R13 a client that goes away takes the request to the storage with it', async (t) => {
  for (const after of ['head', 'body'] as const) {
    const { upstream, handler } = await start(t, (socket) => {
      if (after === 'body') socket.write(`${objectHead}content-length: 1000000\r\n\r\n12345`);
    });
    const client = new AbortController();
    const asked = handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k', signal: client.signal }));
    const reason = new Error('client is gone');
    if (after === 'body') {
      const { body } = await asked;
      client.abort(reason);
      await t.rejects(bytesOf({ body } as S3Response), reason);
    } else {
      while (upstream.heads.length === 0) await delay(1);
      client.abort(reason);
      await t.rejects(asked, reason);
    }
    const [socket] = upstream.sockets;
    const started = performance.now();
    if (socket !== undefined && !socket.closed) await once(socket, 'close');
    t.ok(performance.now() - started < 100, after);
  }
});

t.test('R14 a client that reads slowly slows the storage down', async (t) => {
  const size = 64 * 1024 * 1024;
  let sent = 0;
  const { handler } = await start(t, (socket) => {
    socket.write(`${objectHead}content-length: ${size}\r\n\r\n`);
    const block = Buffer.alloc(65536);
    const more = () => {
      while (sent < size && socket.write(block)) sent += block.length;
    };
    socket.on('drain', more);
    more();
  });
  const { body } = await handler(get());
  await delay(200);
  t.ok(sent < size / 2, `${sent} bytes left the storage while nobody read`);
  if (body instanceof Readable) body.on('error', () => {}).destroy();
});

t.test('R16 no headers within the idle timeout is ServiceUnavailable, and a PUT is sent once', async (t) => {
  const { upstream, handler } = await start(t, () => {}, { retries: 2 });
  const size = 100_000;
  const failed = { code: 'ServiceUnavailable', cause: { code: 'UND_ERR_HEADERS_TIMEOUT' } };
  await t.rejects(handler(put(generatedStream(size, 1), size)), failed);
  t.equal(upstream.heads.length, 1);
});

t.test('R16 a read that got no headers is not asked again: clients would be gone by then', async (t) => {
  const { upstream, handler } = await start(t, () => {}, { retries: 3 });
  await t.rejects(handler(get()), { code: 'ServiceUnavailable', cause: { code: 'UND_ERR_HEADERS_TIMEOUT' } });
  t.equal(upstream.heads.length, 1);
});

t.test('R17 a slow body lives as long as it moves, and fails when it stops', async (t) => {
  const { handler } = await start(t, async (socket) => {
    socket.write(`${objectHead}content-length: 10\r\n\r\n`);
    for (let index = 0; index < 8; index++) {
      await delay(100);
      socket.write('x');
    }
  });
  const started = performance.now();
  await t.rejects(bytesOf(await handler(get())), { code: 'UND_ERR_BODY_TIMEOUT' });
  t.ok(performance.now() - started > 1000, 'the whole took longer than the idle timeout');
});

t.test('R18 5xx and SlowDown are asked again where that is safe, and end as 503', async (t) => {
  for (const status of [500, 502, 503, 504, 429]) {
    const recovers = await start(t, (socket, index) => void socket.write(index < 2 ? answerText(status, '') : whole), {
      retries: 2,
    });
    t.equal(await textOf(await recovers.handler(get())), 'body');
    t.equal(recovers.upstream.heads.length, 3);
  }
  const stays = await start(t, (socket) => void socket.write(answerText(500, 'oops')), { retries: 2 });
  await t.rejects(stays.handler(get()), { code: 'ServiceUnavailable', status: 503 });
  t.equal(stays.upstream.heads.length, 3);
  const slow = '<Error><Code>SlowDown</Code></Error>';
  const patient = await start(t, (socket) => void socket.write(answerText(503, slow, { 'retry-after': '60' })), {
    retries: 2,
  });
  const failed = await patient.handler(get()).catch((error: unknown) => error);
  t.match(failed, { code: 'SlowDown' });
  t.equal(failed instanceof S3Error ? failed.headers?.get('retry-after') : undefined, '60');
  t.equal(patient.upstream.heads.length, 1);
});

t.test('H29 R23 bytes on an idle connection are nobody’s answer', async (t) => {
  const { upstream, handler } = await start(t, (socket, index) => {
    socket.write(whole);
    if (index === 0) setImmediate(() => socket.write(answerText(200, 'evil', { etag: '"x"' })));
  });
  t.equal(await textOf(await handler(get())), 'body');
  await delay(50);
  t.equal(await textOf(await handler(get())), 'body');
  t.equal(upstream.sockets.length, 2);
});

t.test('S34 R33 a redirect is not followed', async (t) => {
  for (const status of [301, 302, 307, 308]) {
    const headers = { location: 'http://127.0.0.1:1/evil', 'x-amz-bucket-region': 'mars-1' };
    const { upstream, handler } = await start(t, (socket) => void socket.write(answerText(status, '', headers)), {
      retries: 2,
    });
    await t.rejects(handler(get()), { code: 'ServiceUnavailable' });
    t.equal(upstream.heads.length, 1);
  }
});

t.test('every kind of answer leaves the connection fit for the next request', async (t) => {
  const error = '<Error><Code>NoSuchKey</Code></Error>';
  const steps: readonly (readonly [string, string])[] = [
    ['HEAD', `${objectHead}content-length: 1000\r\n\r\n`],
    ['GET', 'HTTP/1.1 304 Not Modified\r\netag: "e"\r\n\r\n'],
    ['DELETE', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 404 Not Found\r\ncontent-length: 200\r\n\r\n'],
    ['GET', answerText(404, error)],
    ['GET', whole],
    ['GET', 'HTTP/1.1 200 OK\r\netag: "e"\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n'],
    ['PUT', answerText(200, '', { etag: '"e"' })],
  ];
  const { upstream, handler } = await start(t, (socket, index) => void socket.write(steps[index]?.[1] ?? ''));
  for (const [method] of steps) {
    const parts = { method, bucket: 'bucket', key: 'k', ...(method === 'PUT' && { body: 'x' }) };
    await handler(s3Request(parts)).then(bytesOf, (thrown: unknown) => t.match(thrown, { code: 'NoSuchKey' }));
  }
  await delay(20);
  // A request that follows at once may open a second connection; none is given up.
  t.ok(upstream.sockets.length <= 2);
  t.ok(upstream.sockets.every((socket) => !socket.destroyed && socket.readable));
});

t.test('H28 a body behind the answer to a HEAD is nobody’s answer', async (t) => {
  const evil = answerText(200, 'evil', { etag: '"x"' });
  const { upstream, handler } = await start(t, (socket, index) => {
    socket.write(index === 0 ? `${objectHead}content-length: ${evil.length}\r\n\r\n${evil}` : whole);
  });
  const head = s3Request({ method: 'HEAD', bucket: 'bucket', key: 'k' });
  t.equal((await handler(head)).headers.get('content-length'), String(evil.length));
  t.equal(await textOf(await handler(get())), 'body');
  t.equal(upstream.sockets.length, 2);
});
