import t from 'tap';
import { childText, parseXml } from '../../../../src/s3/xml.ts';
import { deleteObjects } from '../../../../src/upstream/emulate/delete-objects.ts';
import { type NarrowOptions, narrowService } from '../../../support/narrow-service.ts';
import { s3Request, textOf } from '../../../support/s3-request.ts';

function start(maxDeleteKeys: number, options: NarrowOptions = {}) {
  const service = narrowService({ maxDeleteKeys, ...options });
  for (let index = 0; index < 25; index++) {
    service.objects.set(`k${index}`, { bytes: Buffer.alloc(0), headers: new Map(), etag: 'e' });
  }
  const handler = deleteObjects({ maxDeleteKeys, conditionalOperations: [] })(service.handler);
  const remove = async (keys: readonly string[], quiet = false) => {
    const objects = keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('');
    const body = `<Delete>${objects}${quiet ? '<Quiet>true</Quiet>' : ''}</Delete>`;
    const answer = await handler(s3Request({ method: 'POST', bucket: 'b', query: 'delete', body }));
    return parseXml(Buffer.from(await textOf(answer)), 'DeleteResult').children;
  };
  return { service, remove };
}
const all = Array.from({ length: 25 }, (_, index) => `k${index}`);
const keysOf = (entries: Awaited<ReturnType<ReturnType<typeof start>['remove']>>) =>
  entries.map((entry) => childText(entry, 'Key'));

t.test('R8 more keys than the service deletes at once are deleted in turns, and answered as one', async (t) => {
  const { service, remove } = start(10);
  t.same(keysOf(await remove(all)), all);
  t.equal(service.objects.size, 0);
  t.equal(service.seen.length, 3);
  t.ok(service.seen.every(({ headers }) => headers.has('content-md5')));
});

t.test('as many as it takes are left as they are', async (t) => {
  const { service, remove } = start(25);
  await remove(all);
  t.equal(service.seen.length, 1);
});

t.test('a later turn that fails answers for its keys; the first fails the whole', async (t) => {
  let turn = 0;
  const failAt = (number: number) => ({ instead: () => (++turn === number ? ('SlowDown' as const) : undefined) });
  const { service, remove } = start(10, failAt(2));
  const entries = await remove(all);
  t.same(keysOf(entries).sort(), [...all].sort());
  t.equal(entries.filter(({ name }) => name === 'Error').length, 10);
  t.equal(service.objects.size, 10);
  turn = 0;
  await t.rejects(start(10, failAt(1)).remove(all), { code: 'SlowDown' });
});

t.test('a service without the operation is asked for each key', async (t) => {
  for (const [limit, code] of [
    [1, 'InternalError'],
    [1000, 'NotImplemented'],
    [1000, 'MethodNotAllowed'],
  ] as const) {
    const { service, remove } = start(limit, {
      instead: ({ operation, key }) =>
        operation === 'DeleteObjects' ? code : key === 'k3' ? 'AccessDenied' : undefined,
    });
    const entries = await remove(all);
    t.same(keysOf(entries), all);
    t.match(
      entries
        .filter(({ name }) => name === 'Error')
        .map((entry) => [childText(entry, 'Key'), childText(entry, 'Code')]),
      [['k3', 'AccessDenied']],
    );
    t.same([...service.objects.keys()], ['k3']);
    t.same(keysOf(await remove(['k3', 'k4'], true)), ['k3'], 'quiet tells errors only');
  }
});

t.test('a condition on a key is refused where it would be ignored', async (t) => {
  const body = '<Delete><Object><Key>k1</Key><ETag>"wrong"</ETag></Object></Delete>';
  const request = () => s3Request({ method: 'POST', bucket: 'b', query: 'delete', body });
  const { service } = start(10);
  const careless = deleteObjects({ maxDeleteKeys: 10, conditionalOperations: ['PutObject'] })(service.handler);
  await t.rejects(careless(request()), { code: 'NotImplemented' });
  t.equal(service.objects.size, 25);
  const heeding = deleteObjects({ maxDeleteKeys: 1, conditionalOperations: ['DeleteObject'] })(service.handler);
  await heeding(request());
  t.equal(service.seen.at(-1)?.headers.get('if-match'), '"wrong"');
});
