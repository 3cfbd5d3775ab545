import { once } from 'node:events';
import { type AddressInfo, connect, createServer as createPortServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { CREDENTIALS, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { exchange } from '../support/raw-socket.ts';
import { answerText, type RawUpstream, rawUpstream } from '../support/raw-upstream.ts';
import { md5Hex, type WireAnswer, type WireClient, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../vendors/stand-in.ts';

/** How Zadig (Z), ZenML (M) and Overture Score (S) are failed, so that each ends as its own code expects: docs/systems. */

const MiB = 2 ** 20;
const CACHE_KEY = 'wf-demo/cache/svc/mod/zadig-build-cache.tar.gz';

async function before(t: Test, endpoint: string, more = ''): Promise<TestGateway> {
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: vendor, provider: other, endpoint: "${endpoint}", protocol: http, region: us-east-1, accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}, default: true${more} }
`);
  t.teardown(() => gateway.close());
  return gateway;
}

/** A vendor that answers each request as told. */
async function scripted(
  t: Test,
  script: (socket: Socket, index: number) => void,
  more = '',
): Promise<WireClient & { readonly vendor: RawUpstream; readonly port: number }> {
  const vendor = await rawUpstream(script);
  t.teardown(() => vendor.close());
  const { port } = await before(t, `127.0.0.1:${vendor.port}`, more);
  return { ...wireClient(t, { port }), vendor, port };
}

function errorText(status: number, code: string): string {
  return answerText(status, `<Error><Code>${code}</Code><Message>CANARY</Message></Error>`, {
    'content-type': 'application/xml',
  });
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createPortServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Listening on TCP gives an AddressInfo.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

t.test('ZMS-R21 absent is 404 with a document, and trouble is 503, never 500 and never 404', async (t) => {
  let next = '';
  const { ask } = await scripted(t, (socket) => void socket.write(next), ', retries: 0');
  const absent = [
    answerText(404, ''),
    errorText(404, 'NoSuchKey'),
    errorText(404, 'NoSuchObject'),
    errorText(404, 'NotFound'),
  ];
  for (const answer of absent) {
    next = answer;
    t.match(await ask('GET', 'bucket', 'key'), { status: 404, code: 'NoSuchKey', text: /^<\?xml/ }, answer);
  }
  for (const [status, code] of [
    [500, 'InternalError'],
    [502, 'BadGateway'],
    [503, 'SlowDown'],
    [503, 'ServerBusy'],
    [504, 'GatewayTimeout'],
    [429, 'TooManyRequests'],
  ] as const) {
    next = errorText(status, code);
    for (const [method, body] of [['GET'], ['PUT', Buffer.from('part')]] as const) {
      const answer = await ask(method, 'bucket', 'key', { ...(body && { body }) });
      t.match(answer, { status: 503, code: /^(SlowDown|ServiceUnavailable)$/ }, `${method} ${status}`);
      t.notMatch(answer.text, 'CANARY');
    }
  }
});

/** As Java's HttpURLConnection: all is written before anything is read. */
async function writeThenRead(port: number, head: string, body: Buffer): Promise<string> {
  const { text } = await exchange(port, Buffer.concat([Buffer.from(head, 'latin1'), body]));
  return text;
}

t.test('ZMS-R22 a refused upload can be read by a client that writes all of it first', async (t) => {
  const { port, presign } = await scripted(t, (socket) => void socket.write(errorText(507, 'InsufficientStorage')));
  // A part of Score's: more than any buffer on the way holds.
  const body = generatedBytes(20 * MiB, 22);
  const put = (target: string) =>
    writeThenRead(
      port,
      `PUT ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${body.length}\r\n\r\n`,
      body,
    );
  const full = await put(presign('PUT', 'bucket', 'data/id'));
  t.match(full, /^HTTP\/1\.1 503 /);
  t.match(full, '<Code>ServiceUnavailable</Code>');
  const expired = await put(presign('PUT', 'bucket', 'data/id', { expires: -5 }));
  t.match(expired, /^HTTP\/1\.1 403 /);
  t.match(expired, '<Code>AccessDenied</Code>');
});

t.test(
  'ZMS-R26 eight pods cost the vendor one read; later ones none; and with the vendor gone it still is there',
  async (t) => {
    const vendor = await startStandIn('other');
    const keys = `accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}`;
    const fields = `provider: other, endpoint: "${vendor.endpoint}", protocol: http, region: ${vendor.row.region}, retries: 0`;
    const gateway = await startTestGateway(`${CREDENTIALS}
storages: [{ name: vendor, ${fields}, ${keys}, default: true }]
buckets: [{ name: zadig-bkt, storage: vendor, bucket: real, cache: zadig }]
cache: { memory: 64MiB, verify: 0 }
`);
    t.teardown(() => gateway.close());
    const { ask } = wireClient(t, { port: gateway.port });
    await ask('PUT', 'real');
    const workspace = generatedBytes(3 * MiB, 26);
    t.match(await ask('GET', 'zadig-bkt', CACHE_KEY), { status: 404, code: 'NoSuchKey' }, 'the first build');
    // By the name that is not cached, so that nothing of it is here.
    t.equal((await ask('PUT', 'real', CACHE_KEY, { body: workspace })).status, 200);
    const bodies = () =>
      vendor.requests.filter(({ method, headers }) => method === 'GET' && headers['if-none-match'] === undefined)
        .length;
    const from = bodies();
    const round = () => Promise.all(Array.from({ length: 8 }, () => ask('GET', 'zadig-bkt', CACHE_KEY)));
    for (const { status, body } of await round()) t.ok(status === 200 && body.equals(workspace));
    t.equal(bodies() - from, 1, 'one read');
    const after = bodies();
    for (const { status, body } of await round()) t.ok(status === 200 && body.equals(workspace));
    t.equal(bodies(), after, 'the second round reads no bytes');
    const next = generatedBytes(2 * MiB, 27);
    await ask('PUT', 'zadig-bkt', CACHE_KEY, { body: next });
    t.ok((await ask('GET', 'zadig-bkt', CACHE_KEY)).body.equals(next), 'one’s own write is seen at once');
    await vendor.close();
    const stale = await ask('GET', 'zadig-bkt', CACHE_KEY);
    t.match(stale, { status: 200, headers: { 'x-sluice-cache': 'stale' } });
    t.ok(stale.body.equals(next));
    t.match(await ask('GET', 'zadig-bkt', 'wf-demo/12/log/a.log'), { status: 503 }, 'logs are not kept');
  },
);

t.test('ZMS-R23 nothing is asked for compressed, and no length gets lost', async (t) => {
  const text = 'text '.repeat(1000);
  const { ask, vendor } = await scripted(t, (socket) => {
    const wantsGzip = /accept-encoding:[^\r]*gzip/i.test(vendor.heads.at(-1) ?? '');
    const packed = gzipSync(text).toString('latin1');
    socket.write(
      wantsGzip
        ? answerText(200, packed, { etag: '"e"', 'content-encoding': 'gzip' })
        : answerText(200, text, { etag: '"e"' }),
    );
  });
  const headers = { 'accept-encoding': 'gzip' };
  const read = await ask('GET', 'bucket', 'key', { headers });
  t.match(read, { status: 200, text, headers: { 'content-length': String(text.length) } });
  t.equal(read.headers['content-encoding'], undefined);
});

t.test('ZMS-R29 a reader who leaves takes the vendor’s connection along, and ranges go on beside', async (t) => {
  const bytes = generatedBytes(MiB, 29);
  const left: Promise<number>[] = [];
  const { ask, open, vendor } = await scripted(t, (socket, index) => {
    const head = vendor.heads[index] ?? '';
    const range = /range: bytes=(\d+)-(\d+)/i.exec(head);
    if (range === null) {
      left.push(new Promise((resolve) => socket.once('close', () => resolve(performance.now()))));
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${100 * MiB}\r\nETag: "e"\r\n\r\n`);
      socket.write(bytes);
      return;
    }
    const [from, to] = [Number(range[1]), Number(range[2])];
    const part = bytes.subarray(from, to + 1);
    const headers = `Content-Length: ${part.length}\r\nContent-Range: bytes ${from}-${to}/${100 * MiB}\r\nETag: "e"`;
    socket.write(`HTTP/1.1 206 Partial\r\n${headers}\r\n\r\n`);
    socket.write(part);
  });
  const whole = await open('GET', 'bucket', 'model.bin');
  whole.on('error', () => undefined);
  await once(whole, 'readable');
  const started = performance.now();
  whole.destroy();
  t.ok(((await left[0]) ?? Number.POSITIVE_INFINITY) - started < 1000, 'within a second');
  const starts = Array.from({ length: 10 }, (_, index) => index * 1000);
  const parts = await Promise.all(
    starts.map((from) =>
      ask('GET', 'bucket', 'model.bin', { headers: { range: `bytes=${from}-${from + 999}`, 'if-match': '"e"' } }),
    ),
  );
  for (const [index, { status, body }] of parts.entries()) {
    const from = index * 1000;
    t.ok(status === 206 && body.equals(bytes.subarray(from, from + 1000)));
  }
});

