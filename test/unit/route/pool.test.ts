import t from 'tap';
import type { CatalogInput } from '../../../src/route/catalog.ts';
import { matchesGlob } from '../../../src/route/glob.ts';
import { poolBucket } from '../../../src/route/pool.ts';
import type { Handler } from '../../../src/s3/message.ts';
import { CANARY, memoryS3 } from '../../support/memory-s3.ts';
import { copySource, deleteDocument, queryOf, routed, texts, tokenKey } from '../../support/routed.ts';

const UUID = '56f3cb04-38b4-574c-bffb-af1426113194';

t.test("the bucket of a key is Overture Score's", async (t) => {
  for (const [key, size, id, number] of [
    [2, 10, UUID, 6],
    [2, 100, UUID, 86],
    [3, 2000, UUID, 1391],
    [7, 10, UUID, 2],
    [2, 100, UUID.replace('56f3', '06f3'), 6],
    [2, 10, `data/${UUID}`, 6],
    [2, 10, `data/${UUID}.meta`, 6],
    [2, 10, `a/b/${UUID.toUpperCase()}`, 6],
  ] as const) {
    t.equal(poolBucket({ size, key, bucket: 'score-{n}' }, id), `score-${number}`, `${id} ${key} ${size}`);
  }
  for (const id of [
    '',
    'data/heliograph',
    'data/',
    `${UUID}/.meta`,
    'part-00000001|{}',
    '5',
    '-1',
    '0x1',
    ' 1',
    '５6',
  ]) {
    t.equal(poolBucket({ size: 10, key: 2, bucket: 'score-{n}' }, id), undefined, id);
  }
});

t.test('bucket patterns', async (t) => {
  for (const [pattern, yes, no] of [
    ['build-cache', ['build-cache'], ['build-cache2', 'xbuild-cache', '']],
    ['artifacts-*', ['artifacts-', 'artifacts-1-2'], ['artifacts', 'xartifacts-1']],
    ['*', ['a', ''], []],
    ['a?c', ['abc', 'a.c'], ['ac', 'abbc']],
    ['*-*b', ['a-b', 'a-xb-b', '-b'], ['ab', 'a-bc']],
    ['a.c', ['a.c'], ['abc']],
    ['a**b', ['ab', 'axb'], ['a']],
  ] as const) {
    for (const name of yes) t.ok(matchesGlob(pattern, name), `${pattern} ${name}`);
    for (const name of no) t.notOk(matchesGlob(pattern, name), `${pattern} ${name}`);
  }
  const started = process.cpuUsage().user;
  t.notOk(matchesGlob('*a'.repeat(30), 'a'.repeat(63).concat('b')), 'D10');
  t.ok(process.cpuUsage().user - started < 1_000_000);
});

function setup() {
  const buckets = Array.from({ length: 4 }, (_, index) => `${CANARY}-${index}`);
  const backend = memoryS3('pool', [...buckets, `${CANARY}-base`]);
  const input: CatalogInput = {
    credentials: [{ name: 'score', accessKey: 'SCORE' }],
    storages: [{ name: 'one', handler: backend.handler, projects: 'all', dotSegments: 'refuse', tokenKey }],
    buckets: [
      {
        name: 'score.data',
        storage: 'one',
        bucket: `${CANARY}-base`,
        pool: { size: 4, key: 2, bucket: `${CANARY}-{n}` },
      },
      { name: 'flat', storage: 'one', bucket: `${CANARY}-base` },
    ],
  };
  return { backend, score: routed(input).as('score') };
}

const bucket = 'score.data';

