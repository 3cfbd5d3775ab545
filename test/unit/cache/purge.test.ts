import t from 'tap';
import { type ApiAnswer, answerCacheApi, type CacheSource } from '../../../src/admin/cache-api.ts';
import { cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';

t.test('what was purged is asked for again: absences are forgotten, and fills under way are not kept', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: [{ match: '**', mode: 'exclusive' }] });
  t.equal((await send(handler, { key: 'late' })).status, 404);
  vendor.put('late', 'brought by another hand');
  t.equal((await send(handler, { key: 'late' })).status, 404, 'nobody else should have written');
  const filling = gate();
  vendor.put('wrong', generatedBytes(600_000, 1));
  vendor.interfere = () => ({ after: () => filling.opened });
  const first = send(handler, { key: 'wrong' });
  await cache.purge(() => true);
  vendor.put('wrong', 'right');
  filling.open();
  await first;
  await cache.idle();
  vendor.interfere = undefined;
  t.equal((await send(handler, { key: 'wrong' })).bytes.toString(), 'right');
  await cache.idle();
  t.equal((await send(handler, { key: 'late' })).bytes.toString(), 'brought by another hand');
  await cache.idle();
  t.equal(await cache.purge(({ name }) => name.key === 'late'), 1);
  t.equal((await send(handler, { key: 'wrong' })).result, 'hit');
  t.equal((await send(handler, { key: 'late' })).result, 'miss');
});

t.test('a purge names its bucket, or everything', async (t) => {
  const purged: unknown[] = [];
  const notHere = (): never => {
    throw new Error('not what is asked here');
  };
  const source: CacheSource = {
    stats: notHere,
    list: notHere,
    purge: async (...names) => purged.push(names),
    warm: notHere,
    progress: notHere,
  };
  const purge = (body: unknown): Promise<ApiAnswer> =>
    answerCacheApi({ method: 'POST', path: '/api/cache/purge', query: new URLSearchParams(), body }, source);
  for (const body of [
    { prefix: 'a/' },
    { bucket: 7 },
    { bucket: 'b', prefix: 7 },
    { buckt: 'b' },
    [],
    'b',
    undefined,
  ]) {
    t.equal((await purge(body)).status, 400, JSON.stringify(body));
  }
  t.same(purged, []);
  await purge({ bucket: 'b', prefix: 'a/' });
  await purge({ bucket: 'b' });
  await purge({});
  t.same(purged, [
    ['b', 'a/'],
    ['b', ''],
    [undefined, ''],
  ]);
});