t.test(
  'Z11 with the vendor down every request ends in an error of S3, soon, and none looks like an absent object',
  async (t) => {
    const { port } = await before(t, `127.0.0.1:${await closedPort()}`);
    const { ask } = wireClient(t, { port });
    const started = performance.now();
    // As often as Zadig and its SDK ask for one cache.
    for (let attempt = 0; attempt < 12; attempt++) {
      t.match(await ask('GET', 'zadig-bkt', CACHE_KEY), { status: 503, code: /^(SlowDown|ServiceUnavailable)$/ });
    }
    t.ok(performance.now() - started < 12_000, 'a second for each at most');
    const body = generatedBytes(3 * MiB, 11);
    t.match(await ask('PUT', 'zadig-bkt', CACHE_KEY, { body, expects: true }), { status: 503 });
    t.match(await ask('POST', 'zadig-bkt', 'data/id', { query: 'uploads' }), { status: 503 });
    t.match(await ask('GET', 'zadig-bkt', undefined, { query: 'prefix=' }), { status: 503 });
    t.equal((await ask('HEAD', 'zadig-bkt', CACHE_KEY)).status, 503);
  },
);

t.test('Z11 a vendor that says nothing is given up, and a PUT to it is sent once', async (t) => {
  const { ask, vendor } = await scripted(t, () => undefined, ', retries: 0, idleTimeout: 300ms');
  t.match(await ask('GET', 'zadig-bkt', CACHE_KEY), { status: 503 });
  const before = vendor.heads.length;
  t.match(await ask('PUT', 'zadig-bkt', 'log', { body: generatedBytes(2 * MiB, 1) }), { status: 503 });
  t.equal(vendor.heads.length - before, 1);
});

