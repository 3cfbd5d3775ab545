import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import t from 'tap';
import { startServer } from '../../src/http/server.ts';

const MiB = 2 ** 20;

t.test('bytes are told of in both directions', async (t) => {
  let spent = 0;
  const body = async () => Readable.from(Array.from({ length: 16 }, () => Buffer.alloc(64 * 1024)));
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    settings: () => ({
      handler: async ({ body: upload }) => {
        if (upload instanceof Readable) for await (const _ of upload);
        return { status: 200, headers: new Map([['content-length', String(MiB)]]), body: await body() };
      },
      domains: [],
      isTrustedProxy: () => false,
    }),
    onRequest: () => undefined,
    spend: (bytes) => {
      spent += bytes;
    },
  });
  t.teardown(() => server.close(0));
  const message = request({
    port: server.port,
    path: '/bucket/key',
    method: 'PUT',
    headers: { 'content-length': MiB },
  });
  message.end(Buffer.alloc(MiB));
  const [response] = await once(message, 'response');
  let received = 0;
  for await (const chunk of response) received += chunk.length;
  t.equal(received, MiB);
  t.equal(spent, 2 * MiB);
});
