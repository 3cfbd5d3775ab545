import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import { peerFilter } from '../../src/http/peer-filter.ts';
import { headersOf } from '../../src/s3/headers.ts';
import { startEcho } from '../support/echo-server.ts';
import { exchange } from '../support/raw-socket.ts';

const server = await startEcho();
t.teardown(() => server.close(0));

const HOST = 'Host: localhost\r\n';

/** Each request is refused with this status and code, and never reaches the handler. */
const REFUSED: Readonly<Record<string, readonly [request: string, status: number, code?: string]>> = {
  'H01 CL and TE': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  'H02 TE and CL': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`, 400],
  'H03 two Content-Lengths': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`, 400],
  'H03 the same Content-Length twice': [
    `PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
  ],
  'H04 signed Content-Length': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: +3\r\n\r\nabc`, 400],
  'H04 negative Content-Length': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, 400],
  'H04 list in Content-Length': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 3, 3\r\n\r\nabc`, 400],
  'H05 unknown transfer coding': [`PUT /bkt/k HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n`, 400],
  'H06 gzip, chunked': [
    `PUT /bkt/k HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
    'NotImplemented',
  ],
  'H07 HTTP/1.0 with TE': [
    'PUT /bkt/k HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'InvalidRequest',
  ],
  'H08 space before colon': ['GET /bkt/k HTTP/1.1\r\nHost : localhost\r\n\r\n', 400],
  'H09 folded header': [`GET /bkt/k HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`, 400],
  'H11 NUL in a header': [`GET /bkt/k HTTP/1.1\r\n${HOST}X-A: b\0c\r\n\r\n`, 400],
  'H12 two Hosts': ['GET /bkt/k HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n', 400, 'InvalidArgument'],
  'H12 no Host in HTTP/1.0': ['GET /bkt/k HTTP/1.0\r\n\r\n', 400, 'InvalidRequest'],
  'H12 no Host in HTTP/1.1': ['GET /bkt/k HTTP/1.1\r\n\r\n', 400, 'InvalidRequest'],
  'H13 absolute-form target': [`GET http://localhost/bkt/k HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidURI'],
  'H13 OPTIONS *': [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidURI'],
  'H13 authority-form target': [`CONNECT localhost:443 HTTP/1.1\r\n${HOST}\r\n`, 405, 'MethodNotAllowed'],
  'H14 fragment': [`GET /bkt/k#x HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidURI'],
  'H15 backslash': [`GET /bkt\\k HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidURI'],
  'H16 raw UTF-8 target': [`GET /bkt/\xc3\xa9 HTTP/1.1\r\n${HOST}\r\n`, 400],
  'H25 101 headers': [
    `GET /bkt/k HTTP/1.1\r\n${HOST}${'X-A: b\r\n'.repeat(100)}\r\n`,
    400,
    'RequestHeaderSectionTooLarge',
  ],
  'H26 Content-Length behind a thousand headers': [
    `PUT /bkt/k HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(1100)}Content-Length: 3\r\n\r\nabc`,
    400,
    'RequestHeaderSectionTooLarge',
  ],
  'H32 header of 17 KiB': [
    `GET /bkt/k HTTP/1.1\r\n${HOST}X-A: ${'b'.repeat(17_000)}\r\n\r\n`,
    400,
    'RequestHeaderSectionTooLarge',
  ],
  'A13 Authorization twice': [
    `GET /bkt/k HTTP/1.1\r\n${HOST}Authorization: a\r\nAuthorization: b\r\n\r\n`,
    400,
    'InvalidArgument',
  ],
  'A25 Host with userinfo': ['GET /bkt/k HTTP/1.1\r\nHost: a@localhost\r\n\r\n', 400, 'InvalidRequest'],
  'a broken percent sequence': [`GET /bkt/%zz HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidURI'],
  'a bucket name S3 refuses': [`GET /b HTTP/1.1\r\n${HOST}\r\n`, 400, 'InvalidBucketName'],
  'a key of 1,025 bytes': [`GET /bkt/${'k'.repeat(1025)} HTTP/1.1\r\n${HOST}\r\n`, 400, 'KeyTooLongError'],
  'a method S3 does not have': [`PATCH /bkt/k HTTP/1.1\r\n${HOST}\r\n`, 405, 'MethodNotAllowed'],
  'OPTIONS without CORS': [`OPTIONS /bkt/k HTTP/1.1\r\n${HOST}\r\n`, 403, 'AccessForbidden'],
};

