import type { Test } from 'tap';
import { childText } from '../../../src/s3/xml.ts';
import { generatedBytes } from '../../support/generated.ts';
import { type Call, childrenOf, document, md5 } from './client.ts';

const bucket = 'writes';

/** Conditional writes, copies, tags, attributes and DeleteObjects. */
export async function writeContract(t: Test, call: Call): Promise<void> {
  await call({ method: 'PUT', bucket });
  const put = (key: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    call({ method: 'PUT', bucket, key, body, headers });
  const get = (key: string) => call({ method: 'GET', bucket, key });
  const copy = (key: string, source: string, headers: Record<string, string> = {}) =>
    call({ method: 'PUT', bucket, key, headers: { 'x-amz-copy-source': source, ...headers } });

  await t.test('conditional writes are decided as the write becomes visible', async (t) => {
    t.equal((await put('cond', '1', { 'if-none-match': '*' })).status, 200);
    t.equal((await put('cond', '2', { 'if-none-match': '*' })).code, 'PreconditionFailed');
    t.equal((await put('cond', '2', { 'if-match': `"${md5(Buffer.from('0'))}"` })).code, 'PreconditionFailed');
    t.equal((await put('cond', '2', { 'if-match': `"${md5(Buffer.from('1'))}"` })).status, 200);
    t.equal((await get('cond')).bytes.toString(), '2');
    t.equal((await put('absent', '2', { 'if-match': '*' })).code, 'NoSuchKey');
    t.equal((await put('cond', '3', { 'if-none-match': '"x"' })).code, 'NotImplemented');
    const racers = Array.from({ length: 20 }, (_, n) => put('race', `${n}`.repeat(40_000), { 'if-none-match': '*' }));
    const statuses = (await Promise.all(racers)).map((answer) => answer.status).sort();
    t.same(statuses, [200, ...Array(19).fill(412)], 'of twenty at once, one wins');
  });

  await t.test('a copy has the bytes, headers and tags of its source', async (t) => {
    const body = generatedBytes(50_000, 1);
    const { headers } = await put('src', body, { 'content-type': 'a/b', 'x-amz-meta-m': '1', 'x-amz-tagging': 't=1' });
    const answer = await copy('dst', `${bucket}/src`);
    t.equal(answer.status, 200);
    t.equal(childText(document(answer), 'ETag'), headers.get('etag'));
    const read = await get('dst');
    t.ok(read.bytes.equals(body));
    t.match(Object.fromEntries(read.headers), {
      'content-type': 'a/b',
      'x-amz-meta-m': '1',
      'x-amz-tagging-count': '1',
    });
    await call({ method: 'DELETE', bucket, key: 'src' });
    t.ok((await get('dst')).bytes.equals(body), 'and outlives it');
  });

  await t.test('directives replace headers and tags', async (t) => {
    await put('src2', 'x', { 'content-type': 'a/b', 'x-amz-meta-m': '1', 'x-amz-tagging': 't=1' });
    await copy('dst2', `/${bucket}/src2`, {
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-tagging-directive': 'REPLACE',
      'x-amz-storage-class': 'GLACIER_IR',
      'content-type': 'c/d',
    });
    const { headers } = await get('dst2');
    t.equal(headers.get('content-type'), 'c/d');
    t.notOk(headers.has('x-amz-meta-m'));
    t.notOk(headers.has('x-amz-tagging-count'));
    t.equal(headers.get('x-amz-storage-class'), 'GLACIER_IR');
    t.equal((await copy('dst2', `${bucket}/src2`, { 'x-amz-metadata-directive': 'MERGE' })).code, 'InvalidArgument');
  });

  await t.test('onto itself only with a change', async (t) => {
    await put('self', 'x');
    t.equal((await copy('self', `${bucket}/self`)).code, 'InvalidRequest');
    const replace = { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-n': '2' };
    t.equal((await copy('self', `${bucket}/self`, replace)).status, 200);
    const read = await get('self');
    t.same([read.bytes.toString(), read.headers.get('x-amz-meta-n')], ['x', '2']);
  });

  await t.test('R11 the source is named raw or encoded, with or without a slash, with ?versionId=null', async (t) => {
    const key = 'sp ace+ü?.txt';
    const bare = 'sp ace+ü.txt';
    await put(key, 'odd');
    await put(bare, 'odd');
    const encoded = encodeURIComponent(key);
    const sources = [
      `${bucket}/${encoded}`,
      `/${bucket}/${encoded}`,
      `${bucket}%2F${encoded}`,
      `${bucket}/${encoded}?versionId=null`,
      `/${bucket}/${Buffer.from(bare).toString('latin1')}`,
    ];
    for (const source of sources) t.equal((await copy('odd', source)).status, 200, source);
    t.equal((await copy('odd', `${bucket}/${encoded}?versionId=7`)).code, 'NoSuchVersion');
    for (const source of ['', '/', bucket, `${bucket}/`, '%zz/k', '..%2F/k', `${bucket}/sp ace+?.txt`]) {
      t.equal((await copy('odd', source)).code, 'InvalidArgument', JSON.stringify(source));
    }
    t.equal((await copy('odd', `${bucket}/none`)).code, 'NoSuchKey');
    t.equal((await copy('odd', 'nobucket/none')).code, 'NoSuchBucket');
  });

  await t.test('conditions on the source answer 412', async (t) => {
    const { headers } = await put('csrc', 'x');
    const etag = headers.get('etag') ?? '';
    const cases: [string, string, number][] = [
      ['if-match', etag, 200],
      ['if-match', '"0"', 412],
      ['if-none-match', etag, 412],
      ['if-none-match', '"0"', 200],
      ['if-modified-since', 'Fri, 01 Jan 2100 00:00:00 GMT', 412],
      ['if-unmodified-since', 'Mon, 01 Jan 2001 00:00:00 GMT', 412],
    ];
    for (const [name, value, status] of cases) {
      t.equal((await copy('cdst', `${bucket}/csrc`, { [`x-amz-copy-source-${name}`]: value })).status, status, name);
    }
    t.equal((await copy('cdst', `${bucket}/csrc`, { 'if-none-match': '*' })).code, 'PreconditionFailed');
  });

  await t.test('a checksum asked for with a copy is computed', async (t) => {
    await put('unsummed', 'hello');
    const answer = await copy('summed', `${bucket}/unsummed`, { 'x-amz-checksum-algorithm': 'CRC32' });
    t.equal(childText(document(answer), 'ChecksumCRC32'), 'NhCmhg==');
  });

  await t.test('tags are set, read, replaced and removed within their limits', async (t) => {
    await put('tagged', 'x');
    const tagging = (tags: [string, string][]) =>
      `<Tagging><TagSet>${tags.map(([n, v]) => `<Tag><Key>${n}</Key><Value>${v}</Value></Tag>`).join('')}</TagSet></Tagging>`;
    const set = (body: string) => call({ method: 'PUT', bucket, key: 'tagged', query: 'tagging', body });
    t.equal(
      (
        await set(
          tagging([
            ['b', '2'],
            ['ä', ''],
          ]),
        )
      ).status,
      200,
    );
    const read = document(await call({ method: 'GET', bucket, key: 'tagged', query: 'tagging' }));
    const tags = childrenOf(read, 'TagSet')[0]?.children.map((tag) => [childText(tag, 'Key'), childText(tag, 'Value')]);
    t.same(tags, [
      ['b', '2'],
      ['ä', ''],
    ]);
    const bad: [string, string][][] = [
      Array.from({ length: 11 }, (_, n) => [`k${n}`, '']),
      [['k'.repeat(129), '']],
      [['k', 'v'.repeat(257)]],
      [
        ['k', '1'],
        ['k', '2'],
      ],
      [['', '']],
      [['a!', '']],
      [['aws:x', '']],
    ];
    for (const tags of bad) t.equal((await set(tagging(tags))).code, 'InvalidTag', JSON.stringify(tags).slice(0, 40));
    t.equal((await set('<Tagging/>')).code, 'MalformedXML');
    t.equal((await set('')).code, 'MissingRequestBodyError');
    t.equal((await get('tagged')).headers.get('x-amz-tagging-count'), '2', 'nothing of that was taken');
    t.equal((await call({ method: 'DELETE', bucket, key: 'tagged', query: 'tagging' })).status, 204);
    t.notOk((await get('tagged')).headers.has('x-amz-tagging-count'));
    t.equal((await call({ method: 'GET', bucket, key: 'none', query: 'tagging' })).code, 'NoSuchKey');
    t.equal((await put('tagged', 'x', { 'x-amz-tagging': 'a=1&a=2' })).code, 'InvalidArgument');
  });

  await t.test('GetObjectAttributes tells what it is asked for', async (t) => {
    await put('attr', 'hello');
    const ask = (names: string) =>
      call({ method: 'GET', bucket, key: 'attr', query: 'attributes', headers: { 'x-amz-object-attributes': names } });
    const root = document(await ask('ETag, ObjectSize,StorageClass'));
    t.equal(childText(root, 'ETag'), md5(Buffer.from('hello')), 'without quotes');
    t.equal(childText(root, 'ObjectSize'), '5');
    t.equal(childText(root, 'StorageClass'), 'STANDARD');
    t.equal((await ask('Nonsense')).code, 'InvalidArgument');
    t.equal((await ask('')).code, 'InvalidArgument');
  });
}
