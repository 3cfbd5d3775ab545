import t from 'tap';
import type { CatalogInput } from '../../../src/route/catalog.ts';
import { CANARY, type MemoryS3, memoryS3 } from '../../support/memory-s3.ts';
import { copySource, deleteDocument, queryOf, routed, texts, tokenKey } from '../../support/routed.ts';

const REAL = `${CANARY}-bucket`;
const PREFIX = `${CANARY}/tenant1/`;

function setup(): { backend: MemoryS3; input: CatalogInput } {
  const backend = memoryS3('one', [REAL, 'plain']);
  return {
    backend,
    input: {
      credentials: [
        { name: 'ci', accessKey: 'CI', project: 'payments' },
        { name: 'other', accessKey: 'OTHER', project: 'ads' },
      ],
      storages: [
        { name: 'one', handler: backend.handler, default: true, projects: 'all', dotSegments: 'refuse', tokenKey },
        {
          name: 'wide',
          handler: backend.handler,
          projects: 'all',
          dotSegments: 'refuse',
          tokenKey,
          prefix: `${CANARY}/`,
        },
      ],
      buckets: [
        { name: 'cache', storage: 'wide', bucket: REAL, prefix: 'tenant1/' },
        { name: 'twin', storage: 'wide', bucket: REAL, prefix: 'tenant10/' },
        { name: 'alias', storage: 'one', bucket: REAL },
      ],
    },
  };
}

t.test('E01 every document of a prefixed bucket is written in the client names', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  const leaks: string[] = [];
  const call = async (name: string, parts: Parameters<typeof ci>[0]) => {
    const answer = await ci(parts);
    if (answer.all.includes(CANARY) || answer.all.includes('vendor.example')) leaks.push(`${name}: ${answer.all}`);
    return answer;
  };
  const bucket = 'cache';
  for (const key of ['a b/1', 'a b/2', 'z&<>', '~+%41']) {
    const put = await call('PutObject', { method: 'PUT', bucket, key, body: key });
    t.equal(put.status, 200);
  }
  backend.put(REAL, PREFIX);
  backend.put(REAL, `${CANARY}/tenant10/secret`);
  t.equal((await call('GetObject', { method: 'GET', bucket, key: 'a b/1' })).text, 'a b/1');
  const v1 = await call('ListObjects', { method: 'GET', bucket });
  t.same(texts(v1.text, 'Key'), ['a b/1', 'a b/2', 'z&amp;&lt;&gt;', '~+%41']);
  t.same(texts(v1.text, 'Name'), ['cache']);
  t.same(texts(v1.text, 'Prefix'), ['']);
  t.same(texts(v1.text, 'Marker'), ['']);
  const encoded = await call('ListObjects', { method: 'GET', bucket, query: 'encoding-type=url' });
  t.same(
    texts(encoded.text, 'Key').map((text) => decodeURIComponent(text.replaceAll('+', ' '))),
    ['a b/1', 'a b/2', 'z&<>', '~+%41'],
    'S35',
  );
  const folded = await call('ListObjects', { method: 'GET', bucket, query: 'delimiter=/&max-keys=1' });
  t.same(texts(folded.text, 'Prefix'), ['', 'a b/']);
  t.same(texts(folded.text, 'NextMarker'), ['a b/']);
  const after = await call('ListObjects', { method: 'GET', bucket, query: 'delimiter=/&marker=a%20b/&prefix=' });
  t.same(texts(after.text, 'Marker'), ['a b/']);
  t.same(texts(after.text, 'Key'), ['z&amp;&lt;&gt;', '~+%41']);
  let token = '';
  const paged: string[] = [];
  for (let page = 0; page < 4; page++) {
    const next = token === '' ? '' : `&${queryOf({ 'continuation-token': token })}`;
    const answer = await call('ListObjectsV2', { method: 'GET', bucket, query: `list-type=2&max-keys=1${next}` });
    paged.push(...texts(answer.text, 'Key'));
    token = texts(answer.text, 'NextContinuationToken')[0] ?? '';
    t.match(token, page === 3 ? /^$/ : /^[A-Za-z0-9_-]+$/);
  }
  t.same(paged, ['a b/1', 'a b/2', 'z&amp;&lt;&gt;', '~+%41']);
  const versions = await call('ListObjectVersions', { method: 'GET', bucket, query: 'versions&max-keys=2' });
  t.same(texts(versions.text, 'Key'), ['a b/1', 'a b/2']);
  t.same(texts(versions.text, 'NextKeyMarker'), ['a b/2']);
  const copied = await call('CopyObject', {
    method: 'PUT',
    bucket,
    key: 'copy',
    headers: { 'x-amz-copy-source': copySource(bucket, 'a b/1') },
  });
  t.equal(copied.status, 200);
  t.equal(backend.buckets.get(REAL)?.get(`${PREFIX}copy`)?.bytes.toString(), 'a b/1');
  const begun = await call('CreateMultipartUpload', { method: 'POST', bucket, key: 'big', query: 'uploads' });
  const [uploadId = ''] = texts(begun.text, 'UploadId');
  t.match(uploadId, /^[A-Za-z0-9_-]+$/, 'R15');
  t.same([texts(begun.text, 'Bucket'), texts(begun.text, 'Key')], [['cache'], ['big']]);
  const onUpload = { bucket, key: 'big' };
  const id = queryOf({ uploadId });
  t.equal(
    (await call('UploadPart', { ...onUpload, method: 'PUT', query: `partNumber=1&${id}`, body: 'part' })).status,
    200,
  );
  const partCopy = {
    ...onUpload,
    method: 'PUT',
    query: `partNumber=2&${id}`,
    headers: { 'x-amz-copy-source': 'cache/a%20b/1' },
  };
  t.equal((await call('UploadPartCopy', partCopy)).status, 200);
  const parts = await call('ListParts', { ...onUpload, method: 'GET', query: id });
  t.same([texts(parts.text, 'UploadId'), texts(parts.text, 'PartNumber')], [[uploadId], ['1', '2']]);
  const uploads = await call('ListMultipartUploads', { method: 'GET', bucket, query: 'uploads' });
  t.same([texts(uploads.text, 'Key'), texts(uploads.text, 'UploadId')], [['big'], [uploadId]], 'stable ids');
  const done = await call('CompleteMultipartUpload', {
    ...onUpload,
    method: 'POST',
    query: id,
    body: '<CompleteMultipartUpload/>',
  });
  t.same(texts(done.text, 'Location'), ['http://gateway.example:9000/cache/big']);
  const deleted = await call('DeleteObjects', {
    method: 'POST',
    bucket,
    query: 'delete',
    body: deleteDocument(['a b/1', 'z&<>']),
  });
  t.same(texts(deleted.text, 'Key'), ['a b/1', 'z&amp;&lt;&gt;']);
  t.notOk(backend.buckets.get(REAL)?.has(`${PREFIX}z&<>`));
  for (const query of ['acl', 'location']) t.equal((await call(query, { method: 'GET', bucket, query })).status, 200);
  t.equal((await call('HeadBucket', { method: 'HEAD', bucket })).status, 200);
  t.equal((await call('missing', { method: 'GET', bucket, key: 'none' })).code, 'NoSuchKey');
  t.equal((await call('HEAD missing', { method: 'HEAD', bucket, key: 'none' })).status, 404);
  t.same(leaks, [], 'E14 no canary in any answer');
  t.ok(
    backend.seen.every(({ bucket: name, key }) => name === REAL && (key === undefined || key.startsWith(PREFIX))),
    'S04',
  );
});

