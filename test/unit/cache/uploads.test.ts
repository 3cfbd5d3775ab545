import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { createUploads, type Part } from '../../../src/cache/uploads.ts';
import type { Handler } from '../../../src/s3/message.ts';
import { type CachedAnswer, cached, send } from '../../support/cached.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { generatedBytes } from '../../support/generated.ts';
import { bytesOf, s3Request } from '../../support/s3-request.ts';

/** A part whose draft only says whether it was closed. */
function part(size: number, closed: number[], name: number): Part {
  const draft = {
    holdsBytes: true,
    write: async () => undefined,
    read: async () => new Uint8Array(0),
    keep: async () => true,
    close: () => void closed.push(name),
  };
  return { draft, size, etag: `etag-${name}` };
}

const listing = (...names: number[]): Buffer =>
  Buffer.from(
    `<CompleteMultipartUpload>${names.map((name) => `<Part><PartNumber>${name}</PartNumber><ETag>"etag-${name}"</ETag></Part>`).join('')}</CompleteMultipartUpload>`,
  );

t.test('S11 an upload that is over leaves no part behind, whether or not all its parts are here', async (t) => {
  const closed: number[] = [];
  const uploads = createUploads({ fits: () => true });
  for (const name of [1, 2, 3]) uploads.add('all', name, part(10, closed, name));
  t.same(
    uploads.take('all', listing(1, 3))?.map(({ etag }) => etag),
    ['etag-1', 'etag-3'],
  );
  t.same(closed, [2], 'what is not listed is not used');
  uploads.add('some', 4, part(10, closed, 4));
  t.equal(uploads.take('some', listing(4, 5)), undefined);
  t.same(closed, [2, 4], 'part 5 was never here');
  uploads.add('aborted', 6, part(10, closed, 6));
  uploads.add('aborted', 6, part(10, closed, 7));
  t.same(closed, [2, 4, 6], 'a part that is sent again replaces the one before');
  uploads.forget('aborted');
  t.same(closed, [2, 4, 6, 7]);
});

t.test('S11 uploads that nobody ends take no more than one large object may, the oldest going first', async (t) => {
  const closed: number[] = [];
  const uploads = createUploads({ fits: (bytes) => bytes <= 100 });
  for (const name of [1, 2, 3]) uploads.add(`upload-${name}`, 1, part(40, closed, name));
  t.same(closed, [1]);
  t.notOk(uploads.has('upload-1'));
  uploads.add('upload-2', 2, part(20, closed, 4));
  uploads.add('upload-5', 1, part(40, closed, 5));
  t.same(closed, [1, 3], 'one that goes on is not the oldest');
  for (const name of [6, 7, 8]) uploads.add('upload-large', name, part(40, closed, name));
  t.notOk(uploads.has('upload-large'), 'it would never fit');
  t.same(closed, [1, 3, 2, 4, 5, 6, 7, 8]);
  for (let name = 0; name < 3000; name++) uploads.add('upload-many', name, part(0, closed, 10));
  t.ok(3000 - closed.filter((name) => name === 10).length <= 2048, 'nor too many files');
});

t.test('parts of uploads that are over or given up take no space from what is kept', async (t) => {
  const disk = { path: diskFolder(t), size: 8_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk, memory: 1000 });
  const sendPart = async (uploadId: string, number: number): Promise<string> => {
    const query = `partNumber=${number}&uploadId=${uploadId}`;
    const body = generatedBytes(400_000, number);
    return (await send(handler, { method: 'PUT', key: 'up', query, body })).headers.get('etag') ?? '';
  };
  await send(handler, { method: 'POST', key: 'up', query: 'uploads' });
  const first = await sendPart('upload-0', 1);
  vendor.put('source', 'changed behind the back');
  const headers = { 'x-amz-copy-source': '/bucket/source' };
  await send(handler, { method: 'PUT', key: 'up', query: 'partNumber=2&uploadId=upload-0', headers });
  const second = `"${vendor.get('source')?.etag}"`;
  const parts = [first, second].map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  t.equal((await send(handler, { method: 'POST', key: 'up', query: 'uploadId=upload-0', body })).status, 200);
  await turn();
  t.equal(cache.usage().disk?.bytes, 0, 'a completed upload of which a part was not here');

  vendor.put('kept', generatedBytes(1_000_000, 1));
  await send(handler, { key: 'kept' });
  await cache.idle();
  for (let upload = 1; upload <= 30; upload++) {
    await send(handler, { method: 'POST', key: 'up', query: 'uploads' });
    await sendPart(`upload-${upload}`, 1);
  }
  const sent = vendor.bytesSent();
  t.equal((await send(handler, { key: 'kept' })).result, 'revalidated', 'it was not pushed out');
  t.equal(vendor.bytesSent(), sent);
});

async function upload(handler: Handler, pieces: readonly Buffer[]): Promise<CachedAnswer> {
  await send(handler, { method: 'POST', key: 'up', query: 'uploads' });
  const etags: string[] = [];
  for (const [index, body] of pieces.entries()) {
    const query = `partNumber=${index + 1}&uploadId=upload-0`;
    etags.push((await send(handler, { method: 'PUT', key: 'up', query, body })).headers.get('etag') ?? '');
  }
  const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  return send(handler, { method: 'POST', key: 'up', query: 'uploadId=upload-0', body });
}

t.test('who reads an upload just completed follows while its parts are put together', async (t) => {
  for (const mode of ['revalidate', 'exclusive'] as const) {
    const disk = { path: diskFolder(t), size: 1_000_000_000, minFree: 0 };
    const { vendor, handler, cache } = await cached(t, { disk, rules: [{ match: '**', mode }] });
    const pieces = [1, 2, 3].map((number) => generatedBytes(16_000_000 + number, number));
    t.equal((await upload(handler, pieces)).status, 200);
    const response = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'up' }));
    t.same([...cache.store.entries()], [], `${mode}: it begins before they are together`);
    t.equal(response.headers.get('x-sluice-cache'), mode === 'exclusive' ? 'hit' : 'revalidated');
    const range = { range: 'bytes=31999990-32000010' };
    const middle = await send(handler, { key: 'up', headers: range });
    const whole = Buffer.concat(pieces);
    t.ok(middle.bytes.equals(whole.subarray(31_999_990, 32_000_011)), 'a range over two parts');
    t.ok((await bytesOf(response)).equals(whole));
    await cache.idle();
    t.equal(vendor.bytesSent(), 0);
    t.equal(cache.stats().counters.writesKept, 1);
    t.equal((await send(handler, { key: 'up' })).bytes.length, whole.length);
    t.equal(vendor.bytesSent(), 0);
    t.equal(cache.usage().disk?.count, 1);
  }
});

t.test('a copy of an upload just completed is kept, though its source goes at once', async (t) => {
  const disk = { path: diskFolder(t), size: 1_000_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk });
  const pieces = [1, 2].map((number) => generatedBytes(16_000_000 + number, number));
  t.equal((await upload(handler, pieces)).status, 200);
  const headers = { 'x-amz-copy-source': '/bucket/up' };
  t.equal((await send(handler, { method: 'PUT', key: 'copy', headers })).status, 200);
  await send(handler, { method: 'DELETE', key: 'up' });
  await cache.idle();
  t.equal(cache.stats().counters.copiesKept, 1);
  t.ok((await send(handler, { key: 'copy' })).bytes.equals(Buffer.concat(pieces)));
  t.equal(vendor.bytesSent(), 0);
});
