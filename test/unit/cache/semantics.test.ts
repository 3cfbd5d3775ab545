import { Readable } from 'node:stream';
import t from 'tap';
import type { CacheRule } from '../../../src/cache/rules.ts';
import { S3Error } from '../../../src/s3/error.ts';
import { TransportFailure } from '../../../src/s3/failure.ts';
import { cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';
import { s3Request } from '../../support/s3-request.ts';

const immutable: readonly CacheRule[] = [{ match: '**', mode: 'immutable' }];
const down = () =>
  new S3Error('ServiceUnavailable', { cause: new TransportFailure('connect', 'ECONNREFUSED', 'gone') });

t.test('S5 K16 immutable: GET asks nobody, HEAD asks, fills nothing, and an absent object is forgotten', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  vendor.put('key', 'bytes');
  await send(handler, { method: 'HEAD', key: 'key' });
  await cache.idle();
  t.strictSame([...cache.store.entries()], [], 'HEAD fills nothing');
  await send(handler, { key: 'key' });
  await cache.idle();
  t.equal((await send(handler, { key: 'key' })).result, 'hit');
  t.equal((await send(handler, { method: 'HEAD', key: 'key' })).result, 'revalidated');
  t.strictSame(vendor.seen, ['HEAD key', 'GET key', 'HEAD key']);
  vendor.delete('key');
  t.equal((await send(handler, { key: 'key' })).result, 'hit', 'the name stands for the content');
  t.equal((await send(handler, { method: 'HEAD', key: 'key' })).status, 404);
  t.equal((await send(handler, { key: 'key' })).status, 404);
});

t.test('ttl: nobody is asked until the time is over', async (t) => {
  const { vendor, handler, cache, clock } = await cached(t, { rules: [{ match: '**', mode: 'ttl', maxAge: 10_000 }] });
  vendor.put('key', 'one');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.put('key', 'two');
  clock.ahead = 9_000;
  t.match(await send(handler, { key: 'key' }), { result: 'hit', bytes: Buffer.from('one') });
  t.match(await send(handler, { method: 'HEAD', key: 'key' }), { result: 'hit' });
  const asked = await send(handler, { key: 'key', headers: { 'cache-control': 'no-cache' } });
  t.equal(asked.bytes.toString(), 'two', 'S30 the client may ask that the storage be asked');
  vendor.put('key', 'three');
  clock.ahead = 30_000;
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'three');
});

t.test('K17 exclusive: what is absent is known, until it is written', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: [{ match: '**', mode: 'exclusive' }] });
  t.match(await send(handler, { key: 'key' }), { status: 404, result: 'miss' });
  t.match(await send(handler, { key: 'key' }), { status: 404, code: 'NoSuchKey', result: 'hit' });
  t.match(await send(handler, { method: 'HEAD', key: 'key' }), { status: 404, result: 'hit' });
  t.equal(vendor.seen.length, 1);
  await send(handler, { method: 'PUT', key: 'key', body: 'bytes' });
  await cache.idle();
  t.match(await send(handler, { key: 'key' }), { status: 200, result: 'hit', bytes: Buffer.from('bytes') });
  t.match(await send(handler, { method: 'HEAD', key: 'key' }), { status: 200, result: 'hit' });
  await send(handler, { method: 'DELETE', key: 'key' });
  const asked = vendor.seen.length;
  t.match(await send(handler, { key: 'key' }), { status: 404, result: 'hit' });
  t.equal(vendor.seen.length, asked);
});

t.test('K17 other modes remember no absence', async (t) => {
  const { vendor, handler } = await cached(t, { rules: immutable });
  t.equal((await send(handler, { key: 'key' })).status, 404);
  vendor.put('key', 'now');
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'now');
});

