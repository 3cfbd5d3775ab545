import { truncateSync } from 'node:fs';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { spaceOf } from '../../../src/cache/disk/entry-index.ts';
import { cached, gate, send } from '../../support/cached.ts';
import { filesOf } from '../../support/disk-damage.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { generatedBytes } from '../../support/generated.ts';
import { s3Request } from '../../support/s3-request.ts';

t.test('what was kept counts once, however long a slow reader follows it', async (t) => {
  const size = 4_000_000;
  const disk = { path: diskFolder(t), size: 6 * size, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk, memory: 1000 });
  vendor.put('key', generatedBytes(size, 1));
  const { body } = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }));
  await cache.idle();
  t.equal(cache.stats().counters.fillsKept, 1);
  t.equal(cache.usage().disk?.bytes, spaceOf(size), 'while a reader has its file open');
  if (body !== null && 'destroy' in body) body.destroy();
  await cache.idle();
  t.equal(cache.usage().disk?.bytes, spaceOf(size), 'and afterwards');
});

t.test('R42 a file that is spoilt while it is being written gives nobody false bytes', async (t) => {
  const disk = { path: diskFolder(t), size: 64_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk, memory: 1000 });
  const bytes = generatedBytes(4_000_000, 1);
  vendor.put('key', bytes);
  const rest = gate();
  vendor.interfere = (request) =>
    request.headers.has('range')
      ? undefined
      : { body: (body) => Readable.from(heldUp(body, rest.opened), { objectMode: false }) };
  const first = send(handler, { key: 'key' });
  while (vendor.bytesSent() < 3_000_000) await turn();
  for (const path of filesOf(disk.path)) truncateSync(path, 10);
  const second = send(handler, { key: 'key' });
  rest.open();
  t.ok((await second).bytes.equals(bytes), 'who follows from the start');
  t.ok((await first).bytes.equals(bytes));
  await cache.idle();
  t.ok((await send(handler, { key: 'key' })).bytes.equals(bytes), 'who comes later');
});

async function* heldUp(body: Readable, opened: Promise<void>): AsyncIterable<Buffer> {
  let sent = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sent += chunk.length;
    if (sent > 3_000_000) await opened;
    yield chunk;
  }
}
