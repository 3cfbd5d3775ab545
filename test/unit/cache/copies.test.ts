import t, { type Test } from 'tap';
import type { CacheRule } from '../../../src/cache/rules.ts';
import type { Handler } from '../../../src/s3/message.ts';
import { type Cached, cached, gate, send } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';

const immutable: readonly CacheRule[] = [{ match: '**', mode: 'immutable' }];

async function start(test: Test, rules = immutable): Promise<Cached> {
  return cached(test, { rules });
}

interface PartOrder {
  readonly body?: Buffer;
  readonly source?: string;
  readonly range?: string;
}

/** Uploads an object in parts, each sent or copied; gives what the storage answered to the Complete. */
async function upload(handler: Handler, key: string, parts: readonly PartOrder[]) {
  await send(handler, { method: 'POST', key, query: 'uploads' });
  const listed: string[] = [];
  for (const [index, { body, source, range }] of parts.entries()) {
    const query = `partNumber=${index + 1}&uploadId=upload-0`;
    const headers = {
      ...(source !== undefined && { 'x-amz-copy-source': `/bucket/${source}` }),
      ...(range !== undefined && { 'x-amz-copy-source-range': range }),
    };
    const answer = await send(handler, { method: 'PUT', key, query, headers, body: body ?? null });
    const etag =
      answer.headers.get('etag') ?? /"[0-9a-f]+"/.exec(answer.bytes.toString().replaceAll('&quot;', '"'))?.[0];
    listed.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  }
  const body = `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`;
  return send(handler, { method: 'POST', key, query: 'uploadId=upload-0', body });
}

t.test('S12 a copy between two buckets of one storage leaves its bytes here', async (t) => {
  const { vendor, handler, cache, at } = await start(t);
  const bytes = generatedBytes(700_000, 1);
  const other = at({ bucket: 'other', clientBucket: 'other' });
  await send(other, { method: 'PUT', bucket: 'other', key: 'source', body: bytes });
  await cache.idle();
  const copying = at({ copied: { bucket: 'other', key: 'source' } });
  await send(copying, { method: 'PUT', key: 'copy', headers: { 'x-amz-copy-source': '/other/source' } });
  await cache.idle();
  const read = await send(handler, { key: 'copy' });
  t.equal(read.result, 'hit');
  t.ok(read.bytes.equals(bytes));
  t.equal(vendor.bytesSent(), 0);
  t.match(cache.stats().counters, { copiesKept: 1 });
});

t.test('S12 a copy of what was changed behind our back leaves nothing of the old', async (t) => {
  const { vendor, handler, cache } = await start(t);
  await send(handler, { method: 'PUT', key: 'source', body: 'old' });
  await cache.idle();
  vendor.put('source', 'new');
  await send(handler, { method: 'PUT', key: 'copy', headers: { 'x-amz-copy-source': '/bucket/source' } });
  await cache.idle();
  t.equal((await send(handler, { key: 'copy' })).bytes.toString(), 'new');
});

t.test('S12 a copy is here although its source was completed just before and deleted just after', async (t) => {
  const { vendor, handler, cache } = await start(t);
  const parts = [generatedBytes(600_000, 1), generatedBytes(300_001, 2)];
  const copying = gate();
  vendor.interfere = ({ method, key, operation }) => {
    if (method === 'HEAD' && key === 'upload') return { before: () => copying.opened };
    if (operation === 'CopyObject') copying.open();
    return undefined;
  };
  await upload(
    handler,
    'upload',
    parts.map((body) => ({ body })),
  );
  await send(handler, { method: 'PUT', key: 'copy', headers: { 'x-amz-copy-source': '/bucket/upload' } });
  await send(handler, { method: 'DELETE', key: 'upload' });
  await cache.idle();
  const read = await send(handler, { key: 'copy' });
  t.equal(read.result, 'hit');
  t.ok(read.bytes.equals(Buffer.concat(parts)));
  t.equal(vendor.bytesSent(), 0);
});

t.test('S12 parts copied from what is here leave their bytes, whole or by range', async (t) => {
  const { vendor, handler, cache } = await start(t);
  const source = generatedBytes(900_000, 1);
  const sent = generatedBytes(300_000, 2);
  await send(handler, { method: 'PUT', key: 'source', body: source });
  await cache.idle();
  const range = 'bytes=262100-800000';
  await upload(handler, 'key', [{ source: 'source' }, { body: sent }, { source: 'source', range }]);
  await cache.idle();
  const read = await send(handler, { key: 'key' });
  t.equal(read.result, 'hit');
  t.ok(read.bytes.equals(Buffer.concat([source, sent, source.subarray(262_100, 800_001)])));
  t.equal(vendor.bytesSent(), 0);
});

t.test('a copied part that is not what lies here, or not here at all, leaves nothing false', async (t) => {
  for (const change of ['changed', 'unknown', 'beyond'] as const) {
    const { vendor, handler, cache } = await start(t);
    if (change !== 'unknown') await send(handler, { method: 'PUT', key: 'source', body: generatedBytes(500_000, 1) });
    await cache.idle();
    if (change !== 'beyond') vendor.put('source', generatedBytes(500_000, 2));
    const part = { source: 'source', ...(change === 'beyond' && { range: 'bytes=1-900000' }) };
    await upload(handler, 'key', [part, { body: generatedBytes(10, 3) }]);
    await cache.idle();
    const read = await send(handler, { key: 'key' });
    t.ok(read.bytes.equals(vendor.get('key')?.bytes ?? Buffer.alloc(0)), change);
    t.equal(read.result, 'miss', change);
  }
});
