import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import t from 'tap';
import { S3Error } from '../../src/s3/error.ts';
import { headersOf } from '../../src/s3/headers.ts';
import { startEcho } from '../support/echo-server.ts';
import { exchange } from '../support/raw-socket.ts';

const HOST = 'Host: localhost\r\n';

t.test('sends 100 Continue only when the body is asked for', async (t) => {
  const server = await startEcho({
    handler: async (request) => {
      if (request.key === 'refused') throw new S3Error('AccessDenied');
      for await (const _ of request.body as Readable);
      return { status: 200, headers: headersOf({ 'content-length': '0' }), body: null };
    },
  });
  t.teardown(() => server.close(0));
  const head = (key: string) => `PUT /bkt/${key} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
  const refused = await exchange(server.port, head('refused'));
  t.equal(refused.status, 403);
  t.notMatch(refused.text, /100 Continue/);
  const socket = connect(server.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write(head('taken'));
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 100 Continue\r\n\r\n$/);
  socket.write('abc');
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 OK/);
});

t.test('H34 tolerates other expectations', async (t) => {
  const server = await startEcho();
  t.teardown(() => server.close(0));
  const answer = await exchange(
    server.port,
    `PUT /bkt/k HTTP/1.1\r\n${HOST}Expect: miracles\r\nContent-Length: 3\r\n\r\nabc`,
  );
  t.equal(answer.status, 200);
});

t.test('H17 R22 a refused upload gets its answer, then the connection ends', async (t) => {
  const server = await startEcho({ handler: async () => Promise.reject(new S3Error('NoSuchBucket')) });
  t.teardown(() => server.close(0));
  const size = 8 * 1024 * 1024;
  const head = `PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`;
  const answer = await exchange(server.port, Buffer.concat([Buffer.from(head), Buffer.alloc(size)]), {
    untilClose: true,
  });
  t.equal(answer.code, 'NoSuchBucket');
  t.match(answer.text, /\r\nconnection: close\r\n/i);
});

t.test('H18 nothing is read from behind a request that was refused by the parser', async (t) => {
  const server = await startEcho();
  t.teardown(() => server.close(0));
  const bad = `PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: x\r\n\r\n`;
  const answer = await exchange(server.port, `${bad}GET /bkt/smuggled HTTP/1.1\r\n${HOST}\r\n`, { untilClose: true });
  t.equal(answer.status, 400);
  t.strictSame(server.requests, []);
});

t.test('R12 a client that stops early fails the body, and there is no answer that looks fine', async (t) => {
  const failures: unknown[] = [];
  const server = await startEcho({
    handler: async (request) => {
      try {
        for await (const _ of request.body as Readable);
      } catch (error) {
        failures.push(error);
        throw error;
      }
      return { status: 200, headers: headersOf({}), body: null };
    },
  });
  t.teardown(() => server.close(0));
  for (const end of ['end', 'resetAndDestroy'] as const) {
    const ended = server.nextRecord();
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(`PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`, () => socket[end]());
    await ended;
    t.match(failures.pop(), { code: 'IncompleteBody' }, end);
    socket.destroy();
  }
});

t.test('a short or failing answer destroys the socket', async (t) => {
  const bodies: Record<string, () => Readable> = {
    short: () => Readable.from([Buffer.from('abc')]),
    failing: () =>
      Readable.from(
        (async function* () {
          yield Buffer.from('abc');
          throw new Error('the disk is gone');
        })(),
      ),
    long: () => Readable.from([Buffer.alloc(11)]),
  };
  const server = await startEcho({
    handler: async ({ key = '' }) => ({
      status: 200,
      headers: headersOf({ 'content-length': '10' }),
      body: bodies[key]?.() ?? null,
    }),
  });
  t.teardown(() => server.close(0));
  for (const name of Object.keys(bodies)) {
    const answer = await exchange(server.port, `GET /bkt/${name} HTTP/1.1\r\n${HOST}\r\n`, { untilClose: true });
    t.ok(answer.isClosed, name);
    t.not(answer.text.split('\r\n\r\n')[1]?.length, 10, 'never a body of the announced length');
  }
});

t.test('R13 a client that leaves aborts the request, and its body is destroyed', async (t) => {
  let body: Readable | undefined;
  let signal: AbortSignal | undefined;
  const server = await startEcho({
    handler: async (request) => {
      signal = request.signal;
      body = new Readable({
        read() {
          this.push(Buffer.alloc(65_536));
        },
      });
      return { status: 200, headers: headersOf({}), body };
    },
  });
  t.teardown(() => server.close(0));
  const ended = server.nextRecord();
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET /bkt/k HTTP/1.1\r\n${HOST}\r\n`);
  await once(socket, 'data');
  socket.destroy();
  await ended;
  t.ok(signal?.aborted);
  t.ok(body?.destroyed);
});

