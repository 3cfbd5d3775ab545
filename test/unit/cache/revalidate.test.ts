import t from 'tap';
import { cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';

t.test('the first read is a miss, the next costs the storage one request and no bytes', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  const bytes = generatedBytes(300_000, 1);
  vendor.put('key', bytes, { 'content-type': 'text/plain', 'x-amz-meta-color': 'blue' });
  const first = await send(handler, { key: 'key' });
  await cache.idle();
  const second = await send(handler, { key: 'key' });
  t.equal(first.result, 'miss');
  t.equal(second.result, 'revalidated');
  t.ok(first.bytes.equals(bytes));
  t.ok(second.bytes.equals(bytes));
  t.strictSame(vendor.seen, ['GET key', 'GET key if changed']);
  t.equal(vendor.bytesSent(), bytes.length);
  for (const name of ['content-type', 'x-amz-meta-color', 'etag', 'last-modified', 'content-length'])
    t.equal(second.headers.get(name), first.headers.get(name), name);
});

t.test('what changed behind its back is seen by the next read', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', 'one');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.put('key', 'two');
  const read = await send(handler, { key: 'key' });
  t.equal(read.bytes.toString(), 'two');
  t.equal(read.result, 'miss');
  vendor.delete('key');
  t.match(await send(handler, { key: 'key' }), { status: 404, code: 'NoSuchKey' });
});

t.test('new metadata under the same bytes is seen by the next read', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', 'same', { 'x-amz-meta-color': 'blue' });
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.put('key', 'same', { 'x-amz-meta-color': 'red' });
  t.equal((await send(handler, { key: 'key' })).headers.get('x-amz-meta-color'), 'red');
});

t.test('K07 a PUT is seen at once, and its bytes are here without being fetched', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  await send(handler, { method: 'PUT', key: 'key', body: 'one' });
  await cache.idle();
  t.match(await send(handler, { key: 'key' }), { result: 'revalidated', bytes: Buffer.from('one') });
  await send(handler, { method: 'PUT', key: 'key', body: 'two', headers: { 'content-type': 'text/plain' } });
  t.match(await send(handler, { key: 'key' }), { bytes: Buffer.from('two') });
  await cache.idle();
  const read = await send(handler, { key: 'key' });
  t.match(read, { result: 'revalidated', bytes: Buffer.from('two') });
  t.equal(read.headers.get('content-type'), 'text/plain');
  t.equal(vendor.bytesSent() <= 3, true, 'at most the read that overtook the background was fetched');
});

t.test('K08 a fill that a write overtakes is not kept', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', 'old');
  const [held, asked] = [gate(), gate()];
  const after = () => {
    asked.open();
    return held.opened;
  };
  vendor.interfere = ({ method }) => (method === 'GET' ? { after } : undefined);
  const reading = send(handler, { key: 'key' });
  await asked.opened;
  vendor.interfere = undefined;
  await send(handler, { method: 'PUT', key: 'key', body: 'new' });
  held.open();
  t.equal((await reading).bytes.toString(), 'old', 'it began before the write');
  await cache.idle();
  const [entry] = [...cache.store.entries()];
  t.equal(entry?.etag, vendor.get('key')?.etag);
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'new');
});

t.test('a request uses only an answer that was asked for after it came', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', 'old');
  await send(handler, { key: 'key' });
  await cache.idle();
  const [held, asked] = [gate(), gate()];
  const after = () => {
    asked.open();
    return held.opened;
  };
  vendor.interfere = () => ({ after });
  const early = send(handler, { key: 'key' });
  await asked.opened;
  vendor.interfere = undefined;
  vendor.put('key', 'new');
  const late = [1, 2, 3].map(() => send(handler, { key: 'key' }));
  held.open();
  t.equal((await early).bytes.toString(), 'old');
  for (const read of await Promise.all(late)) t.equal(read.bytes.toString(), 'new');
  t.equal(vendor.seen.length, 3, 'the late ones asked together');
});

t.test('a hundred readers of one cold object fetch it once', async (t) => {
  const { vendor, handler } = await cached(t);
  const bytes = generatedBytes(2_000_000, 2);
  vendor.put('key', bytes);
  const reads = await Promise.all(Array.from({ length: 100 }, () => send(handler, { key: 'key' })));
  for (const read of reads) if (!read.bytes.equals(bytes)) t.fail('other bytes');
  t.equal(vendor.bytesSent(), bytes.length);
  t.strictSame(vendor.seen, ['GET key'], 'one question for all that came together');
  t.strictSame(
    reads.map(({ result }) => result),
    ['miss', ...Array.from({ length: 99 }, () => 'revalidated')],
  );
});

t.test('C1 every range comes from the one entry', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  for (const size of [0, 1, 262_143, 262_144, 262_145, 700_000]) {
    const bytes = generatedBytes(size, size);
    vendor.put('key', bytes);
    await send(handler, { key: 'key' });
    await cache.idle();
    const sent = vendor.bytesSent();
    const ranges = [
      '0-',
      '0-0',
      '0-1',
      '262143-262144',
      `${size - 1}-`,
      '-1',
      '-300000',
      '100-10',
      `${size}-`,
      'x',
      '-0',
    ];
    for (const text of ranges) {
      const range = `bytes=${text}`;
      const warm = await send(handler, { key: 'key', headers: { range } });
      const direct = await send(vendor.handler, { key: 'key', headers: { range } });
      const wanted = { status: direct.status, code: direct.code, range: direct.headers.get('content-range') };
      const got = {
        status: warm.status,
        code: warm.code,
        range: warm.status === 206 ? warm.headers.get('content-range') : undefined,
      };
      t.strictSame(got, wanted, `${size}: ${range}`);
      if (!warm.bytes.equals(direct.bytes)) t.fail(`${size}: ${range}: other bytes`);
      if (warm.status === 206) t.equal(warm.headers.get('content-length'), direct.headers.get('content-length'));
    }
    t.equal(vendor.bytesSent() >= sent, true);
  }
});