for (const [name, [request, status, code]] of Object.entries(REFUSED)) {
  t.test(`${name} is refused as S3 XML`, async (t) => {
    const before = server.requests.length;
    const answer = await exchange(server.port, request);
    t.equal(answer.status, status);
    t.match(answer.text, /<Error><Code>\w+<\/Code>/);
    if (code !== undefined) t.equal(answer.code, code);
    t.match(answer.text, /\r\nx-amz-request-id: [0-9A-F]{16}\r\n/i);
    t.equal(server.requests.length, before);
  });
}

t.test('H18 H28 what the parser refuses behind a request is never written into its answer', async (t) => {
  const half = Buffer.alloc(50, 'b');
  const server = await startEcho({
    handler: async ({ key }) => ({
      status: 200,
      headers: headersOf({ 'content-length': '100' }),
      body: key === 'streams' ? Readable.from(chunks(half)) : null,
    }),
  });
  t.teardown(() => server.close(0));
  let isRefused = (): void => {};
  const refused = new Promise<void>((resolve) => {
    isRefused = resolve;
  });
  async function* chunks(chunk: Buffer) {
    yield chunk;
    await refused;
    yield chunk;
  }
  const socket = connect(server.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  socket.write(`GET /bkt/streams HTTP/1.1\r\n${HOST}\r\n`);
  await once(socket, 'data');
  socket.write('no request\r\n\r\n');
  await once(socket, 'end');
  isRefused();
  const text = Buffer.concat(received).toString('latin1');
  t.match(text, /^HTTP\/1.1 200 OK\r\n/);
  t.match(text, /\r\n\r\nb{0,50}$/, 'less than was announced, and nothing else');
});

t.test('H10 bare line feeds do not frame a second request', async (t) => {
  const answer = await exchange(
    server.port,
    'GET /bkt/k HTTP/1.1\nHost: localhost\n\nGET /bkt/l HTTP/1.1\r\nHost: localhost\r\n\r\n',
  );
  t.equal(answer.status, 400);
});

t.test('H19 chunk sizes that are no hex number are refused', async (t) => {
  const answer = await exchange(
    server.port,
    `PUT /bkt/k HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`,
  );
  t.equal(answer.status, 400);
});

t.test('H20 the body of a GET is not handed on, and the next request is read from behind it', async (t) => {
  const answer = await exchange(server.port, `GET /bkt/one HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`);
  t.equal(answer.status, 200);
  t.equal(server.requests.at(-1)?.body, null);
});

t.test('H27 D16 header names that objects have are names like any other', async (t) => {
  const answer = await exchange(
    server.port,
    `GET /bkt/k HTTP/1.1\r\n${HOST}__proto__: x\r\nconstructor: y\r\n0: z\r\n\r\n`,
  );
  t.equal(answer.status, 200);
  t.equal(server.requests.at(-1)?.headers.get('__proto__'), 'x');
});

t.test('H30 an upgrade is not taken up', async (t) => {
  const answer = await exchange(
    server.port,
    `GET /bkt/k HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  );
  t.equal(answer.status, 200);
});

t.test('keeps the path as it was sent', async (t) => {
  const path = '/bkt/a/../b//%2e%2E/./c%2fd+e%20f/';
  await exchange(server.port, `GET ${path}?x=1 HTTP/1.1\r\n${HOST}\r\n`);
  const request = server.requests.at(-1);
  t.equal(request?.rawPath, path);
  t.equal(request?.key, 'a/../b//../.' + '/c/d+e f/');
});

t.test('A22 A23 X-Forwarded-Host counts only from a trusted peer', async (t) => {
  const request = `GET /k HTTP/1.1\r\nHost: inner\r\nX-Forwarded-Host: evil.localhost, bkt.localhost\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n\r\n`;
  const answer = await exchange(server.port, request);
  t.equal(answer.code, 'InvalidBucketName', 'the path alone counts');
  const trusting = await startEcho({ isTrustedProxy: peerFilter(['127.0.0.0/8']) });
  t.teardown(() => trusting.close(0));
  await exchange(trusting.port, request);
  const [seen] = trusting.requests;
  t.match(seen, { bucket: 'bkt', key: 'k', scheme: 'https', peer: '5.6.7.8', addressing: 'virtual' });
  t.equal(seen?.headers.get('host'), 'bkt.localhost');
});
