import t, { type Test } from 'tap';
import { listObjects } from '../../../../src/store/azure/listing.ts';
import { blobName } from '../../../../src/store/azure/names.ts';
import { modelPage } from '../../../contract/suite/model.ts';
import { type FakeListing, listingContext } from '../../../support/azure-listing.ts';

const byUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

interface Query {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  readonly limit: number;
}

async function list(listing: FakeListing, query: Query) {
  const { context, requests } = listingContext(listing);
  const { objects, commonPrefixes, next } = await listObjects(context, { bucket: 'bucket', ...query });
  return { keys: objects.map(({ key }) => key), prefixes: commonPrefixes, next, requests: requests.length };
}

async function listAll(listing: FakeListing, query: Query) {
  const keys: string[] = [];
  const prefixes: string[] = [];
  let [after, pages, requests]: [string | undefined, number, number] = [query.after, 0, 0];
  while (after !== undefined) {
    const page = await list(listing, { ...query, after });
    keys.push(...page.keys);
    prefixes.push(...page.prefixes);
    requests += page.requests;
    pages++;
    after = page.next;
  }
  return { keys, prefixes, pages, requests };
}

/** Small numbers, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

function randomKeys(count: number, characters: readonly string[], seed: number): string[] {
  const random = generator(seed);
  const keys = new Set<string>();
  while (keys.size < count) {
    keys.add(Array.from({ length: 1 + random(6) }, () => characters[random(characters.length)]).join(''));
  }
  return [...keys];
}

const WIDE = [
  'a',
  'b',
  '/',
  '/',
  '|',
  'é',
  '\uE000',
  '\uFF5E',
  '\uFFFD',
  '\uD7FF',
  '\u{10000}',
  '\u{1F600}',
  '\u{10FFFF}',
  ' ',
  '~',
];

async function compare(t: Test, keys: readonly string[], listing: Omit<FakeListing, 'names'>): Promise<void> {
  const names = [...keys.map(blobName), '.sluice/staging/1', '.sluice/staging/2'];
  const sorted = [...keys].sort(byUtf8);
  const random = generator(11);
  for (let round = 0; round < 20; round++) {
    const pick = sorted[random(sorted.length)] ?? '';
    const query = {
      prefix: random(2) === 0 ? '' : [...pick].slice(0, random(3)).join(''),
      delimiter: ['', '/', '|', 'é', '//', '\u{1F600}'][random(6)] ?? '',
      after: random(3) === 0 ? (sorted[random(sorted.length)] ?? '') : '',
      limit: 1 + random(20),
    };
    const page = await list({ names, ...listing }, query);
    const expected = modelPage(sorted, query);
    const what = JSON.stringify(query);
    t.same(
      [page.keys, page.prefixes, page.next !== undefined],
      [expected.keys, expected.prefixes, expected.isTruncated],
      what,
    );
    const all = await listAll({ names, ...listing }, query);
    const whole = modelPage(sorted, { ...query, limit: Number.POSITIVE_INFINITY });
    t.same([all.keys, all.prefixes], [whole.keys, whole.prefixes], `all pages of ${what}`);
  }
}

t.test('R10 pages are those of S3, whatever Azure makes of its own', async (t) => {
  const keys = randomKeys(120, WIDE, 5);
  await t.test('as it should', (t) => compare(t, keys, {}));
  await t.test('short and empty pages', (t) => compare(t, keys, { mostEntries: 7, hasEmptyPages: true }));
  await t.test('startFrom ignored', (t) => compare(t, keys, { ignoresStartFrom: true, mostEntries: 50 }));
});

t.test('a page costs one page of Azure', async (t) => {
  const names = Array.from({ length: 3000 }, (_, index) => `d${String(index % 30).padStart(2, '0')}/${index}`);
  const flat = await listAll({ names }, { prefix: '', delimiter: '', after: '', limit: 1000 });
  t.same([flat.keys.length, flat.pages, flat.requests], [3000, 3, 3]);
  const grouped = await listAll({ names }, { prefix: '', delimiter: '/', after: '', limit: 10 });
  t.same([grouped.prefixes.length, grouped.pages, grouped.requests], [30, 3, 3]);
  const hidden = Array.from({ length: 5000 }, (_, index) => `.sluice/staging/${index}`);
  const beside = await list({ names: [...hidden, 'a', '.s'] }, { prefix: '', delimiter: '', after: '', limit: 1000 });
  t.same([beside.keys, beside.requests], [['.s', 'a'], 2], 'what is ours is passed over at once');
});

t.test('keys with escapes are listed once, and in the order of S3 where they fit one page', async (t) => {
  const keys = randomKeys(120, ['a', '/', '.', '\\', '%', '2E', '5C', '\t', '\u0001', ' ', '~', '\uFFFF', '\x7f'], 3);
  const names = keys.map(blobName);
  t.equal(new Set(names).size, keys.length);
  const sorted = [...keys].sort(byUtf8);
  for (const delimiter of ['', '/']) {
    const whole = modelPage(sorted, { prefix: '', delimiter, after: '', limit: 1000 });
    const one = await list({ names }, { prefix: '', delimiter, after: '', limit: 1000 });
    t.same([one.keys, one.prefixes], [whole.keys, whole.prefixes]);
    const all = await listAll({ names }, { prefix: '', delimiter, after: '', limit: 7 });
    t.same([all.keys.sort(byUtf8), all.prefixes.sort(byUtf8)], [whole.keys, whole.prefixes]);
  }
  for (const prefix of ['a.', 'a', '.', '%', '%2', '%2E', '/', '\\', 'a\\', '%5C', '\u0001', '%25', './', '../']) {
    const whole = modelPage(sorted, { prefix, delimiter: '', after: '', limit: 1000 });
    const one = await list({ names }, { prefix, delimiter: '', after: '', limit: 1000 });
    t.same(one.keys, whole.keys, `prefix ${JSON.stringify(prefix)}`);
  }
});

t.test('an account that sorts by path loses nothing, and hides its folders', async (t) => {
  const keys = randomKeys(150, ['a', 'b', '/', '-', '.x', '!', '0', '\u{1F600}', '\uFF5E'], 8);
  const names = keys.map(blobName);
  for (const [delimiter, prefix] of [
    ['', ''],
    ['/', ''],
    ['', 'a'],
    ['/', 'a/'],
    ['-', ''],
  ] as const) {
    const whole = modelPage([...keys].sort(byUtf8), { prefix, delimiter, after: '', limit: 10_000 });
    const all = await listAll({ names, isHierarchical: true }, { prefix, delimiter, after: '', limit: 5 });
    const once = [...new Set(all.prefixes)];
    t.same([all.keys.sort(byUtf8), once.sort(byUtf8)], [whole.keys, whole.prefixes], `${delimiter} ${prefix}`);
    t.equal(new Set(all.keys).size, all.keys.length);
  }
});
