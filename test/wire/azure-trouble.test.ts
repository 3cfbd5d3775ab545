import t from 'tap';
import { S3Error } from '../../src/s3/error.ts';
import type { PutObjectInput } from '../../src/store/object-store.ts';
import { type AzureAnswer, azureStandIn, blobHeaders, type SeenByAzure } from '../support/azure-stand-in.ts';

const { signal } = new AbortController();
const plain = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
const put = (key: string): PutObjectInput => ({
  ...{ bucket: 'bucket', key, ...plain, conditions: {} },
  ...{ body: Buffer.from('hello'), length: 5, checksum: () => undefined },
});
const headOf = (key: string) => ({
  ...{ bucket: 'bucket', key, range: undefined, partNumber: undefined, conditions: {}, headOnly: true },
});
const created: AzureAnswer = {
  status: 201,
  headers: { etag: '"0x8D2"', 'last-modified': 'Fri, 20 Nov 2026 10:00:01 GMT' },
};

/** As a cloud that lags behind: HEAD has no document, so that only the header says what is wrong. */
function onlyUpTo(newest: string) {
  return ({ method, headers }: SeenByAzure): AzureAnswer => {
    if (String(headers['x-ms-version']) > newest) {
      const body = '<Error><Code>InvalidHeaderValue</Code><HeaderName>x-ms-version</HeaderName></Error>';
      return { status: 400, headers: { 'x-ms-error-code': 'InvalidHeaderValue' }, body };
    }
    return method === 'HEAD' ? { status: 200, headers: blobHeaders() } : created;
  };
}

t.test('an older service is found out by a HEAD too', async (t) => {
  const { store, seen } = await azureStandIn(t, onlyUpTo('2021-12-31'));
  t.match(await store.getObject(headOf('key'), signal), { object: { size: 0 } });
  t.same(
    seen.map(({ headers }) => headers['x-ms-version']),
    ['2026-02-06', '2023-11-03', '2021-12-02'],
  );
  const none = await azureStandIn(t, onlyUpTo('2001-01-01'));
  await t.rejects(none.store.getObject(headOf('key'), signal), { code: 'InvalidRequest' }, 'one that takes none');
  t.equal(none.seen.length, 4);
});

t.test('many requests at once find an older service out together, and none too old a version', async (t) => {
  const { store, seen } = await azureStandIn(t, onlyUpTo('2021-12-31'));
  const keys = Array.from({ length: 8 }, (_, index) => `key${index}`);
  await Promise.all(keys.map((key) => store.putObject(put(key), signal)));
  await store.putObject(put('last'), signal);
  t.equal(seen.at(-1)?.headers['x-ms-version'], '2021-12-02');
  t.notOk(seen.some(({ headers }) => headers['x-ms-version'] === '2020-10-02'));
});

t.test('many requests at once learn another clock together', async (t) => {
  const theirs = new Date('2030-01-01T00:00:00Z');
  const { store, log } = await azureStandIn(
    t,
    ({ headers }) =>
      Math.abs(Date.parse(String(headers['x-ms-date'])) - theirs.getTime()) > 60_000
        ? { status: 403, code: 'AuthenticationFailed', headers: { date: theirs.toUTCString() } }
        : created,
    { now: () => new Date('2026-01-01T00:00:00Z') },
  );
  const keys = Array.from({ length: 8 }, (_, index) => `key${index}`);
  await Promise.all(keys.map((key) => store.putObject(put(key), signal)));
  t.equal(log.length, 1, 'and it is told once');
});

t.test('a document that breaks off is asked for again, and is trouble at the storage in the end', async (t) => {
  const list = '<EnumerationResults><Blobs></Blobs><NextMarker /></EnumerationResults>';
  const listing = { bucket: 'bucket', prefix: '', delimiter: '', after: '', limit: 10 };
  for (const cuts of [1, 100]) {
    const { store, seen, waits } = await azureStandIn(t, ({ target }, before) => {
      if (target.includes('comp=properties')) return { status: 403 };
      return { status: 200, body: list, ...(before < cuts && { cutAfter: 20 }) };
    });
    const asked = () => seen.filter(({ target }) => target.includes('comp=list')).length;
    if (cuts === 1) {
      t.same((await store.listObjects(listing)).objects, []);
      t.same([asked(), waits.length], [2, 1]);
      continue;
    }
    const error = await store.listObjects(listing).catch((error: unknown) => error);
    t.match(error, { code: 'ServiceUnavailable' });
    t.ok(error instanceof S3Error);
    t.equal(asked(), 4);
  }
});

t.test('who is sent away for being busy is told for how long, in whichever header Azure does', async (t) => {
  const cases = [
    [{}, '1'],
    [{ 'retry-after': '9' }, '9'],
    [{ 'x-ms-retry-after-ms': '6500' }, '7'],
  ] as const;
  for (const [headers, seconds] of cases) {
    const { store } = await azureStandIn(t, () => ({ status: 503, code: 'ServerBusy', headers }), { retries: 0 });
    const error = await store.getObject(headOf('key'), signal).catch((error: unknown) => error);
    t.equal(error instanceof S3Error && error.headers?.get('retry-after'), seconds);
  }
  const { store, waits } = await azureStandIn(t, (_, before) =>
    before === 0
      ? { status: 503, code: 'ServerBusy', headers: { 'x-ms-retry-after-ms': '2500' } }
      : { status: 200, headers: blobHeaders() },
  );
  await store.getObject(headOf('key'), signal);
  t.same(waits, [3000]);
});

t.test('a range of numbers that no object has is decided here, and Azure never sees them', async (t) => {
  const bytes = Buffer.from('hello');
  const { store, seen } = await azureStandIn(t, ({ method, headers }) => {
    if (method === 'HEAD') return { status: 200, headers: blobHeaders({ 'content-length': '5' }) };
    const [, first, last] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(String(headers['x-ms-range'])) ?? [];
    if (first === undefined) return { status: 400, code: 'InvalidHeaderValue' };
    const end = Math.min(Number(last || 4), 4);
    const range = { 'content-range': `bytes ${first}-${end}/5`, 'content-length': String(end + 1 - Number(first)) };
    return { status: 206, headers: { ...blobHeaders(), ...range }, body: bytes.subarray(Number(first), end + 1) };
  });
  const get = (range: string) => store.getObject({ ...headOf('key'), headOnly: false, range }, signal);
  const huge = '9'.repeat(30);
  await t.rejects(get(`bytes=${huge}-`), { code: 'InvalidRange' });
  t.match(await get(`bytes=1-${huge}`), { range: { start: 1, end: 4 } });
  t.match(await get('bytes=1-'), { range: { start: 1, end: 4 } });
  t.match(await get('bytes=1-2'), { range: { start: 1, end: 2 } });
  t.equal(seen.length, 4, 'one look at the size, and a read each');
});