t.test('R13 a request whose client has left is no failure of ours', async (t) => {
  const server = await startEcho({
    handler: ({ signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  t.teardown(() => server.close(0));
  const ended = server.nextRecord();
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET /bkt/k HTTP/1.1\r\n${HOST}\r\n`);
  await once(server.arrivals, 'request');
  socket.destroy();
  t.match(await ended, { status: 0, isClientGone: true });
});

t.test('counts the bytes of heads and bodies, also behind the first request of a connection', async (t) => {
  const server = await startEcho();
  t.teardown(() => server.close(0));
  const request = `PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`;
  const socket = connect(server.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  for (let round = 0; round < 2; round++) {
    const ended = server.nextRecord();
    socket.write(request);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    t.match(await ended, { bytesReceived: request.length, bytesSent: answer.length });
  }
});

t.test('R15 an upload that stands still ends with RequestTimeout', async (t) => {
  const server = await startEcho({ idleMs: 50 });
  t.teardown(() => server.close(0));
  const answer = await exchange(server.port, `PUT /bkt/k HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\nabc`);
  t.equal(answer.code, 'RequestTimeout');
});

t.test('HEAD has the headers of the answer and no body, errors too', async (t) => {
  const server = await startEcho({
    handler: async ({ key }) => {
      if (key === 'missing') throw new S3Error('NoSuchKey');
      return { status: 200, headers: headersOf({ 'content-length': '10' }), body: null };
    },
  });
  t.teardown(() => server.close(0));
  for (const [key, status] of [
    ['k', 200],
    ['missing', 404],
  ] as const) {
    const answer = await exchange(server.port, `HEAD /bkt/${key} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, {
      untilClose: true,
    });
    t.equal(answer.status, status);
    t.equal(answer.text.split('\r\n\r\n')[1], '');
  }
});

t.test('R36 closing lets a request under way finish and takes no new one', async (t) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let arrived = () => {};
  const inside = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = await startEcho({
    handler: async () => {
      arrived();
      await released;
      return { status: 200, headers: headersOf({ 'content-length': '0' }), body: null };
    },
  });
  const running = exchange(server.port, `GET /bkt/k HTTP/1.1\r\n${HOST}\r\n`, { untilClose: true });
  await inside;
  const closed = server.close(10_000);
  await t.rejects(exchange(server.port, `GET /bkt/k HTTP/1.1\r\n${HOST}\r\n`), { code: 'ECONNREFUSED' });
  release();
  const answer = await running;
  t.equal(answer.status, 200);
  t.match(answer.text, /\r\nconnection: close\r\n/i);
  await closed;
});

t.test('I5 every request ends in exactly one record, and InternalError says nothing of its cause', async (t) => {
  const server = await startEcho({ handler: async () => Promise.reject(new Error('secret-of-the-house')) });
  t.teardown(() => server.close(0));
  const answer = await exchange(server.port, `GET /bkt/k HTTP/1.1\r\n${HOST}\r\n`);
  t.equal(answer.code, 'InternalError');
  t.notMatch(answer.text, /secret-of-the-house/);
  t.equal(server.records.length, 1);
  t.match(server.records[0], { status: 500, operation: 'GetObject', error: { message: 'secret-of-the-house' } });
});