t.test('K05 K06 K11 S16 S17 what is not the one object for all is passed by, and poisons nothing', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', generatedBytes(1000, 1));
  const requests = [
    { query: 'partNumber=1' },
    { method: 'HEAD', query: 'partNumber=1' },
    { query: 'versionId=1' },
    { headers: { range: 'bytes=0-1,4-5' } },
    { headers: { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' } },
    { headers: { 'cache-control': 'no-store' } },
    { headers: { 'x-amz-expected-bucket-owner': '1' } },
  ];
  for (const request of requests) t.equal((await send(handler, { key: 'key', ...request })).result, 'bypass');
  t.strictSame([...cache.store.entries()], []);
  for (const [name, value] of [
    ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['x-amz-server-side-encryption', 'aws:kms'],
    ['cache-control', 'private, max-age=60'],
    ['cache-control', 'no-store'],
  ] as const) {
    vendor.put('key', 'secret', { [name]: value });
    t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'secret');
    t.equal((await send(handler, { key: 'key' })).result, 'miss', `${name}: ${value}`);
    await cache.idle();
    t.strictSame([...cache.store.entries()], []);
  }
  const put = { method: 'PUT', key: 'put', body: 'x', headers: { 'x-amz-server-side-encryption': 'aws:kms' } };
  await send(handler, put);
  await cache.idle();
  t.strictSame([...cache.store.entries()], []);
});

t.test('K10 response-* is put on one answer, never kept', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  vendor.put('key', 'bytes', { 'content-type': 'text/plain' });
  const first = await send(handler, { key: 'key', query: 'response-content-type=application/x-a' });
  await cache.idle();
  t.equal(first.headers.get('content-type'), 'application/x-a');
  t.equal((await send(handler, { key: 'key' })).headers.get('content-type'), 'text/plain');
  const bad = await send(handler, { key: 'key', query: 'response-content-type=a%0d%0ab' });
  t.equal(bad.code, 'InvalidArgument');
});

t.test('K09 K12 K13 K14 what belongs to one exchange is not kept, coded bytes are kept as they are', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  const once = {
    'set-cookie': 'a=b',
    vary: 'Origin',
    'access-control-allow-origin': '*',
    date: 'x',
    connection: 'close',
  };
  vendor.put('key', 'bytes', { ...once, 'content-encoding': 'gzip' });
  await send(handler, { key: 'key', headers: { origin: 'https://a.example', 'accept-encoding': 'br' } });
  await cache.idle();
  const hit = await send(handler, { key: 'key' });
  t.equal(hit.result, 'hit');
  for (const name of Object.keys(once)) t.notOk(hit.headers.has(name), name);
  t.equal(hit.headers.get('content-encoding'), 'gzip');
  t.equal(vendor.requests[0]?.headers.get('accept-encoding'), 'identity');
  t.notOk(vendor.requests[0]?.headers.has('origin'));
});

t.test('K18 conditions are held against what was validated', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  const { etag, lastModified } = vendor.put('key', 'bytes');
  for (const round of ['cold', 'warm']) {
    const status = async (headers: Record<string, string>) => (await send(handler, { key: 'key', headers })).status;
    t.equal(await status({ 'if-none-match': `"${etag}"` }), 304, round);
    t.equal(await status({ 'if-none-match': '"other"' }), 200, round);
    t.equal(await status({ 'if-match': '"other"' }), 412, round);
    t.equal(await status({ 'if-modified-since': lastModified.toUTCString() }), 304, round);
    t.equal(await status({ 'if-unmodified-since': new Date(0).toUTCString() }), 412, round);
    t.equal(await status({ 'if-range': `"${etag}"`, range: 'bytes=1-2' }), 206, round);
    t.equal(await status({ 'if-range': '"other"', range: 'bytes=1-2' }), 200, round);
    await cache.idle();
  }
  vendor.put('key', 'other');
  t.equal((await send(handler, { key: 'key', headers: { 'if-none-match': `"${etag}"` } })).status, 200);
});

t.test('C2 checksums are sent to who asks, for the whole object only', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  vendor.put('key', 'bytes', { 'x-amz-checksum-crc32': 'AAAAAA==' });
  await send(handler, { key: 'key' });
  await cache.idle();
  const asking = { 'x-amz-checksum-mode': 'ENABLED' };
  const header = async (headers: Record<string, string>) =>
    (await send(handler, { key: 'key', headers })).headers.get('x-amz-checksum-crc32');
  t.equal(await header(asking), 'AAAAAA==');
  t.equal(await header({}), undefined);
  t.equal(await header({ ...asking, range: 'bytes=0-1' }), undefined);
});

t.test('K15 bytes that are cut or not those of the ETag are never kept', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  vendor.put('key', generatedBytes(300_000, 1));
  vendor.interfere = ({ headers }) =>
    headers.has('range') ? { before: () => Promise.reject(down()) } : { body: (body) => cut(body, 100_000) };
  const broken = await send(handler, { key: 'key' });
  t.not(broken.status, 200);
  await cache.idle();
  t.strictSame([...cache.store.entries()], []);
  vendor.interfere = () => ({ body: flip });
  await send(handler, { key: 'key' });
  await cache.idle();
  t.strictSame([...cache.store.entries()], []);
});

