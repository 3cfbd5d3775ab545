import t from 'tap';
import type { S3Response } from '../../../../src/s3/message.ts';
import { childText, parseXml, type XmlElement } from '../../../../src/s3/xml.ts';
import { type Dialect, mergeDialect } from '../../../../src/upstream/dialect.ts';
import { listObjects } from '../../../../src/upstream/emulate/list-objects.ts';
import { VENDORS } from '../../../../src/upstream/vendors.ts';
import { type NarrowOptions, narrowService } from '../../../support/narrow-service.ts';
import { s3Request, textOf } from '../../../support/s3-request.ts';

const KEYS = ['a b', 'a+b', 'a/1', 'a/2', 'a&b', 'b/1', 'c|{":,}', 'd', 'é', '\u{ffee}', '\u{10000}'];

function start(dialect: Partial<Dialect>, options: NarrowOptions = {}) {
  const service = narrowService(options);
  for (const key of KEYS) service.objects.set(key, { bytes: Buffer.from('x'), headers: new Map(), etag: 'e' });
  const handler = listObjects(mergeDialect(VENDORS.other, dialect))(service.handler);
  const list = async (query: string): Promise<XmlElement> =>
    parseXml(Buffer.from(await textOf(await handler(s3Request({ method: 'GET', bucket: 'bucket', query })))));
  return { service, list };
}

const texts = (root: XmlElement, entry: string, name: string): string[] =>
  root.children.filter((child) => child.name === entry).map((child) => childText(child, name) ?? '');
