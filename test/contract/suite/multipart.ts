import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { childText } from '../../../src/s3/xml.ts';
import { generatedBytes } from '../../support/generated.ts';
import { type Call, childrenOf, document, md5, queryOf } from './client.ts';
import { type SentPart, uploaderOf } from './uploader.ts';

const bucket = 'multipart';
const MIN = 5 * 1024 * 1024;

export function multipartEtag(parts: readonly Uint8Array[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(createHash('md5').update(part).digest());
  return `"${hash.digest('hex')}-${parts.length}"`;
}

export async function multipartContract(t: Test, call: Call): Promise<void> {
  await call({ method: 'PUT', bucket });
  const { begin, upload, complete, get } = uploaderOf(call, bucket);
  const [first, second, last] = [generatedBytes(MIN, 1), generatedBytes(MIN + 3, 2), generatedBytes(1000, 3)];
  const bodies = [first, second, last];

  await t.test('parts in any order become one object, with its ETag, parts and ranges', async (t) => {
    const id = await begin('joined', { 'content-type': 'a/b', 'x-amz-meta-m': '1', 'x-amz-tagging': 't=1' });
    t.match(id, /^[A-Za-z0-9_-]+$/, 'R15');
    const numbers = [2, 5, 9];
    const parts: SentPart[] = [];
    for (const index of [2, 0, 1]) {
      const answer = await upload('joined', id, numbers[index] ?? 0, bodies[index] ?? first);
      t.equal(answer.headers.get('etag'), `"${md5(bodies[index] ?? first)}"`, 'R12');
      parts.push({ number: numbers[index] ?? 0, etag: answer.headers.get('etag') ?? '' });
    }
    t.equal((await get('joined')).code, 'NoSuchKey', 'not there before it is completed');
    parts.sort((a, b) => a.number - b.number);
    const answer = await complete('joined', id, parts);
    const root = document(answer);
    const etag = multipartEtag(bodies);
    t.equal(childText(root, 'ETag'), etag);
    t.equal(childText(root, 'Location'), 'http://store.test:9000/multipart/joined');
    const whole = Buffer.concat(bodies);
    const read = await get('joined');
    t.ok(read.bytes.equals(whole));
    t.equal(read.headers.get('etag'), etag);
    t.match(Object.fromEntries(read.headers), {
      'content-type': 'a/b',
      'x-amz-meta-m': '1',
      'x-amz-tagging-count': '1',
    });
    const across = await get('joined', '', { range: `bytes=${MIN - 2}-${MIN + 1}` });
    t.ok(across.bytes.equals(whole.subarray(MIN - 2, MIN + 2)), 'a range over the seam');
    const part = await get('joined', 'partNumber=5');
    t.equal(part.status, 206);
    t.ok(part.bytes.equals(second));
    t.equal(part.headers.get('x-amz-mp-parts-count'), '3');
    t.equal(part.headers.get('content-range'), `bytes ${MIN}-${2 * MIN + 2}/${whole.byteLength}`);
    t.equal((await get('joined', 'partNumber=1')).status, 416);
    t.equal(childText(document(await complete('joined', id, parts)), 'ETag'), etag, 'completing again is no error');
    t.equal((await upload('joined', id, 1, first)).code, 'NoSuchUpload');
    const copied = await call({
      method: 'PUT',
      bucket,
      key: 'copied',
      headers: { 'x-amz-copy-source': `${bucket}/joined` },
    });
    t.equal(copied.status, 200);
    await call({ method: 'DELETE', bucket, key: 'joined' });
    t.ok((await get('copied')).bytes.equals(whole), 'a copy outlives its source');
  });

  await t.test('Complete refuses wrong lists, and the upload stays', async (t) => {
    const id = await begin('strict');
    const one = (await upload('strict', id, 1, last)).headers.get('etag') ?? '';
    const two = (await upload('strict', id, 2, last)).headers.get('etag') ?? '';
    const cases: [readonly SentPart[], string][] = [
      [
        [
          { number: 2, etag: two },
          { number: 1, etag: one },
        ],
        'InvalidPartOrder',
      ],
      [
        [
          { number: 1, etag: one },
          { number: 1, etag: one },
        ],
        'InvalidPartOrder',
      ],
      [
        [
          { number: 1, etag: one },
          { number: 3, etag: two },
        ],
        'InvalidPart',
      ],
      [[{ number: 1, etag: `"${'0'.repeat(32)}"` }], 'InvalidPart'],
      [
        [
          { number: 1, etag: one },
          { number: 2, etag: two },
        ],
        'EntityTooSmall',
      ],
      [[], 'MalformedXML'],
    ];
    for (const [parts, code] of cases) t.equal((await complete('strict', id, parts)).code, code);
    const broken = await call({ method: 'POST', bucket, key: 'strict', query: queryOf({ uploadId: id }), body: '<x' });
    t.equal(broken.code, 'MalformedXML');
    const size = { 'x-amz-mp-object-size': '5' };
    t.equal((await complete('strict', id, [{ number: 1, etag: one }], size)).code, 'InvalidRequest');
    t.equal((await get('strict')).code, 'NoSuchKey');
    const right = { 'x-amz-mp-object-size': '1000' };
    t.equal((await complete('strict', id, [{ number: 2, etag: two.replaceAll('"', '') }], right)).status, 200);
    t.ok((await get('strict')).bytes.equals(last), 'R13 an ETag without quotes will do, and part 1 is left out');
  });

  await t.test('an upload that is not there, or of another key, is NoSuchUpload', async (t) => {
    const id = await begin('mine');
    for (const [key, uploadId] of [
      ['mine', 'nonsense'],
      ['other', id],
    ] as const) {
      t.equal((await upload(key, uploadId, 1, last)).code, 'NoSuchUpload');
      t.equal((await complete(key, uploadId, [{ number: 1, etag: 'x' }])).code, 'NoSuchUpload');
      t.equal((await call({ method: 'DELETE', bucket, key, query: queryOf({ uploadId }) })).code, 'NoSuchUpload');
      t.equal((await get(key, queryOf({ uploadId }))).code, 'NoSuchUpload');
    }
    t.equal((await call({ method: 'DELETE', bucket, key: 'mine', query: queryOf({ uploadId: id }) })).status, 204);
    t.equal((await upload('mine', id, 1, last)).code, 'NoSuchUpload', 'nor after it was aborted');
    for (const number of ['0', '10001', 'x', '-1']) {
      const put = { method: 'PUT', bucket, key: 'mine', body: last };
      t.equal((await call({ ...put, query: queryOf({ partNumber: number, uploadId: id }) })).code, 'InvalidArgument');
    }
  });

  await t.test('a part sent again replaces the first; conditions hold at Complete', async (t) => {
    const id = await begin('again');
    const old = (await upload('again', id, 1, first)).headers.get('etag') ?? '';
    const now = (await upload('again', id, 1, last)).headers.get('etag') ?? '';
    t.equal((await complete('again', id, [{ number: 1, etag: old }])).code, 'InvalidPart');
    await call({ method: 'PUT', bucket, key: 'again', body: 'x' });
    const parts = [{ number: 1, etag: now }];
    t.equal((await complete('again', id, parts, { 'if-none-match': '*' })).code, 'PreconditionFailed');
    t.equal((await get('again')).bytes.toString(), 'x');
    t.equal((await complete('again', id, parts)).status, 200, 'the upload has stayed');
    t.ok((await get('again')).bytes.equals(last));
  });

  await t.test('an upload of one empty part is an empty object', async (t) => {
    const id = await begin('empty');
    const etag = (await upload('empty', id, 1, Buffer.alloc(0))).headers.get('etag') ?? '';
    t.equal((await complete('empty', id, [{ number: 1, etag }])).status, 200);
    const read = await get('empty');
    t.same([read.status, read.bytes.byteLength], [200, 0]);
    t.equal((await get('empty', 'partNumber=1')).headers.get('x-amz-mp-parts-count'), '1');
  });

  await t.test('parts are copied from objects, whole or by range', async (t) => {
    await call({ method: 'PUT', bucket, key: 'source', body: second });
    const id = await begin('target');
    const copyPart = (number: number, headers: Record<string, string>) =>
      call({
        method: 'PUT',
        bucket,
        key: 'target',
        query: queryOf({ partNumber: number, uploadId: id }),
        headers: { 'x-amz-copy-source': `${bucket}/source`, ...headers },
      });
    const one = childText(document(await copyPart(1, {})), 'ETag') ?? '';
    t.equal(one, `"${md5(second)}"`);
    const two = childText(document(await copyPart(2, { 'x-amz-copy-source-range': 'bytes=3-9' })), 'ETag') ?? '';
    t.equal(two, `"${md5(second.subarray(3, 10))}"`);
    for (const range of ['bytes=3-', 'bytes=-3', `bytes=0-${second.byteLength}`, '3-9', 'bytes=9-3']) {
      t.equal((await copyPart(3, { 'x-amz-copy-source-range': range })).code, 'InvalidArgument', range);
    }
    t.equal((await copyPart(3, { 'x-amz-copy-source-if-match': '"0"' })).code, 'PreconditionFailed');
    t.equal((await copyPart(3, { 'x-amz-copy-source': `${bucket}/none` })).code, 'NoSuchKey');
    const parts = [
      { number: 1, etag: one },
      { number: 2, etag: two },
    ];
    t.equal((await complete('target', id, parts)).status, 200);
    t.ok((await get('target')).bytes.equals(Buffer.concat([second, second.subarray(3, 10)])));
  });

  await t.test('R14 parts and uploads are listed by page', async (t) => {
    const name = 'uploads';
    await call({ method: 'PUT', bucket: name });
    const ids = new Map<string, string[]>();
    for (const key of ['a/1', 'a/2', 'b', 'b', 'c']) {
      const answer = await call({ method: 'POST', bucket: name, key, query: 'uploads' });
      const id = childText(document(answer), 'UploadId') ?? '';
      ids.set(key, [...(ids.get(key) ?? []), id].sort());
    }
    const list = async (query: Record<string, string | number>) =>
      document(await call({ method: 'GET', bucket: name, query: queryOf({ uploads: '', ...query }) }));
    const found: string[][] = [];
    const begun: string[] = [];
    let [key, upload] = ['', ''];
    for (;;) {
      const root = await list({ 'max-uploads': 1, 'key-marker': key, 'upload-id-marker': upload });
      for (const entry of childrenOf(root, 'Upload')) {
        found.push([childText(entry, 'Key') ?? '', childText(entry, 'UploadId') ?? '']);
        t.match(childText(entry, 'Initiated'), /Z$/);
        begun.push(`${childText(entry, 'Key')} ${childText(entry, 'Initiated')}`);
      }
      if (childText(root, 'IsTruncated') === 'false') break;
      [key, upload] = [childText(root, 'NextKeyMarker') ?? '', childText(root, 'NextUploadIdMarker') ?? ''];
    }
    t.same([...found].sort(), [...ids].flatMap(([k, list]) => list.map((id) => [k, id])).sort(), 'each once');
    // Ids may be hidden behind others, which sort as they like.
    t.same(begun, [...begun].sort(), 'by key, then by time');
    const grouped = await list({ delimiter: '/' });
    t.same(
      childrenOf(grouped, 'CommonPrefixes').map((entry) => childText(entry, 'Prefix')),
      ['a/'],
    );
    t.equal(childrenOf(grouped, 'Upload').length, 3);
    t.equal(childrenOf(await list({ 'key-marker': 'b' }), 'Upload').length, 1, 'a key alone skips all its uploads');
    t.equal(childrenOf(await list({ prefix: 'a/' }), 'Upload').length, 2);

    const id = ids.get('c')?.[0] ?? '';
    for (const number of [1, 2, 7]) {
      await call({
        method: 'PUT',
        bucket: name,
        key: 'c',
        query: queryOf({ partNumber: number, uploadId: id }),
        body: last,
      });
    }
    const parts = async (query: Record<string, string | number>) =>
      document(await call({ method: 'GET', bucket: name, key: 'c', query: queryOf({ uploadId: id, ...query }) }));
    const page = await parts({ 'max-parts': 1, 'part-number-marker': 1 });
    t.same(
      childrenOf(page, 'Part').map((part) => childText(part, 'PartNumber')),
      ['2'],
    );
    t.same(
      childrenOf(page, 'Part').map((part) => childText(part, 'ETag')),
      [`"${md5(last)}"`],
    );
    t.same([childText(page, 'IsTruncated'), childText(page, 'NextPartNumberMarker')], ['true', '2']);
    t.same(childText(await parts({ 'part-number-marker': 2 }), 'IsTruncated'), 'false');
  });
}