t.test('a body that the storage breaks off is fetched on from where it broke', async (t) => {
  const { vendor, handler } = await cached(t);
  const bytes = generatedBytes(3_000_000, 1);
  vendor.put('key', bytes);
  let cuts = 0;
  vendor.interfere = () => (cuts++ < 2 ? { body: (body) => cut(body, 700_000) } : undefined);
  t.ok((await send(handler, { key: 'key' })).bytes.equals(bytes));
  t.ok(vendor.requests.slice(1).every(({ headers }) => headers.has('if-match')));
});

t.test('K20 R13 the first reader leaves, the others get all, and it is kept', async (t) => {
  const { vendor, handler, cache } = await cached(t);
  const bytes = generatedBytes(2_000_000, 1);
  vendor.put('key', bytes);
  const held = gate();
  vendor.interfere = () => ({ body: (body) => pauseAfter(body, 500_000, held.opened) });
  const first = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }));
  vendor.interfere = undefined;
  const second = send(handler, { key: 'key' });
  if (first.body instanceof Readable) first.body.destroy();
  held.open();
  t.ok((await second).bytes.equals(bytes));
  await cache.idle();
  t.equal(vendor.bytesSent(), bytes.length);
  t.equal((await send(handler, { key: 'key' })).result, 'revalidated');
});

t.test('K07 every kind of write is seen', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  const writes: Readonly<Record<string, () => Promise<unknown>>> = {
    PutObject: () => send(handler, { method: 'PUT', key: 'key', body: 'new' }),
    DeleteObject: () => send(handler, { method: 'DELETE', key: 'key' }),
    DeleteObjects: () =>
      send(handler, {
        method: 'POST',
        key: '',
        query: 'delete',
        body: '<Delete><Object><Key>key</Key></Object></Delete>',
      }),
    CopyObject: () => send(handler, { method: 'PUT', key: 'key', headers: { 'x-amz-copy-source': '/bucket/source' } }),
    PutObjectTagging: () => send(handler, { method: 'PUT', key: 'key', query: 'tagging', body: '<Tagging/>' }),
    Unknown: () => send(handler, { method: 'PUT', key: 'key', query: 'renameObject' }),
  };
  vendor.put('source', 'source');
  for (const [name, write] of Object.entries(writes)) {
    vendor.put('key', 'old');
    await send(handler, { key: 'key', headers: { 'cache-control': 'no-cache' } });
    await cache.idle();
    t.equal((await send(handler, { key: 'key' })).result, 'hit', name);
    await write();
    const read = await send(handler, { key: 'key' });
    const held = vendor.get('key');
    t.equal(read.status, held === undefined ? 404 : 200, name);
    t.ok(read.bytes.equals(held?.bytes ?? Buffer.alloc(0)), name);
    if (name === 'PutObjectTagging' || name === 'Unknown') t.not(read.result, 'hit', `${name} may change headers`);
    await cache.idle();
  }
});

t.test('S9 K07 after a write of unknown outcome the storage is asked', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  vendor.put('key', 'old');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.interfere = () => ({ after: () => Promise.reject(new S3Error('ServiceUnavailable')) });
  t.equal((await send(handler, { method: 'PUT', key: 'key', body: 'new' })).status, 503);
  vendor.interfere = undefined;
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'new');
});

t.test('S11 S12 parts and copies leave their bytes here', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  const parts = [generatedBytes(600_000, 1), generatedBytes(300_001, 2)];
  await send(handler, { method: 'POST', key: 'up', query: 'uploads' });
  const etags: (string | undefined)[] = [];
  for (const [index, body] of parts.entries()) {
    const query = `partNumber=${index + 1}&uploadId=upload-0`;
    etags.push((await send(handler, { method: 'PUT', key: 'up', query, body })).headers.get('etag'));
  }
  const list = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
  await send(handler, { method: 'POST', key: 'up', query: 'uploadId=upload-0', body });
  await cache.idle();
  const read = await send(handler, { key: 'up' });
  t.equal(read.result, 'hit');
  t.ok(read.bytes.equals(Buffer.concat(parts)));
  const copy = { 'x-amz-copy-source': '/bucket/up', 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-a': 'b' };
  await send(handler, { method: 'PUT', key: 'copy', headers: copy });
  await cache.idle();
  const copied = await send(handler, { key: 'copy' });
  t.equal(copied.result, 'hit');
  t.equal(copied.headers.get('x-amz-meta-a'), 'b');
  t.ok(copied.bytes.equals(Buffer.concat(parts)));
  t.equal(vendor.bytesSent(), 0, 'nothing was ever fetched');
});

