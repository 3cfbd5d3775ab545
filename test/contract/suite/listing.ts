import type { Test } from 'tap';
import { childText } from '../../../src/s3/xml.ts';
import { type Call, childrenOf, document, listAll, listPage, queryOf } from './client.ts';
import { modelPage } from './model.ts';

const bucket = 'listing';

export async function listingContract(t: Test, call: Call): Promise<void> {
  const fill = async (name: string, keys: readonly string[]) => {
    await call({ method: 'PUT', bucket: name });
    await Promise.all(keys.map((key) => call({ method: 'PUT', bucket: name, key, body: key.slice(0, 9) })));
  };
  await fill(bucket, ['a', 'b/1', 'b/2', 'b/c/3', 'c', 'd/', 'e//f', 'g']);
  const list = (query: Readonly<Record<string, string | number | undefined>>) =>
    call({ method: 'GET', bucket, query: queryOf(query) });

  await t.test('delimiter and prefix group keys', async (t) => {
    const top = await listPage(call, bucket, { delimiter: '/' });
    t.same(top.keys, ['a', 'c', 'g']);
    t.same(top.prefixes, ['b/', 'd/', 'e/']);
    t.equal(childText(top.root, 'KeyCount'), '6');
    const below = await listPage(call, bucket, { delimiter: '/', prefix: 'b/' });
    t.same([below.keys, below.prefixes], [['b/1', 'b/2'], ['b/c/']]);
    t.same((await listPage(call, bucket, { delimiter: '/', prefix: 'd/' })).keys, ['d/']);
    t.same((await listPage(call, bucket, { delimiter: '/', prefix: 'b' })).prefixes, ['b/']);
    t.same((await listPage(call, bucket, { delimiter: 'c' })).prefixes, ['b/c', 'c']);
    t.same((await listPage(call, bucket, { prefix: 'zz' })).keys, []);
    t.equal((await listPage(call, bucket, { delimiter: '', prefix: '' })).keys.length, 8, 'R10 empty ones are none');
  });

  await t.test('an entry says what HEAD says', async (t) => {
    const head = await call({ method: 'HEAD', bucket, key: 'g' });
    const { root } = await listPage(call, bucket, { prefix: 'g', 'fetch-owner': 'true' });
    const [entry] = childrenOf(root, 'Contents');
    t.equal(entry && childText(entry, 'ETag'), head.headers.get('etag'));
    t.equal(entry && childText(entry, 'Size'), '1');
    t.equal(entry && childText(entry, 'StorageClass'), 'STANDARD');
    t.match(entry && childText(entry, 'LastModified'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    t.equal(entry && childrenOf(entry, 'Owner').length, 1);
    const [plain] = childrenOf((await listPage(call, bucket, { prefix: 'g' })).root, 'Contents');
    t.equal(plain && childrenOf(plain, 'Owner').length, 0, 'no owner unless asked for');
  });

  await t.test('V1 goes on from NextMarker, which may be a common prefix', async (t) => {
    const seen: string[] = [];
    let marker = '';
    for (;;) {
      const root = document(await list({ delimiter: '/', 'max-keys': 2, marker }));
      seen.push(...childrenOf(root, 'Contents').map((entry) => childText(entry, 'Key') ?? ''));
      seen.push(...childrenOf(root, 'CommonPrefixes').map((entry) => childText(entry, 'Prefix') ?? ''));
      t.equal(childText(root, 'Marker'), marker);
      if (childText(root, 'IsTruncated') === 'false') break;
      marker = childText(root, 'NextMarker') ?? '';
    }
    t.same(
      seen,
      ['a', 'b/', 'c', 'd/', 'g', 'e/'].sort((x, y) => seen.indexOf(x) - seen.indexOf(y)),
    );
    t.equal(seen.length, 6);
  });

  await t.test('a marker inside a group still shows the group; start-after works like it', async (t) => {
    t.same((await listPage(call, bucket, { delimiter: '/', 'start-after': 'b/1' })).prefixes, ['b/', 'd/', 'e/']);
    t.same((await listPage(call, bucket, { delimiter: '/', 'start-after': 'b/' })).prefixes, ['d/', 'e/']);
    t.same((await listPage(call, bucket, { 'start-after': 'c' })).keys, ['d/', 'e//f', 'g']);
    t.same((await listPage(call, bucket, { 'start-after': 'zz' })).keys, []);
  });

  await t.test('D08 R9 max-keys: nonsense is InvalidArgument, more than a thousand is a thousand', async (t) => {
    for (const bad of ['-1', 'abc', '1.5', '99999999999', ' 1']) {
      const answer = await list({ 'list-type': 2, 'max-keys': bad });
      t.same([answer.status, answer.code], [400, 'InvalidArgument'], bad);
    }
    t.equal(childText((await listPage(call, bucket, { 'max-keys': 5000 })).root, 'MaxKeys'), '1000');
    const none = await listPage(call, bucket, { 'max-keys': 0 });
    t.same([none.keys, none.next, childText(none.root, 'IsTruncated')], [[], undefined, 'false']);
  });

  await t.test('other arguments are checked too', async (t) => {
    t.equal((await list({ 'list-type': 2, 'continuation-token': 'nonsense!' })).code, 'InvalidArgument');
    t.equal((await list({ 'list-type': 2, 'continuation-token': '' })).code, 'InvalidArgument');
    t.equal((await list({ 'list-type': 3 })).code, 'InvalidArgument');
    t.equal((await list({ 'encoding-type': 'base64' })).code, 'InvalidArgument');
    t.equal((await call({ method: 'GET', bucket: 'absent', query: 'list-type=2' })).code, 'NoSuchBucket');
  });

  await t.test('encoding-type=url encodes keys, prefixes, markers and delimiter', async (t) => {
    await fill('encoded', ['ä b/+x', '\u0001', 'z&<']);
    const answer = await listPage(call, 'encoded', { 'encoding-type': 'url', delimiter: '/', 'start-after': '\u0000' });
    t.same(answer.keys, ['%01', 'z%26%3C']);
    t.same(answer.prefixes, ['%C3%A4%20b/']);
    t.equal(childText(answer.root, 'EncodingType'), 'url');
    const below = await listPage(call, 'encoded', { 'encoding-type': 'url', prefix: 'ä b/' });
    t.equal(childText(below.root, 'Prefix'), '%C3%A4%20b/');
    t.same(below.keys, ['%C3%A4%20b/%2Bx']);
    t.same((await listPage(call, 'encoded', { prefix: 'z' })).keys, ['z&<'], 'X13 escaped otherwise');
  });

  await t.test('versions of an unversioned bucket: each object once, as null', async (t) => {
    const root = document(await list({ versions: '', 'max-keys': 3 }));
    const versions = childrenOf(root, 'Version');
    t.same(
      versions.map((entry) => childText(entry, 'Key')),
      ['a', 'b/1', 'b/2'],
    );
    for (const entry of versions) {
      t.same([childText(entry, 'VersionId'), childText(entry, 'IsLatest')], ['null', 'true']);
    }
    t.same([childText(root, 'NextKeyMarker'), childText(root, 'NextVersionIdMarker')], ['b/2', 'null']);
    const rest = document(await list({ versions: '', 'key-marker': 'b/2', 'version-id-marker': 'null' }));
    t.equal(childrenOf(rest, 'Version').length, 5);
    t.equal((await list({ versions: '', 'version-id-marker': 'null' })).code, 'InvalidArgument');
  });

  await t.test('R10 keys come in the order of their UTF-8 bytes, and pages join without gap or double', async (t) => {
    const keys = randomKeys(400);
    await fill('ordered', keys);
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    t.same((await listAll(call, 'ordered', { 'max-keys': 37 })).keys, sorted);
    const random = generator(11);
    for (let round = 0; round < 150; round++) {
      const pick = sorted[random(sorted.length)] ?? '';
      const query = {
        prefix: random(2) === 0 ? '' : [...pick].slice(0, random(3)).join(''),
        delimiter: ['', '/', '|', 'é', '//', '\u{1F600}'][random(6)] ?? '',
        'start-after': random(3) === 0 ? (sorted[random(sorted.length)] ?? '') : undefined,
        'max-keys': 1 + random(20),
      };
      const expected = modelPage(sorted, { ...query, after: query['start-after'] ?? '', limit: query['max-keys'] });
      const page = await listPage(call, 'ordered', query);
      t.same(
        [page.keys, page.prefixes, page.next !== undefined],
        [expected.keys, expected.prefixes, expected.isTruncated],
        JSON.stringify(query),
      );
      const all = await listAll(call, 'ordered', query);
      const whole = modelPage(sorted, { ...query, after: query['start-after'] ?? '', limit: Number.POSITIVE_INFINITY });
      t.same([all.keys, all.prefixes], [whole.keys, whole.prefixes], `all pages of ${JSON.stringify(query)}`);
    }
  });
}

/** Small numbers, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** Keys in which surrogate pairs meet U+E000 and above, where UTF-16 and UTF-8 sort differently. */
function randomKeys(count: number): string[] {
  const characters = [
    'a',
    'b',
    '/',
    '/',
    '|',
    'é',
    '\uE000',
    '\uFF5E',
    '\uD7FF',
    '\u{10000}',
    '\u{1F600}',
    '\u{10FFFF}',
    ' ',
    '~',
    'Z',
  ];
  const random = generator(5);
  const keys = new Set<string>();
  while (keys.size < count) {
    const length = 1 + random(6);
    keys.add(Array.from({ length }, () => characters[random(characters.length)]).join(''));
  }
  return [...keys];
}
