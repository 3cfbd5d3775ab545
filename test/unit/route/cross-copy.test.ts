import { Readable } from 'node:stream';
import t from 'tap';
import type { CatalogInput } from '../../../src/route/catalog.ts';
import { MAX_COPY_BYTES } from '../../../src/route/cross-copy.ts';
import { S3Error } from '../../../src/s3/error.ts';
import type { S3Response } from '../../../src/s3/message.ts';
import { memoryS3 } from '../../support/memory-s3.ts';
import { queryOf, routed, texts, tokenKey } from '../../support/routed.ts';

function setup(read?: () => Promise<S3Response>) {
  const [from, to] = [memoryS3('from', ['src']), memoryS3('to', ['dst'])];
  const input: CatalogInput = {
    credentials: [{ name: 'ci', accessKey: 'CI' }],
    storages: [
      { name: 'from', handler: read ?? from.handler, projects: 'all', dotSegments: 'refuse', tokenKey },
      { name: 'to', handler: to.handler, projects: 'all', dotSegments: 'refuse', tokenKey },
    ],
    buckets: [
      { name: 'one', storage: 'from', bucket: 'src', prefix: 'p/' },
      { name: 'two', storage: 'to', bucket: 'dst', prefix: 'q/' },
    ],
  };
  const now = () => new Date('2030-01-02T03:04:05.678Z');
  return { from, to, ci: routed(input, { now }).as('ci') };
}

const copyTo = { method: 'PUT', bucket: 'two', key: 'copy' };

t.test('a copy between storages is a read and a write', async (t) => {
  const { from, to, ci } = setup();
  const headers = { 'content-type': 'text/x-mine', 'x-amz-meta-a': 'b' };
  await ci({ method: 'PUT', bucket: 'one', key: 'a b', headers, body: 'bytes' });
  const source = { 'x-amz-copy-source': 'one/a%20b?versionId=v1' };
  const kept = await ci({ ...copyTo, headers: { ...source, 'x-amz-storage-class': 'STANDARD_IA' } });
  t.same(texts(kept.text, 'LastModified'), ['2030-01-02T03:04:05.678Z']);
  t.match(kept.text, /<CopyObjectResult.*<ETag>&quot;[0-9a-f]{32}&quot;</);
  const copy = to.buckets.get('dst')?.get('q/copy');
  t.equal(copy?.bytes.toString(), 'bytes');
  t.same(Object.fromEntries(copy?.headers ?? []), headers, 'metadata are kept');
  t.equal(from.seen.at(-1)?.query.get('versionId'), 'v1');
  const write = to.seen.at(-1);
  t.match(write, { operation: 'PutObject', bodyLength: 5, bucket: 'dst', key: 'q/copy' });
  t.equal(write?.headers.get('x-amz-storage-class'), 'STANDARD_IA');
  t.notOk([...(write?.headers.keys() ?? [])].some((name) => name.startsWith('x-amz-copy-source')));
  const replace = { ...source, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-new': 'n' };
  await ci({ ...copyTo, headers: replace });
  t.same(Object.fromEntries(to.buckets.get('dst')?.get('q/copy')?.headers ?? []), { 'x-amz-meta-new': 'n' });
});

t.test('a part is copied with its range', async (t) => {
  const { from, to, ci } = setup();
  from.put('src', 'p/k', 'bytes');
  const begun = await ci({ ...copyTo, method: 'POST', query: 'uploads' });
  const query = `partNumber=3&${queryOf({ uploadId: texts(begun.text, 'UploadId')[0] ?? '' })}`;
  const headers = { 'x-amz-copy-source': '/one/k', 'x-amz-copy-source-range': 'bytes=0-4' };
  const answer = await ci({ ...copyTo, query, headers });
  t.match(answer.text, /<CopyPartResult/);
  t.equal(from.seen.at(-1)?.headers.get('range'), 'bytes=0-4');
  t.match(to.seen.at(-1), { operation: 'UploadPart', key: 'q/copy' });
  const written = to.seen.length;
  for (const range of ['bytes=0-', 'bytes=3-2', '0-4', 'bytes=0-5', 'bytes=9-10']) {
    const bad = { ...headers, 'x-amz-copy-source-range': range };
    t.equal((await ci({ ...copyTo, query, headers: bad })).code, 'InvalidArgument', range);
  }
  t.equal(to.seen.length, written);
});

t.test('the conditions on a source are the read conditions, and unmet is 412', async (t) => {
  const answers: S3Response[] = [304, 412].map((status) => ({ status, headers: new Map(), body: null }));
  for (const answer of answers) {
    const { to, ci } = setup(async () => answer);
    const headers = { 'x-amz-copy-source': '/one/k', 'x-amz-copy-source-if-none-match': '"e"' };
    t.equal((await ci({ ...copyTo, headers })).code, 'PreconditionFailed');
    t.equal(to.seen.length, 0);
  }
  const unmodified = setup(() => Promise.reject(new S3Error('NotModified')));
  t.equal((await unmodified.ci({ ...copyTo, headers: { 'x-amz-copy-source': '/one/k' } })).code, 'PreconditionFailed');
  const { from, ci } = setup();
  const conditions = { 'x-amz-copy-source-if-match': '"m"', 'x-amz-copy-source-if-unmodified-since': 'now' };
  t.equal(
    (await ci({ ...copyTo, headers: { 'x-amz-copy-source': '/one/none', ...conditions, 'if-none-match': '*' } })).code,
    'NoSuchKey',
  );
  const read = Object.fromEntries(from.seen.at(-1)?.headers ?? []);
  const asked = { host: 'gateway.example:9000', 'cache-control': 'no-cache' };
  t.same(read, { ...asked, 'if-match': '"m"', 'if-unmodified-since': 'now' }, 'and nothing stale is copied');
});

t.test('a source too large for one copy, or without a length, is not begun', async (t) => {
  for (const length of [{ 'content-length': String(MAX_COPY_BYTES + 1) }, {}]) {
    const body = new Readable({ read: () => undefined });
    const { to, ci } = setup(async () => ({ status: 200, headers: new Map(Object.entries(length)), body }));
    const answer = await ci({ ...copyTo, headers: { 'x-amz-copy-source': '/one/k' } });
    t.equal(answer.code, 'content-length' in length ? 'InvalidRequest' : 'ServiceUnavailable');
    t.ok(body.destroyed);
    t.equal(to.seen.length, 0);
  }
});

t.test('a source that breaks off leaves no copy', async (t) => {
  const broken = new Error('broken off');
  const body = Readable.from(
    (async function* () {
      yield Buffer.from('half');
      throw broken;
    })(),
  );
  const { to, ci } = setup(async () => ({ status: 200, headers: new Map([['content-length', '8']]), body }));
  await t.rejects(ci({ ...copyTo, headers: { 'x-amz-copy-source': '/one/k' } }), broken);
  t.equal(to.buckets.get('dst')?.size, 0);
});