t.test('the line is down: known objects are served stale, misses fail at once, recovery is found', async (t) => {
  const { vendor, handler, cache, clock } = await cached(t);
  vendor.put('key', 'bytes');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.interfere = () => ({ before: () => Promise.reject(down()) });
  for (const method of ['GET', 'HEAD', 'GET']) {
    const read = await send(handler, { method, key: 'key' });
    t.match(read, { status: 200, result: 'stale' });
  }
  const asked = vendor.seen.length;
  const miss = await send(handler, { key: 'other' });
  t.match(miss, { status: 503, code: 'ServiceUnavailable' });
  t.equal(miss.headers.get('retry-after'), '1');
  t.equal((await send(handler, { method: 'PUT', key: 'key', body: 'new' })).status, 503, 'writes fail honestly');
  t.match(await send(handler, { key: 'key' }), { result: 'stale', bytes: Buffer.from('bytes') });
  t.equal(vendor.seen.length, asked + 1, 'only the write went there');
  clock.ahead = 1_100;
  vendor.interfere = undefined;
  await send(handler, { key: 'key' });
  await cache.idle();
  t.equal((await send(handler, { key: 'key' })).result, 'revalidated');
});

t.test(
  'recovery makes no stampede: one question a second while the line is down, one an object when it is back',
  async (t) => {
    const { vendor, handler, cache, clock } = await cached(t, { isStill: true });
    const keys = ['one', 'two', 'three'];
    for (const key of keys) vendor.put(key, `of ${key}`);
    for (const key of keys) await send(handler, { key });
    await cache.idle();
    let inFlight = 0;
    let most = 0;
    const watched = (gone: boolean) => ({
      before: async () => {
        inFlight++;
        most = Math.max(most, inFlight);
        await new Promise(setImmediate);
        inFlight--;
        if (gone) throw down();
      },
    });
    const crowd = async () => {
      const asked = vendor.seen.length;
      const reads = Array.from({ length: 300 }, (_, index) => send(handler, { key: keys[index % 3] }));
      const results = new Set((await Promise.all(reads)).map(({ result }) => result));
      await cache.idle();
      return { results: [...results], asked: vendor.seen.length - asked };
    };
    vendor.interfere = () => watched(true);
    t.strictSame(await crowd(), { results: ['stale'], asked: 3 }, 'the first ones find out');
    t.strictSame(await crowd(), { results: ['stale'], asked: 0 });
    clock.ahead += 1_100;
    t.strictSame(await crowd(), { results: ['stale'], asked: 1 });
    vendor.interfere = () => watched(false);
    clock.ahead += 1_100;
    t.strictSame(await crowd(), { results: ['stale'], asked: 1 }, 'the question that finds it back');
    t.strictSame(await crowd(), { results: ['revalidated'], asked: 3 });
    t.equal(most, 3, 'at a time');
  },
);

t.test('stale answers end when the rule says, and 403 is no outage', async (t) => {
  const { vendor, handler, cache, clock } = await cached(t, {
    rules: [{ match: '**', mode: 'revalidate', staleIfError: 60_000 }],
  });
  vendor.put('key', 'bytes');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.interfere = () => ({ before: () => Promise.reject(new S3Error('AccessDenied')) });
  t.equal((await send(handler, { key: 'key' })).status, 403);
  vendor.interfere = () => ({ before: () => Promise.reject(down()) });
  t.equal((await send(handler, { key: 'key' })).result, 'stale');
  t.equal(
    (await send(handler, { key: 'key', headers: { 'cache-control': 'no-cache' } })).status,
    503,
    'not to who asks',
  );
  clock.ahead = 61_000;
  t.equal((await send(handler, { key: 'key' })).status, 503);
});