t.test('pooled keys are written to their bucket, and read from the unpooled one where they are older', async (t) => {
  const { backend, score } = setup();
  await score({ method: 'PUT', bucket, key: 'data/05', body: 'five' });
  t.ok(backend.buckets.get(`${CANARY}-1`)?.has('data/05'));
  await score({ method: 'PUT', bucket, key: 'data/heliograph', body: 'sentinel' });
  t.ok(backend.buckets.get(`${CANARY}-base`)?.has('data/heliograph'));
  backend.put(`${CANARY}-base`, 'data/06', 'old');
  backend.put(`${CANARY}-base`, 'data/05', 'old');
  for (const [key, text] of [
    ['data/05', 'five'],
    ['data/06', 'old'],
    ['data/heliograph', 'sentinel'],
  ] as const) {
    t.equal((await score({ method: 'GET', bucket, key })).text, text);
    t.equal((await score({ method: 'HEAD', bucket, key })).status, 200);
  }
  t.equal((await score({ method: 'GET', bucket, key: 'data/07' })).code, 'NoSuchKey');
  t.equal(
    (
      await score({
        method: 'PUT',
        bucket: 'flat',
        key: 'c',
        headers: { 'x-amz-copy-source': copySource(bucket, 'data/06') },
      })
    ).status,
    200,
  );
  t.equal(backend.buckets.get(`${CANARY}-base`)?.get('c')?.bytes.toString(), 'old', 'copies read alike');
  t.equal((await score({ method: 'DELETE', bucket, key: 'data/05' })).status, 204);
  t.equal(
    (await score({ method: 'GET', bucket, key: 'data/05' })).code,
    'NoSuchKey',
    'the older one does not come back',
  );
  await score({ method: 'PUT', bucket, key: 'data/01', body: 'x' });
  const body = deleteDocument(['data/01', 'data/06', 'data/0b']);
  const deleted = await score({ method: 'POST', bucket, query: 'delete', body });
  t.same(texts(deleted.text, 'Key').sort(), ['data/01', 'data/06', 'data/0b']);
  t.equal((await score({ method: 'GET', bucket, key: 'data/06' })).code, 'NoSuchKey');
});

t.test('a pool is made bucket by bucket', async (t) => {
  const { backend, score } = setup();
  for (const number of [1, 3]) backend.buckets.delete(`${CANARY}-${number}`);
  t.equal((await score({ method: 'PUT', bucket })).status, 200);
  t.equal(backend.buckets.size, 5);
  t.equal((await score({ method: 'PUT', bucket })).code, 'BucketAlreadyOwnedByYou');
});

t.test('a pool lists as one bucket, page by page', async (t) => {
  const { backend, score } = setup();
  const keys: string[] = [];
  for (let index = 0; index < 40; index++) {
    const id = index.toString(16).padStart(2, '0');
    keys.push(`data/${id} ä&`);
    if (index % 5 === 0) backend.put(`${CANARY}-base`, `data/${id} ä&`);
    else await score({ method: 'PUT', bucket, key: `data/${id} ä&`, body: 'x' });
  }
  backend.put(`${CANARY}-base`, keys[1] ?? '', 'older twin');
  backend.put(`${CANARY}-base`, 'z/x');
  backend.put(`${CANARY}-base`, 'z/y');
  const all = [...keys, 'z/x', 'z/y'];
  const decode = (text: string) => text.replaceAll('&amp;', '&');
  for (const limit of [1, 7, 1000]) {
    const [v1, v2]: string[][] = [[], []];
    let marker: string | undefined = '';
    while (marker !== undefined) {
      const page = await score({ method: 'GET', bucket, query: queryOf({ 'max-keys': String(limit), marker }) });
      v1?.push(...texts(page.text, 'Key').map(decode));
      t.notMatch(page.all, new RegExp(CANARY));
      marker = texts(page.text, 'NextMarker').map(decode)[0];
    }
    let token: string | undefined = '';
    while (token !== undefined) {
      const next = token === '' ? {} : { 'continuation-token': token };
      const query = queryOf({ 'list-type': '2', 'max-keys': String(limit), 'encoding-type': 'url', ...next });
      const page = await score({ method: 'GET', bucket, query });
      v2?.push(...texts(page.text, 'Key').map((text) => decodeURIComponent(text.replaceAll('+', ' '))));
      t.match(texts(page.text, 'KeyCount'), [String(texts(page.text, 'Key').length)]);
      token = texts(page.text, 'NextContinuationToken')[0];
    }
    t.same([v1, v2], [all, all], `pages of ${limit}`);
  }
  const folded = await score({ method: 'GET', bucket, query: 'delimiter=/' });
  t.same(texts(folded.text, 'Prefix'), ['', 'data/', 'z/'], 'common prefixes of several buckets are one');
  t.equal((await score({ method: 'GET', bucket, query: 'max-keys=x' })).code, 'InvalidArgument');
  t.equal((await score({ method: 'GET', bucket, query: 'list-type=2&continuation-token=x' })).code, 'InvalidArgument');
});

