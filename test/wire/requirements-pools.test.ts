import t, { type Test } from 'tap';
import { CREDENTIALS, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { md5Base64, textsOf, type WireClient, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../vendors/stand-in.ts';

/** Overture Score's pool of buckets and its sentinel, through sockets to a strict vendor (docs/systems/score.md). */

const X = Buffer.from('x');
const ID = '56f3cb04-38b4-574c-bffb-af1426113194';
const POOLED = 'score.data';

interface Pooled extends WireClient {
  readonly gateway: TestGateway;
  /** The bucket at the vendor that holds a key. */
  holderOf(key: string): readonly string[];
}

/** Score's bucket, spread over `size` buckets by `key` digits of an id, with the unpooled one made. */
async function pooled(t: Test, { size, key }: { readonly size: number; readonly key: number }): Promise<Pooled> {
  const vendor = await startStandIn('ceph');
  t.teardown(() => vendor.close());
  const fields = `provider: ceph, endpoint: "${vendor.endpoint}", protocol: http, region: ${vendor.row.region}`;
  const keys = `accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}`;
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: objects, ${fields}, ${keys}, bucket: score-base, prefix: office/, sentinel: data/heliograph }
  - { name: all, ${fields}, ${keys}, default: true }
buckets:
  - { name: ${POOLED}, storage: objects, pool: { size: ${size}, key: ${key}, bucket: "score-data-{n}" } }
`);
  t.teardown(() => gateway.close());
  const holderOf = (name: string) =>
    [...vendor.buckets].filter(([, { objects }]) => objects.has(`office/${name}`)).map(([bucket]) => bucket);
  return { ...wireClient(t, { port: gateway.port }), gateway, holderOf };
}

for (const [size, key, id, number] of [
  [10, 2, ID, 6],
  [100, 2, ID, 86],
  [2000, 3, ID, 1391],
  [10, 7, ID, 2],
  [100, 2, ID.replace('56f3', '06f3'), 6],
] as const) {
  t.test(`ZMS-S13 ${id} with ${key} digits in a pool of ${size} lies in bucket ${number}`, async (t) => {
    const { ask, holderOf } = await pooled(t, { size, key });
    for (const bucket of ['score-base', `score-data-${number}`]) t.equal((await ask('PUT', bucket)).status, 200);
    for (const name of [`data/${id}`, `data/${id}.meta`]) {
      t.equal((await ask('PUT', POOLED, name, { body: Buffer.from(name) })).status, 200);
      t.strictSame(holderOf(name), [`score-data-${number}`]);
      t.equal((await ask('GET', POOLED, name)).text, name);
    }
    const { text } = await ask('POST', POOLED, `data/${id}`, { query: 'uploads' });
    t.strictSame([textsOf(text, 'Bucket'), textsOf(text, 'Key')], [[POOLED], [`data/${id}`]]);
    const mark = `upload/${id}_${textsOf(text, 'UploadId')[0]}/part-00000001|{"partNumber":1}`;
    t.equal((await ask('PUT', POOLED, mark)).status, 200);
    t.strictSame(holderOf(mark), ['score-base'], 'state has no id for its last segment');
  });
}

t.test('ZMS-S13 a pool lists, pages and deletes as the one bucket that Score sees', async (t) => {
  const { ask, holderOf } = await pooled(t, { size: 10, key: 2 });
  t.equal((await ask('PUT', POOLED)).status, 200, 'eleven buckets at once');
  const ids = Array.from({ length: 12 }, (_, index) => ID.replace('56', (index * 21).toString(16).padStart(2, '0')));
  const put = async (key: string) => void t.equal((await ask('PUT', POOLED, key, { body: X })).status, 200, key);
  for (const id of ids) for (const suffix of ['', '.meta']) await put(`data/${id}${suffix}`);
  for (const id of ids.slice(0, 3)) await put(`upload/${id}_u/.meta`);
  t.ok(new Set(ids.flatMap((id) => holderOf(`data/${id}`))).size > 5, 'spread');
  const data = ids.flatMap((id) => [`data/${id}`, `data/${id}.meta`]).sort();
  const list = async (query: string) => (await ask('GET', POOLED, undefined, { query })).text;

  const whole = await list('encoding-type=url&max-keys=5000&prefix=data');
  t.strictSame(textsOf(whole, 'Key').map(decodeURIComponent), data, 'as Score lists, without the slash');
  t.strictSame([textsOf(whole, 'Name'), textsOf(whole, 'MaxKeys')], [[POOLED], ['1000']]);
  const running = await list(`delimiter=%2F&encoding-type=url&max-keys=5000&prefix=upload%2F${ids[1]}_`);
  t.match(decodeURIComponent(running), `<CommonPrefixes><Prefix>upload/${ids[1]}_u/</Prefix></CommonPrefixes>`);
  const found: string[] = [];
  for (let token = ''; ; ) {
    const text = await list(`list-type=2&max-keys=5${token}`);
    found.push(...textsOf(text, 'Key'));
    const [next] = textsOf(text, 'NextContinuationToken');
    if (next === undefined) break;
    token = `&continuation-token=${encodeURIComponent(next)}`;
  }
  t.strictSame(found, [...data, ...ids.slice(0, 3).map((id) => `upload/${id}_u/.meta`)], 'page by page');

  for (const id of ids.slice(0, 4)) await ask('POST', POOLED, `data/${id}`, { query: 'uploads' });
  const open = await list('uploads');
  t.strictSame(
    textsOf(open, 'Key'),
    ids.slice(0, 4).map((id) => `data/${id}`),
    'what clean-up reads',
  );
  const objects = data.map((key) => `<Object><Key>${key}</Key></Object>`).join('');
  const body = Buffer.from(`<Delete>${objects}</Delete>`);
  const headers = { 'content-md5': md5Base64(body) };
  const deleted = await ask('POST', POOLED, undefined, { query: 'delete', body, headers });
  t.strictSame(textsOf(deleted.text, 'Key').sort(), data);
  t.strictSame(textsOf(await list('prefix=data'), 'Key'), []);
});

t.test('ZMS-S13 the sentinel is what readiness asks for, in the unpooled bucket and under the prefix', async (t) => {
  const { ask, gateway, holderOf, presign, send } = await pooled(t, { size: 10, key: 2 });
  const ready = async () => {
    const response = await fetch(`${gateway.adminUrl}/readyz`);
    return [response.status, await response.text()];
  };
  t.strictSame(await ready(), [503, 'not ready: objects\n'], 'no bucket yet');
  t.equal((await ask('PUT', POOLED)).status, 200);
  t.strictSame(await ready(), [503, 'not ready: objects\n'], 'no sentinel yet');
  t.equal((await ask('PUT', POOLED, 'data/heliograph', { body: X })).status, 200);
  t.strictSame(holderOf('data/heliograph'), ['score-base']);
  t.strictSame(await ready(), [200, 'ready\n']);
  const host = `127.0.0.1:${gateway.port}`;
  const ping = presign('GET', POOLED, 'data/heliograph', { expires: 300, host });
  t.match(await send({ method: 'GET', target: ping, headers: { host } }), { status: 200, text: 'x' }, 'Score’s ping');
  t.equal((await ask('DELETE', POOLED, 'data/heliograph')).status, 204);
  t.strictSame(await ready(), [503, 'not ready: objects\n']);
});