t.test('a share of the hits is verified, and what changed is found out', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable, verify: 0.5, random: () => 0.4 });
  vendor.put('key', 'one');
  await send(handler, { key: 'key' });
  await cache.idle();
  vendor.put('key', 'two');
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'one');
  await cache.idle();
  t.match(cache.stats().rules, [{ verified: { right: 0, stale: 1 } }]);
  t.equal((await send(handler, { key: 'key' })).bytes.toString(), 'two');
});

t.test('K19 keys that differ in case or form only are different objects', async (t) => {
  const { vendor, handler, cache } = await cached(t, { rules: immutable });
  const keys = ['key', 'KEY', 'é', 'e\u0301', 'a/../b', 'a//b', 'a/b'];
  for (const key of keys) vendor.put(key, `of ${key}`);
  for (const key of keys) await send(handler, { key });
  await cache.idle();
  for (const key of keys) t.match(await send(handler, { key }), { result: 'hit', bytes: Buffer.from(`of ${key}`) });
});

t.test('large objects come in parallel, the place that a reader waits for first, each byte once', async (t) => {
  const { vendor, handler, cache } = await cached(t, { memory: 512 * 2 ** 20 });
  const bytes = generatedBytes(40 * 2 ** 20 + 5, 1);
  vendor.put('key', bytes);
  const [tail, whole] = await Promise.all([
    send(handler, { key: 'key', headers: { range: 'bytes=-100' } }),
    send(handler, { key: 'key' }),
  ]);
  t.ok(tail.bytes.equals(bytes.subarray(-100)));
  t.ok(whole.bytes.equals(bytes));
  await cache.idle();
  const ranges = vendor.requests.filter(({ headers }) => headers.has('range'));
  t.ok(ranges.length >= 3, `${ranges.length} ranges`);
  t.ok(
    ranges.every(({ headers }) => headers.has('if-match')),
    'S21 guarded',
  );
  t.ok(vendor.bytesSent() < bytes.length * 1.25, `${vendor.bytesSent()} bytes fetched`);
  t.equal((await send(handler, { key: 'key' })).result, 'revalidated');
});

t.test('a large object is asked for in stretches no longer than its storage is set to', async (t) => {
  const { vendor, at, cache } = await cached(t, { memory: 512 * 2 ** 20 });
  const bytes = generatedBytes(40 * 2 ** 20 + 5, 1);
  vendor.put('key', bytes);
  t.ok((await send(at({ partBytes: 2 ** 20 }), { key: 'key' })).bytes.equals(bytes));
  await cache.idle();
  const lengths = vendor.requests.flatMap(({ headers }) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.get('range') ?? '') ?? [];
    return start === undefined ? [] : [Number(end) - Number(start) + 1];
  });
  t.ok(lengths.length >= 8, `${lengths.length} ranges`);
  t.ok(Math.max(...lengths) <= 2 ** 20, `${Math.max(...lengths)} bytes`);
});

t.test('S21 an object that changes while it is fetched is never mixed', async (t) => {
  const { vendor, handler, cache } = await cached(t, { memory: 512 * 2 ** 20 });
  const versions = [1, 2].map((seed) => generatedBytes(40 * 2 ** 20, seed));
  vendor.put('key', versions[0] ?? '');
  const held = gate();
  vendor.interfere = ({ headers }) => (headers.has('range') ? { before: () => held.opened } : undefined);
  const reading = send(handler, { key: 'key' });
  await new Promise(setImmediate);
  vendor.put('key', versions[1] ?? '');
  held.open();
  const read = await reading;
  t.ok(read.status !== 200 || versions.some((bytes) => bytes.equals(read.bytes)));
  await cache.idle();
  t.ok((await send(handler, { key: 'key' })).bytes.equals(versions[1] ?? Buffer.alloc(0)));
});

function cut(body: Readable, after: number): Readable {
  return Readable.from(
    (async function* () {
      let left = after;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        yield chunk.subarray(0, left);
        left -= chunk.length;
        if (left <= 0) throw new Error('cut');
      }
    })(),
    { objectMode: false },
  );
}

function flip(body: Readable): Readable {
  return body.map((chunk: Buffer) => {
    const flipped = Buffer.from(chunk);
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    return flipped;
  });
}

function pauseAfter(body: Readable, after: number, go: Promise<void>): Readable {
  return Readable.from(
    (async function* () {
      let left = after;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        if (left <= 0) await go;
        left -= chunk.length;
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
}
