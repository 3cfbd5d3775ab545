import { Readable } from 'node:stream';
import t from 'tap';
import { headersOf } from '../../src/s3/headers.ts';
import { startEcho } from '../support/echo-server.ts';
import { wireClient } from '../support/wire-client.ts';

t.test('a name beyond ASCII in Content-Disposition comes through, wherever it stands', async (t) => {
  const utf8 = Buffer.from('attachment; filename="żółć.txt"').toString('latin1');
  const server = await startEcho({
    handler: async () => ({
      status: 200,
      headers: headersOf({ 'content-length': '5', 'content-disposition': utf8, 'content-type': 'a/b' }),
      body: Buffer.from('hello'),
    }),
  });
  t.teardown(() => server.close(0));
  const answer = await wireClient(t, server).ask('GET', 'bucket', 'key');
  t.equal(answer.status, 200);
  t.equal(answer.text, 'hello');
  t.equal(answer.headers['content-length'], '5');
  t.equal(answer.headers['content-disposition'], utf8);
});

t.test('an answer that cannot be written ends its connection, and nothing else', async (t) => {
  const body = new Readable({
    read() {
      this.push('x');
    },
    // As the HTTP client's bodies do when they are destroyed before their end.
    destroy: (error, done) => done(error ?? new Error('aborted')),
  });
  let asked = 0;
  const server = await startEcho({
    handler: async () => {
      asked++;
      if (asked > 1) return { status: 200, headers: new Map(), body: null };
      return { status: 200, headers: headersOf({ 'x-amz-meta-a': 'line\nbreak' }), body };
    },
  });
  t.teardown(() => server.close(0));
  const client = wireClient(t, server);
  await t.rejects(client.ask('GET', 'bucket', 'key'));
  t.ok(body.destroyed);
  t.equal((await client.ask('GET', 'bucket', 'key')).status, 200);
});
