import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { S3Error } from '../../../src/s3/error.ts';
import { TransportFailure } from '../../../src/s3/failure.ts';
import { cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';

const unreachable = new S3Error('ServiceUnavailable', {
  cause: new TransportFailure('connect', 'ECONNREFUSED', undefined),
});

t.test('what the storage no longer showed, a fill that began before does not bring back', async (t) => {
  const old = generatedBytes(600_000, 1);
  const truths = { 'another version': Buffer.from('new'), none: undefined };
  for (const method of ['GET', 'HEAD']) {
    for (const [name, truth] of Object.entries(truths)) {
      const { vendor, handler, cache } = await cached(t);
      const rest = gate();
      vendor.put('key', old);
      vendor.interfere = () => ({ body: (body) => Readable.from(heldUp(body, rest.opened), { objectMode: false }) });
      const first = send(handler, { key: 'key' });
      while (vendor.bytesSent() < 300_000) await turn();
      vendor.interfere = undefined;
      if (truth === undefined) vendor.delete('key');
      else vendor.put('key', truth);
      t.equal((await send(handler, { method, key: 'key' })).status, truth === undefined ? 404 : 200);
      rest.open();
      t.ok((await first).bytes.equals(old), 'who had begun to read it');
      await cache.idle();
      vendor.interfere = () => ({
        before: () => {
          throw unreachable;
        },
      });
      const stale = await send(handler, { key: 'key' });
      if (truth !== undefined && method === 'GET') t.ok(stale.bytes.equals(truth), `${method} showed ${name}`);
      else t.equal(stale.status, 503, `${method} showed ${name}`);
    }
  }
});

async function* heldUp(body: Readable, opened: Promise<void>): AsyncIterable<Buffer> {
  let sent = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sent += chunk.length;
    if (sent > 300_000) await opened;
    yield chunk;
  }
}

t.test('nor does what was kept while a question was on its way that showed something else', async (t) => {
  for (const how of ['GET', 'PUT']) {
    const { vendor, handler, cache } = await cached(t);
    const late = gate();
    vendor.interfere = () => ({ before: () => late.opened });
    const asked = send(handler, { method: 'HEAD', key: 'key' });
    await turn();
    vendor.interfere = undefined;
    if (how === 'GET') vendor.put('key', 'old');
    await send(handler, { method: how, key: 'key', ...(how === 'PUT' && { body: 'old' }) });
    await cache.idle();
    vendor.delete('key');
    late.open();
    t.equal((await asked).status, 404);
    vendor.interfere = () => ({
      before: () => {
        throw unreachable;
      },
    });
    t.equal((await send(handler, { key: 'key' })).status, 503, `kept by a ${how}`);
  }
});

t.test('nor an answer that comes late, when a later question was answered otherwise', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  const [late, tail] = [gate(), gate()];
  vendor.put('key', 'old');
  vendor.interfere = () => ({ after: () => late.opened });
  const first = send(handler, { key: 'key' });
  while (vendor.seen.length === 0) await turn();
  vendor.interfere = undefined;
  vendor.delete('key');
  t.equal((await send(handler, { method: 'HEAD', key: 'key' })).status, 404);
  late.open();
  t.equal((await first).bytes.toString(), 'old', 'it may have been so when it was asked');
  await cache.idle();
  t.same([...cache.store.entries()], [], 'but it is not kept');

  vendor.put('key', generatedBytes(600_000, 1));
  vendor.interfere = () => ({ body: (body) => Readable.from(heldUp(body, tail.opened), { objectMode: false }) });
  const second = send(handler, { key: 'key' });
  while (vendor.bytesSent() < 300_000) await turn();
  const again = vendor.get('key');
  vendor.interfere = undefined;
  vendor.delete('key');
  t.equal((await send(handler, { method: 'HEAD', key: 'key' })).status, 404);
  vendor.interfere = (request) => {
    if (request.method === 'HEAD') vendor.put('key', again?.bytes ?? '');
    return undefined;
  };
  await send(handler, { method: 'HEAD', key: 'key' });
  tail.open();
  await second;
  await cache.idle();
  t.same([...cache.store.entries()], [], 'nor what was gone for a while');
});

t.test('nor that of the later question, when the storage looked at it first', async (t) => {
  for (const how of ['GET', 'PUT']) {
    const { vendor, handler, cache } = await cached(t);
    const [earlier, later] = [gate(), gate()];
    vendor.put('key', 'first');
    vendor.interfere = () => ({ before: () => earlier.opened });
    const first = send(handler, { method: 'HEAD', key: 'key' });
    while (vendor.seen.length === 0) await turn();
    vendor.interfere = ({ method }) => (method === 'PUT' ? undefined : { after: () => later.opened });
    const before = vendor.seen.length;
    const second = send(handler, { method: how, key: 'key', ...(how === 'PUT' && { body: 'old' }) });
    // A PUT is answered at once; the question that follows it is not.
    while (vendor.seen.length < before + (how === 'PUT' ? 2 : 1)) await turn();
    for (let turns = 0; turns < 20; turns++) await turn();
    vendor.delete('key');
    earlier.open();
    t.equal((await first).status, 404);
    later.open();
    await second;
    await cache.idle();
    t.same([...cache.store.entries()], [], how);
  }
});

t.test('nor what was kept before an answer that was passed on, for want of room, showed something else', async (t) => {
  const { vendor, handler, cache } = await cached(t, { memory: 4_000_000 });
  const [others, passed] = [gate(), gate()];
  const size = 490_000;
  vendor.interfere = () => ({ body: (body) => Readable.from(heldUp(body, others.opened), { objectMode: false }) });
  const taking = Array.from({ length: 8 }, (_, index) => {
    vendor.put(`other-${index}`, generatedBytes(size, index));
    return send(handler, { key: `other-${index}` });
  });
  while (vendor.bytesSent() < 8 * 300_000) await turn();
  const before = vendor.seen.length;
  vendor.put('key', generatedBytes(size, 10));
  vendor.interfere = () => (vendor.seen.length === before + 1 ? undefined : { before: () => passed.opened });
  const first = send(handler, { key: 'key' });
  while (vendor.seen.length < before + 2) await turn();
  vendor.interfere = undefined;
  others.open();
  await Promise.all(taking);
  await cache.idle();
  await send(handler, { key: 'key' });
  await cache.idle();
  t.ok(
    [...cache.store.entries()].some(({ name }) => name.key === 'key'),
    'kept by who came later',
  );
  const truth = generatedBytes(size, 11);
  vendor.put('key', truth);
  passed.open();
  t.ok((await first).bytes.equals(truth));
  vendor.interfere = () => ({
    before: () => {
      throw unreachable;
    },
  });
  t.equal((await send(handler, { key: 'key' })).status, 503);
});