t.test('S06 a key equal to the prefix, and tenants whose prefixes begin alike, stay apart', async (t) => {
  const { backend, input } = setup();
  backend.put(REAL, PREFIX);
  backend.put(REAL, `${PREFIX}mine`);
  backend.put(REAL, `${CANARY}/tenant10/mine`);
  const ci = routed(input).as('ci');
  for (const query of ['', 'list-type=2', 'list-type=2&max-keys=1', 'versions']) {
    const listed = await ci({ method: 'GET', bucket: 'cache', query });
    t.same(texts(listed.text, 'Key'), ['mine'], query);
  }
  for (const key of ['/mine', '//mine', 'mine/', '%2e%2e/x', 'a%2Fb', 'a\\b', '\u202etxt', 'é', 'e\u0301']) {
    await ci({ method: 'PUT', bucket: 'cache', key, body: 'x' });
    t.ok(backend.buckets.get(REAL)?.has(PREFIX + key), `S09 ${JSON.stringify(key)} is kept as it is`);
    const [found] = texts((await ci({ method: 'GET', bucket: 'cache', query: queryOf({ prefix: key }) })).text, 'Key');
    t.equal(found, key);
  }
});

t.test('S10 a key that the prefix makes too long is refused, and the limit does not tell the prefix', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  const fits = 'k'.repeat(1024 - PREFIX.length);
  t.equal((await ci({ method: 'PUT', bucket: 'cache', key: fits, body: '' })).status, 200);
  const answer = await ci({ method: 'PUT', bucket: 'cache', key: `${fits}k`, body: '' });
  t.equal(answer.code, 'KeyTooLongError');
  t.notMatch(answer.all, /10\d\d/);
  t.equal(backend.seen.length, 1);
});

