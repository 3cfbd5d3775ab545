import type { Readable } from 'node:stream';
import t from 'tap';
import { createPace } from '../../../src/cache/pace.ts';
import { generator } from '../../support/cache-history.ts';
import { cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';
import { s3Request } from '../../support/s3-request.ts';

t.test('a pace is steady: no stretch of time sees more than the rate and one burst', async (t) => {
  const random = generator(11);
  const rate = 1_000_000;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  let now = 1_000;
  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      sleepers.push({ at: now + ms, wake: resolve });
    });
  const pace = createPace({ rate, signal: new AbortController().signal, now: () => now, sleep });
  const came: { readonly at: number; readonly bytes: number }[] = [];
  let running = 4;
  const read = async (): Promise<void> => {
    for (let chunk = 0; chunk < 60; chunk++) {
      // Now and then nothing is there to be fetched for a second.
      if (random() < 0.05) await sleep(1000);
      const bytes = 1 + Math.floor(random() * 65_536);
      await pace(bytes);
      came.push({ at: now, bytes });
    }
    running--;
  };
  const reading = Promise.all([1, 2, 3, 4].map(read));
  while (running > 0) {
    await new Promise(setImmediate);
    sleepers.sort((a, b) => b.at - a.at);
    const next = sleepers.pop();
    if (next === undefined) continue;
    now = Math.max(now, next.at);
    next.wake();
  }
  await reading;
  const most = 65_536;
  for (const [index, from] of came.entries()) {
    let bytes = 0;
    for (const to of came.slice(index)) {
      bytes += to.bytes;
      const allowed = ((to.at - from.at) / 1000 + 0.1) * rate + most;
      if (bytes > allowed + 1) t.fail(`${bytes} bytes in ${to.at - from.at} ms`);
    }
  }
  const total = came.reduce((sum, { bytes }) => sum + bytes, 0);
  t.ok(now - 1_000 >= (total / rate) * 1000 - 200, 'all of it took its time');
});

t.test('an object that is fetched at a pace waits for it, until a client wants it too', async (t) => {
  const { vendor, handler, cache } = await cached(t, { memory: 512 * 2 ** 20 });
  const bytes = generatedBytes(40 * 2 ** 20, 1);
  vendor.put('key', bytes);
  const waits = gate();
  let paced = 0;
  const pace = async (count: number): Promise<void> => {
    paced += count;
    if (paced > 1_000_000) await waits.opened;
  };
  const slow = await handler({ ...s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }), pace });
  // An object of this size is a stream.
  const reading = (slow.body as Readable).toArray();
  while (paced <= 1_000_000) await new Promise(setImmediate);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  t.ok(vendor.bytesSent() < 1_500_000, `${vendor.bytesSent()} bytes have come`);
  t.notOk(
    vendor.requests.some(({ headers }) => headers.has('range')),
    'over one connection',
  );
  const quick = await send(handler, { key: 'key' });
  t.ok(quick.bytes.equals(bytes), 'it need not wait for the pace');
  t.equal(Buffer.concat((await reading) as Buffer[]).length, bytes.length);
  await cache.idle();
  waits.open();
});

t.test('what is not kept comes at its pace as well', async (t) => {
  const { vendor, handler } = await cached(t);
  vendor.put('key', generatedBytes(300_000, 1), { 'cache-control': 'no-store' });
  let paced = 0;
  const pace = async (count: number): Promise<void> => {
    paced += count;
  };
  const response = await handler({ ...s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }), pace });
  await (response.body as Readable).toArray();
  t.equal(paced, 300_000);
});
