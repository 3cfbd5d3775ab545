import t from 'tap';
import { createRecorder } from '../../../src/cache/stats.ts';
import { cached, send } from '../../support/cached.ts';

t.test('what a rule came to is counted, GET and HEAD apart', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', 'bytes');
  await send(handler, { key: 'key' });
  await cache.idle();
  await send(handler, { key: 'key' });
  await send(handler, { key: 'key', headers: { range: 'bytes=0-1' } });
  await send(handler, { method: 'HEAD', key: 'key' });
  vendor.put('key', 'changed');
  await send(handler, { method: 'HEAD', key: 'key' });
  await send(handler, { key: 'key', query: 'versionId=1' });
  t.strictSame(cache.stats().rules, [
    {
      rule: 'test:**',
      requests: { 'GET miss': 1, 'GET revalidated': 2, 'HEAD revalidated': 1, 'HEAD miss': 1, 'GET bypass': 1 },
      bytes: { miss: 5, revalidated: 7, bypass: 7 },
      bytesFetched: 5,
      revalidations: { unchanged: 3, changed: 1 },
      verified: { right: 0, stale: 0 },
    },
  ]);
});

t.test('evictions are counted by age', (t) => {
  const recorder = createRecorder();
  for (const age of [1, 60, 61, 100_000_000]) recorder.evicted('disk', age);
  const { disk, memory } = recorder.snapshot().evictions;
  t.strictSame(disk, { counts: [2, 1, 0, 0, 0, 0, 0, 1], age: 100_000_122 });
  t.equal(memory.age, 0);
  t.end();
});