t.test('S10 of many keys to delete, one that the prefix makes too long fails by itself', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  backend.put(REAL, `${PREFIX}gone`);
  const body = deleteDocument(['gone', 'k'.repeat(1025 - PREFIX.length), 'k'.repeat(1025)]);
  const answer = await ci({ method: 'POST', bucket: 'cache', query: 'delete', body });
  t.equal(answer.status, 200);
  t.same(texts(answer.text, 'Code'), ['KeyTooLongError', 'KeyTooLongError']);
  t.notOk(backend.buckets.get(REAL)?.has(`${PREFIX}gone`));
});

t.test('a version marker without a key marker is the storage to judge, also behind a prefix', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  await ci({ method: 'GET', bucket: 'cache', query: 'versions&version-id-marker=null' });
  t.notOk(backend.seen[0]?.query.has('key-marker'));
  await ci({ method: 'GET', bucket: 'cache', query: 'versions' });
  t.equal(backend.seen[1]?.query.get('key-marker'), PREFIX);
});

t.test('S25 S28 tokens of one tenant, bucket or key are useless elsewhere', async (t) => {
  const { backend, input } = setup();
  const router = routed(input);
  const [ci, other] = [router.as('ci'), router.as('other')];
  const begun = await ci({ method: 'POST', bucket: 'cache', key: 'big', query: 'uploads' });
  const id = queryOf({ uploadId: texts(begun.text, 'UploadId')[0] ?? '' });
  const seen = backend.seen.length;
  for (const [caller, bucket, key] of [
    [other, 'cache', 'big'],
    [ci, 'twin', 'big'],
    [ci, 'cache', 'big2'],
  ] as const) {
    const place = { bucket, key };
    const copy = { 'x-amz-copy-source': copySource(bucket, 'src') };
    for (const parts of [
      { ...place, method: 'PUT', query: `partNumber=1&${id}`, body: 'x' },
      { ...place, method: 'PUT', query: `partNumber=1&${id}`, headers: copy },
      { ...place, method: 'GET', query: id },
      { ...place, method: 'POST', query: id, body: '<CompleteMultipartUpload/>' },
      { ...place, method: 'DELETE', query: id },
    ]) {
      t.equal((await caller(parts)).code, 'NoSuchUpload', `${parts.method} ${bucket}/${key}`);
    }
  }
  for (const forged of ['', 'x', `${CANARY}/0|${PREFIX}big`, `${id.slice(9)}A`, `${id.slice(9)}=`]) {
    t.equal(
      (await ci({ method: 'GET', bucket: 'cache', key: 'big', query: queryOf({ uploadId: forged }) })).code,
      'NoSuchUpload',
    );
  }
  t.equal(backend.seen.length, seen, 'the backend saw nothing');
  t.equal((await ci({ method: 'GET', bucket: 'cache', key: 'big', query: id })).status, 200);

  for (const key of ['a', 'b']) backend.put(REAL, PREFIX + key);
  const page = await ci({ method: 'GET', bucket: 'cache', query: 'list-type=2&max-keys=1' });
  const token = queryOf({ 'continuation-token': texts(page.text, 'NextContinuationToken')[0] ?? '' });
  const before = backend.seen.length;
  t.equal((await other({ method: 'GET', bucket: 'cache', query: `list-type=2&${token}` })).code, 'InvalidArgument');
  t.equal((await ci({ method: 'GET', bucket: 'twin', query: `list-type=2&${token}` })).code, 'InvalidArgument');
  t.equal(
    (await ci({ method: 'GET', bucket: 'cache', query: `list-type=2&prefix=a&${token}` })).code,
    'InvalidArgument',
  );
  t.equal(backend.seen.length, before);
  t.same(texts((await ci({ method: 'GET', bucket: 'cache', query: `list-type=2&${token}` })).text, 'Key'), ['b']);
});

t.test('S12 a copy source means the same key in every spelling', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  const key = 'dir/ä +b?.txt';
  await ci({ method: 'PUT', bucket: 'cache', key, body: 'found' });
  const raw = Buffer.from('cache/dir/ä +b').toString('latin1');
  for (const [source, real] of [
    ['/cache/dir/%C3%A4%20%2Bb%3F.txt', '/dir/%C3%A4%20%2Bb%3F.txt'],
    ['cache/dir/%C3%A4%20%2Bb%3F.txt', '/dir/%C3%A4%20%2Bb%3F.txt'],
    ['cache%2Fdir%2F%C3%A4%20%2Bb%3F.txt', '/dir/%C3%A4%20%2Bb%3F.txt'],
    ['cache/dir/%C3%A4%20%2Bb%3F.txt?versionId=v%2F1', '/dir/%C3%A4%20%2Bb%3F.txt?versionId=v%2F1'],
    [`${raw}%3F.txt`, '/dir/%C3%A4%20%2Bb%3F.txt'],
    ['cache/a%252e', '/a%252e'],
  ] as const) {
    await ci({ method: 'PUT', bucket: 'cache', key: 'to', headers: { 'x-amz-copy-source': source } });
    t.equal(backend.seen.at(-1)?.headers.get('x-amz-copy-source'), `/${REAL}/${PREFIX.slice(0, -1)}${real}`, source);
  }
  const seen = backend.seen.length;
  for (const source of [
    '',
    '/',
    'cache',
    'cache/',
    '//key',
    'cache/a%zz',
    'cache/a?b',
    'cache/a?versionId=',
    'cache/a?versionId=1&x=2',
    'arn:aws:s3:eu-west-1:1:accesspoint/ap/object/key',
    'cache/../twin/x',
    'cache/%2e%2e/twin/x',
    'cache%2F..%2Ftwin%2Fx',
    'cache/a/./b',
  ]) {
    const answer = await ci({ method: 'PUT', bucket: 'cache', key: 'to', headers: { 'x-amz-copy-source': source } });
    t.equal(answer.code, 'InvalidArgument', `S13 S14 ${source}`);
  }
  t.equal(backend.seen.length, seen);
});