t.test('Z4 a workspace that is cut short never looks whole', async (t) => {
  const { ask } = await scripted(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${3 * MiB}\r\nETag: "e"\r\n\r\n`);
    socket.end(generatedBytes(MiB, 4));
  });
  await t.rejects(ask('GET', 'zadig-bkt', CACHE_KEY), 'the connection breaks: Zadig unpacks nothing and builds afresh');
});

/** What the Score client does with an answer (AmazonS3RetryableResponseErrorHandler). */
function scoreDoes({ status }: WireAnswer): 'done' | 'retry' | 'stop' | 'abort all' {
  if (status < 300) return 'done';
  if (status === 500) return 'abort all';
  return status === 404 || status === 403 ? 'stop' : 'retry';
}

t.test('S12 Score tries a part again that the vendor failed, and then it is stored once', async (t) => {
  const vendor = await startStandIn('other');
  t.teardown(() => vendor.close());
  let failures = 2;
  const failing = await rawUpstream((socket) => void socket.end(errorText(500, 'InternalError')));
  t.teardown(() => failing.close());
  const down = await before(t, `127.0.0.1:${failing.port}`, ', retries: 0');
  const up = await before(t, vendor.endpoint, '');
  const [broken, whole] = [wireClient(t, { port: down.port }), wireClient(t, { port: up.port })];
  t.equal((await whole.ask('PUT', 'bucket')).status, 200);
  const body = generatedBytes(MiB, 12);
  const outcomes: string[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const answer = await (failures-- > 0 ? broken : whole).ask('PUT', 'bucket', 'data/id', { body });
    outcomes.push(scoreDoes(answer));
    if (answer.status === 200) {
      t.equal(answer.headers.etag, `"${md5Hex(body)}"`);
      break;
    }
  }
  t.strictSame(outcomes, ['retry', 'retry', 'done']);
});

t.test('M an upload that breaks off stores nothing, and what was there stays', async (t) => {
  const vendor = await startStandIn('other');
  t.teardown(() => vendor.close());
  const { port } = await before(t, vendor.endpoint);
  const client = wireClient(t, { port });
  await client.ask('PUT', 'bucket');
  t.equal((await client.ask('PUT', 'bucket', 'log', { body: Buffer.from('old') })).status, 200);
  const { target, headers, body } = client.sign('PUT', 'bucket', 'log', { body: generatedBytes(MiB, 30) });
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`PUT ${target} HTTP/1.1\r\n${head.join('')}\r\n`);
  socket.write(body.subarray(0, 300_000), () => socket.destroy());
  await once(socket, 'close');
  t.equal((await client.ask('GET', 'bucket', 'log')).text, 'old');
});