t.test('versions in a pool are not listed: those of one bucket would look like all', async (t) => {
  const { score } = setup();
  await score({ method: 'PUT', bucket, key: 'data/05', body: 'five' });
  t.match(await score({ method: 'GET', bucket, query: 'versions' }), { status: 501, code: 'NotImplemented' });
  t.equal((await score({ method: 'GET', bucket: 'flat', query: 'versions' })).status, 200);
});

t.test('uploads to a pool go on where they began, and are listed together', async (t) => {
  const { backend, score } = setup();
  const ids = new Map<string, string>();
  for (const key of ['00', '01', '02', 'x']) {
    const begun = await score({ method: 'POST', bucket, key, query: 'uploads' });
    ids.set(key, texts(begun.text, 'UploadId')[0] ?? '');
  }
  const listed = new Map<string, string>();
  let mark: Record<string, string> = {};
  for (let page = 0; page < 4; page++) {
    const answer = await score({ method: 'GET', bucket, query: queryOf({ uploads: '', 'max-uploads': '1', ...mark }) });
    listed.set(texts(answer.text, 'Key')[0] ?? '', texts(answer.text, 'UploadId')[0] ?? '');
    mark = {
      'key-marker': texts(answer.text, 'NextKeyMarker')[0] ?? '',
      'upload-id-marker': texts(answer.text, 'NextUploadIdMarker')[0] ?? '',
    };
    t.same(texts(answer.text, 'IsTruncated'), [String(page < 3)]);
  }
  t.same(listed, ids);
  const id = queryOf({ uploadId: ids.get('01') ?? '' });
  t.equal((await score({ method: 'PUT', bucket, key: '01', query: `partNumber=1&${id}`, body: 'part' })).status, 200);
  t.equal((await score({ method: 'POST', bucket, key: '01', query: id, body: '<C/>' })).status, 200);
  t.equal(backend.buckets.get(`${CANARY}-1`)?.get('01')?.bytes.toString(), 'part');
});

t.test('D19 listing a pool asks few buckets at a time, and too large a pool not at all', async (t) => {
  let waiting = 0;
  let most = 0;
  let asked = 0;
  const handler: Handler = async () => {
    asked += 1;
    waiting += 1;
    most = Math.max(most, waiting);
    await new Promise((resolve) => setImmediate(resolve));
    waiting -= 1;
    const body = Buffer.from('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
    return { status: 200, headers: new Map([['content-type', 'application/xml']]), body };
  };
  const list = (size: number) =>
    routed({
      credentials: [{ name: 'ci', accessKey: 'CI' }],
      storages: [{ name: 'one', handler, projects: 'all', tokenKey }],
      buckets: [{ name: 'pooled', storage: 'one', bucket: 'base', pool: { size, key: 3, bucket: 'pool-{n}' } }],
    }).as('ci')({ method: 'GET', bucket: 'pooled', query: 'list-type=2' });
  t.equal((await list(100)).status, 200);
  t.equal(asked, 101);
  t.ok(most <= 8, `${most} at once`);
  t.equal((await list(2000)).code, 'NotImplemented');
  t.equal(asked, 101);
});