t.test('S01 S02 S08 S14 S15 dot segments are refused wherever a key stands', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  for (const key of ['../tenant2/s', 'a/../../s', '..', '.', './s', 'a/.', 'a/..', '..\\s', 'a\\..\\s']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      t.equal(
        (await ci({ method, bucket: 'cache', key, ...(method === 'PUT' && { body: 'x' }) })).code,
        'InvalidURI',
        `${method} ${key}`,
      );
    }
    t.equal((await ci({ method: 'GET', bucket: 'cache', key, query: 'tagging' })).code, 'InvalidURI', 'S03');
    t.equal((await ci({ method: 'POST', bucket: 'cache', key, query: 'uploads' })).code, 'InvalidURI');
    for (const query of [
      { prefix: key },
      { marker: key },
      { 'list-type': '2', 'start-after': key },
      { uploads: '', 'key-marker': key },
    ]) {
      t.equal(
        (await ci({ method: 'GET', bucket: 'cache', query: queryOf(query) })).code,
        'InvalidArgument',
        JSON.stringify(query),
      );
    }
    const body = deleteDocument(['fine', key]);
    t.equal((await ci({ method: 'POST', bucket: 'cache', query: 'delete', body })).code, 'InvalidArgument');
  }
  t.equal(backend.seen.length, 0, 'the backend saw nothing');
});

t.test('an unknown operation is refused where names differ, and passes where they do not', async (t) => {
  const { backend, input } = setup();
  const ci = routed(input).as('ci');
  for (const bucket of ['cache', 'alias']) {
    t.equal((await ci({ method: 'GET', bucket, query: 'inventory' })).code, 'NotImplemented');
    t.equal((await ci({ method: 'GET', bucket, query: 'policy' })).code, 'NotImplemented', 'S32');
    t.equal((await ci({ method: 'GET', bucket, query: 'replication' })).code, 'NotImplemented');
  }
  t.equal((await ci({ method: 'GET', bucket: 'cache', query: 'lifecycle' })).code, 'NotImplemented');
  t.equal((await ci({ method: 'POST', bucket: 'cache', key: 'k' })).code, 'MethodNotAllowed');
  t.equal(backend.seen.length, 0);
  await ci({ method: 'GET', bucket: 'plain', query: 'inventory' });
  t.equal(backend.seen.length, 1);
  const header = { 'x-amz-copy-source': '/cache/x' };
  t.equal(
    (await ci({ method: 'PUT', bucket: 'plain', key: 'k', query: 'append', headers: header })).code,
    'NotImplemented',
  );
});

t.test('of a plain bucket too, documents tell nothing of the vendor and tokens are bound', async (t) => {
  const { backend, input } = setup();
  const router = routed(input);
  backend.put('plain', 'k');
  for (const query of ['', 'list-type=2', 'versions', 'uploads', 'location']) {
    const listed = await router.as('ci')({ method: 'GET', bucket: 'plain', query });
    t.equal(listed.status, 200, query);
    t.notMatch(listed.text, CANARY, query);
  }
  const head = await router.as('ci')({ method: 'HEAD', bucket: 'plain' });
  t.equal(head.headers.get('x-amz-bucket-region'), 'us-east-1', 'E05 any region is taken');
  const begun = await router.as('ci')({ method: 'POST', bucket: 'plain', key: 'k', query: 'uploads' });
  const id = queryOf({ uploadId: texts(begun.text, 'UploadId')[0] ?? '' });
  t.equal((await router.as('other')({ method: 'GET', bucket: 'plain', key: 'k', query: id })).code, 'NoSuchUpload');
  const done = await router.as('ci')({ method: 'POST', bucket: 'plain', key: 'k', query: id, body: '<C/>' });
  t.same(texts(done.text, 'Location'), ['http://gateway.example:9000/plain/k'], 'E06');
});
