import { Readable } from 'node:stream';
import t from 'tap';
import { S3Error } from '../../../../src/s3/error.ts';
import { type Dialect, mergeDialect } from '../../../../src/upstream/dialect.ts';
import { putObject } from '../../../../src/upstream/emulate/put-object.ts';
import { VENDORS } from '../../../../src/upstream/vendors.ts';
import { generatedBytes, generatedStream } from '../../../support/generated.ts';
import { type NarrowOptions, narrowService } from '../../../support/narrow-service.ts';
import { s3Request } from '../../../support/s3-request.ts';

const KiB = 1024;
const LIMIT = 256 * KiB;
const limits = { maxSinglePut: LIMIT, minPart: 1 };

function start(dialect: Partial<Dialect> = {}, options: NarrowOptions = {}) {
  const service = narrowService({ maxObject: LIMIT, ...options });
  const row = mergeDialect(VENDORS.other, { ...limits, ...dialect });
  return { service, handler: putObject(row, 64 * KiB)(service.handler) };
}

const put = (parts: Partial<Parameters<typeof s3Request>[0]>) =>
  s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', ...parts });

t.test('R24 a body above the limit arrives whole, in parts, with a few of them in memory', async (t) => {
  const { service, handler } = start();
  const size = 20 * 64 * KiB + 17;
  const headers = { 'content-type': 'text/x', 'x-amz-meta-a': '1', 'content-md5': 'x', 'x-amz-storage-class': 'IA' };
  const answer = await handler(put({ body: generatedStream(size, 1), bodyLength: size, headers }));
  t.match(answer.headers.get('etag'), /^"[0-9a-f]{32}-21"$/);
  const object = service.objects.get('k');
  t.ok(object?.bytes.equals(generatedBytes(size, 1)));
  t.same(Object.fromEntries(object?.headers ?? []), {
    'content-type': 'text/x',
    'x-amz-meta-a': '1',
    'x-amz-storage-class': 'IA',
  });
  t.ok(service.mostBytes() <= 2 * 64 * KiB + 2000, `${service.mostBytes()} bytes at a time`);
  t.equal(service.uploads.size, 0);
});

t.test('a body up to the limit is left alone', async (t) => {
  const { service, handler } = start();
  await handler(put({ body: generatedStream(LIMIT, 1), bodyLength: LIMIT }));
  t.same(
    service.seen.map(({ operation }) => operation),
    ['PutObject'],
  );
});

t.test('a body of unknown length is sent as usual when it is small, else in parts', async (t) => {
  for (const [size, operations] of [
    [0, ['PutObject']],
    [64 * KiB, ['PutObject']],
    [64 * KiB + 1, ['CreateMultipartUpload', 'UploadPart', 'UploadPart', 'CompleteMultipartUpload']],
  ] as const) {
    const { service, handler } = start();
    await handler(put({ body: generatedStream(size, 2) }));
    t.same(
      service.seen.map(({ operation }) => operation),
      operations,
      `${size} bytes`,
    );
    t.ok(service.objects.get('k')?.bytes.equals(generatedBytes(size, 2)));
  }
});

t.test('R12 a body that fails on its way leaves no object and no upload', async (t) => {
  const { service, handler } = start();
  const body = Readable.from(
    (function* () {
      yield generatedBytes(300 * KiB, 3);
      throw new S3Error('BadDigest');
    })(),
  );
  await t.rejects(handler(put({ body, bodyLength: 600 * KiB })), { code: 'BadDigest' });
  t.equal(service.objects.size, 0);
  t.equal(service.uploads.size, 0);
  t.equal(service.seen.at(-1)?.operation, 'AbortMultipartUpload');
  t.ok(body.destroyed);
});

t.test('a part that fails ends the upload with its error', async (t) => {
  const { service, handler } = start(
    {},
    { instead: ({ query }) => (query.get('partNumber') === '3' ? 'SlowDown' : undefined) },
  );
  const body = generatedStream(2000 * KiB, 3);
  await t.rejects(handler(put({ body, bodyLength: 2000 * KiB })), { code: 'SlowDown' });
  t.equal(service.uploads.size, 0);
  t.ok(body.destroyed);
  t.ok(service.seen.filter(({ operation }) => operation === 'UploadPart').length < 6, 'nothing more was sent');
});

t.test('R12 the client that goes away takes the upload along', async (t) => {
  const { service, handler } = start();
  const gone = new AbortController();
  const body = new Readable({ read() {} });
  body.push(generatedBytes(300 * KiB, 3));
  gone.signal.addEventListener('abort', () => body.destroy(new S3Error('IncompleteBody')));
  const result = handler(put({ body, bodyLength: 600 * KiB, signal: gone.signal }));
  while (!service.seen.some(({ operation }) => operation === 'UploadPart')) await new Promise(setImmediate);
  gone.abort();
  await t.rejects(result);
  t.equal(service.uploads.size, 0);
  t.equal(service.objects.size, 0);
});

t.test('a condition goes to Complete, and to Create where the guard must be on both', async (t) => {
  const guarded = { by: 'header', name: 'x-guard', value: 'true' } as const;
  for (const [ifNoneMatch, where] of [
    [{ by: 'native' }, ['CompleteMultipartUpload']],
    [guarded, ['CreateMultipartUpload', 'CompleteMultipartUpload']],
  ] as const) {
    const { service, handler } = start({ ifNoneMatch });
    await handler(
      put({ body: generatedStream(600 * KiB, 1), bodyLength: 600 * KiB, headers: { 'if-none-match': '*' } }),
    );
    t.same(
      service.seen.flatMap(({ operation, headers }) => (headers.has('if-none-match') ? operation : [])),
      where,
    );
    const again = put({
      body: generatedStream(600 * KiB, 1),
      bodyLength: 600 * KiB,
      headers: { 'if-none-match': '*' },
    });
    await t.rejects(handler(again), { code: 'PreconditionFailed' });
    t.equal(service.uploads.size, 0);
  }
});

t.test('parts are as large as the number of parts and the smallest part demand', async (t) => {
  const { service, handler } = start({ maxParts: 10, minPart: 100 * KiB });
  await handler(put({ body: generatedStream(1500 * KiB, 1), bodyLength: 1500 * KiB }));
  t.equal(service.seen.filter(({ operation }) => operation === 'UploadPart').length, 10);
  t.ok(service.objects.get('k')?.bytes.equals(generatedBytes(1500 * KiB, 1)));
});