const sorted = [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

for (const [what, options] of [
  ['that names its next marker', {}],
  ['that does not', { hasNextMarker: false }],
] as const) {
  for (const encoding of ['', '&encoding-type=url'] as const) {
    t.test(`V2 over a V1 ${what}, page by page${encoding}`, async (t) => {
      const { service, list } = start({ listVersion: 1 }, options);
      const keys: string[] = [];
      let token = '';
      for (let pages = 0; pages < 20; pages++) {
        const root = await list(`list-type=2&max-keys=3${encoding}${token && `&continuation-token=${token}`}`);
        const page = texts(root, 'Contents', 'Key');
        t.equal(childText(root, 'KeyCount'), String(page.length));
        t.equal(childText(root, 'ContinuationToken'), token === '' ? undefined : token);
        t.equal(childText(root, 'EncodingType'), encoding === '' ? undefined : 'url');
        t.equal(childText(root, 'Marker') ?? childText(root, 'NextMarker'), undefined, 'nothing of V1');
        keys.push(...(encoding === '' ? page : page.map(decodeURIComponent)));
        if (childText(root, 'IsTruncated') === 'false') break;
        token = childText(root, 'NextContinuationToken') ?? '';
        t.match(token, /^[\w.-]+$/);
      }
      t.same(keys, sorted);
      t.ok(service.seen.every(({ operation, query }) => operation === 'ListObjects' && !query.has('list-type')));
    });
  }
}

t.test('V2 over V1: prefix, delimiter, start-after and owner', async (t) => {
  const { list } = start({ listVersion: 1 });
  const root = await list('list-type=2&delimiter=/&start-after=a%26b');
  t.same(texts(root, 'CommonPrefixes', 'Prefix'), ['a/', 'b/']);
  t.equal(childText(root, 'StartAfter'), 'a&b');
  t.equal(childText(root, 'KeyCount'), String(2 + texts(root, 'Contents', 'Key').length));
  t.notOk(texts(root, 'Contents', 'Key').includes('a b'));
  t.same(texts(await list('list-type=2&prefix=a/'), 'Contents', 'Key'), ['a/1', 'a/2']);
  const owners = (each: XmlElement) =>
    each.children.flatMap(({ children }) => children).filter((c) => c.name === 'Owner');
  t.equal(owners(root).length, 0);
  t.equal(owners(await list('list-type=2&prefix=a/&fetch-owner=true')).length, 2);
});

t.test('a token that nobody gave out is refused', async (t) => {
  const { list } = start({ listVersion: 1 });
  for (const token of ['x', '1.', '1.%%%', '1.YQ==', 'YQ']) {
    const outcome = list(`list-type=2&continuation-token=${encodeURIComponent(token)}`);
    if (token === '1.') t.same(texts(await outcome, 'Contents', 'Key'), sorted, 'the start');
    else await t.rejects(outcome, { code: 'InvalidArgument' }, token);
  }
});

t.test('R10 encoding-type=url where the service has none, or does not heed it', async (t) => {
  for (const encodingType of ['unsupported', 'pass'] as const) {
    const { service, list } = start({ encodingType });
    const root = await list('encoding-type=url&max-keys=4&marker=a%2Fa');
    t.equal(service.seen[0]?.query.has('encoding-type'), encodingType === 'pass');
    t.same(texts(root, 'Contents', 'Key'), ['b/1', 'c%7C%7B%22%3A%2C%7D', 'd', '%C3%A9']);
    t.match([childText(root, 'EncodingType'), childText(root, 'NextMarker')], ['url', '%C3%A9']);
  }
});

t.test('R10 a V1 page that goes on has a NextMarker', async (t) => {
  const { list } = start({}, { hasNextMarker: false });
  t.equal(childText(await list('max-keys=2'), 'NextMarker'), sorted[1]);
  t.equal(childText(await list('max-keys=2&delimiter=/&marker=a%2Bb'), 'NextMarker'), 'b/');
  t.equal(childText(await list(''), 'NextMarker'), undefined);
});

t.test('R9 more keys than the service gives at once: its page, and the number S3 would repeat', async (t) => {
  const { service, list } = start({ maxKeys: 4 }, { maxKeys: 4 });
  const root = await list('max-keys=5000');
  t.equal(service.seen[0]?.query.get('max-keys'), '4');
  t.equal(texts(root, 'Contents', 'Key').length, 4);
  t.match([childText(root, 'MaxKeys'), childText(root, 'IsTruncated')], ['1000', 'true']);
  t.equal(childText(await list('max-keys=3'), 'MaxKeys'), '3');
});

function answer(text: string): S3Response {
  const body = Buffer.from(text);
  return { status: 200, headers: new Map([['content-length', String(body.length)]]), body };
}

t.test('R30 a listing that leads nowhere, or in a circle, is an error', async (t) => {
  const pages: readonly (readonly [string, string])[] = [
    ['', '<IsTruncated>true</IsTruncated>'],
    ['marker=k', '<IsTruncated>true</IsTruncated><NextMarker>k</NextMarker><Contents><Key>x</Key></Contents>'],
    ['marker=k', '<IsTruncated>true</IsTruncated><NextMarker>j</NextMarker><Contents><Key>x</Key></Contents>'],
    ['list-type=2', '<IsTruncated>true</IsTruncated><Contents><Key>x</Key></Contents>'],
    [
      'list-type=2&continuation-token=t',
      '<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>x</Key></Contents>',
    ],
    ['versions', '<IsTruncated>true</IsTruncated>'],
  ];
  for (const [query, inner] of pages) {
    const root = query === 'versions' ? 'ListVersionsResult' : 'ListBucketResult';
    const { list } = start({ listVersion: 2 }, { instead: () => answer(`<${root}>${inner}</${root}>`) });
    await t.rejects(list(query), { code: 'ServiceUnavailable' }, `${query} ${inner}`);
  }
});

t.test('R31 empty pages in the midst are passed over, and end at some time', async (t) => {
  const empty = (next: string) =>
    answer(
      `<ListBucketResult><Marker>?</Marker><IsTruncated>true</IsTruncated><NextMarker>${next}</NextMarker></ListBucketResult>`,
    );
  const { list, service } = start({}, { instead: ({ query }) => (query.has('marker') ? undefined : empty('a/1')) });
  const root = await list('');
  t.same(texts(root, 'Contents', 'Key')[0], 'a/2');
  t.equal(childText(root, 'Marker'), '', "the client's own");
  t.equal(service.seen.length, 2);
  let count = 0;
  const endless = start({}, { instead: () => empty(String(++count).padStart(8, '0')) });
  await t.rejects(endless.list(''), { code: 'ServiceUnavailable' });
});
