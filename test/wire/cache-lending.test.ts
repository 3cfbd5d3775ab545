import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import t, { type Test } from 'tap';
import { startServer } from '../../src/http/server.ts';
import { generator } from '../support/cache-history.ts';
import { cached } from '../support/cached.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { generatedBytes } from '../support/generated.ts';
import { selfSigned } from '../support/self-signed.ts';

/** Memory of bytes from disk is used again once the socket has them. Nobody may ever see another's. */

const SIZES = [700_000, 3_000_001, 9_000_000, 20_000_000];

async function start(test: Test, isSecure: boolean) {
  const path = diskFolder(test);
  const rules = [{ match: '**', mode: 'immutable' as const }];
  // Hardly any memory: everything comes from disk.
  const { vendor, handler, cache } = await cached(test, {
    rules,
    memory: 1000,
    disk: { path, size: 2 ** 30, minFree: 0 },
  });
  const tls = isSecure ? await selfSigned(test.testdir(), 'localhost') : undefined;
  const server = await startServer({
    host: '127.0.0.1',
    port: 0,
    ...(tls && { tls }),
    settings: () => ({ handler, domains: [], isTrustedProxy: () => false }),
    onRequest: () => undefined,
  });
  test.teardown(() => server.close(0));
  const open = async (key: string, headers: Record<string, string>): Promise<IncomingMessage> => {
    const options = { port: server.port, host: '127.0.0.1', path: `/bucket/${key}`, headers, agent: false } as const;
    const message = isSecure ? secureRequest({ ...options, rejectUnauthorized: false }) : request(options);
    const [response] = (await once(message.end(), 'response')) as [IncomingMessage];
    return response;
  };
  return { vendor, cache, open };
}

for (const scheme of ['http', 'https']) {
  t.test(`many readers of many objects over ${scheme}, slow, fast and leaving, each get their own bytes`, async (t) => {
    const { vendor, cache, open } = await start(t, scheme === 'https');
    const objects = SIZES.map((size, seed) => generatedBytes(size, seed));
    for (const [index, bytes] of objects.entries()) {
      vendor.put(`key-${index}`, bytes);
      (await open(`key-${index}`, {})).resume();
      await cache.idle();
    }
    const random = generator(3);
    let left = 0;
    const readOne = async (): Promise<void> => {
      const index = Math.floor(random() * objects.length);
      const bytes = objects[index] ?? Buffer.alloc(0);
      const start = random() < 0.5 ? 0 : Math.floor(random() * bytes.length);
      const end = random() < 0.5 ? bytes.length - 1 : start + Math.floor(random() * (bytes.length - start));
      const response = await open(`key-${index}`, { range: `bytes=${start}-${end}` });
      const leavesAt = random() < 0.2 ? start + random() * (end - start) : Number.POSITIVE_INFINITY;
      const isSlow = random() < 0.5;
      t.equal(response.headers['x-sluice-cache'], 'hit');
      let position = start;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (!chunk.equals(bytes.subarray(position, position + chunk.length))) {
          t.fail(`key-${index} at ${position}: other bytes`);
        }
        position += chunk.length;
        if (isSlow && random() < 0.1) await new Promise(setImmediate);
        if (position < leavesAt) continue;
        left++;
        return;
      }
      t.equal(position, end + 1);
    };
    for (let round = 0; round < 2; round++) await Promise.all(Array.from({ length: 16 }, readOne));
    t.ok(left > 2, `${left} left`);
    t.equal(cache.stats().counters.damaged, 0);
  });
}

t.test('many readers of objects on their way, slow, fast and leaving, each get the right bytes', async (t) => {
  const { vendor, cache, open } = await start(t, false);
  const random = generator(5);
  for (const [index, size] of [3_000_001, 40_000_000].entries()) {
    const bytes = generatedBytes(size, index);
    vendor.put(`key-${index}`, bytes);
    const read = async (): Promise<void> => {
      const start = random() < 0.6 ? 0 : Math.floor(random() * size);
      const leavesAt = random() < 0.2 ? start + random() * (size - start) : Number.POSITIVE_INFINITY;
      const isSlow = random() < 0.5;
      const response = await open(`key-${index}`, { range: `bytes=${start}-` });
      let position = start;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (!chunk.equals(bytes.subarray(position, position + chunk.length))) t.fail(`at ${position}: other bytes`);
        position += chunk.length;
        if (isSlow && random() < 0.1) await new Promise(setImmediate);
        if (position >= leavesAt) return;
      }
      t.equal(position, size);
    };
    await Promise.all(Array.from({ length: 12 }, read));
    await cache.idle();
    t.match(cache.stats().counters, { fillsKept: index + 1, fillsFailed: 0 });
  }
});
