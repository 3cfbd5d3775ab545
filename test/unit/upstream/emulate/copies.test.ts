import t from 'tap';
import { compose, type Handler } from '../../../../src/s3/message.ts';
import { childText, parseXml } from '../../../../src/s3/xml.ts';
import { type Dialect, mergeDialect } from '../../../../src/upstream/dialect.ts';
import { copyObject } from '../../../../src/upstream/emulate/copy-object.ts';
import { partCopy } from '../../../../src/upstream/emulate/part-copy.ts';
import { VENDORS } from '../../../../src/upstream/vendors.ts';
import { generatedBytes } from '../../../support/generated.ts';
import { md5, type NarrowOptions, narrowService } from '../../../support/narrow-service.ts';
import { s3Request, textOf } from '../../../support/s3-request.ts';

const KiB = 1024;
const LIMIT = 100 * KiB;
const BIG = generatedBytes(450 * KiB, 1);
const now = () => new Date('2026-01-02T03:04:05Z');

function start(dialect: Partial<Dialect> = {}, options: NarrowOptions = {}) {
  const service = narrowService({ maxObject: LIMIT, ...options });
  const headers = new Map([
    ['content-type', 'text/x'],
    ['x-amz-meta-a', '1'],
  ]);
  service.objects.set('a b', { bytes: BIG, headers, etag: md5(BIG) });
  service.objects.set('small', { bytes: BIG.subarray(0, 9), headers, etag: 'e' });
  const row = mergeDialect(VENDORS.other, { maxCopy: LIMIT, minPart: 1, ...dialect });
  const handler: Handler = compose(service.handler, [copyObject(row, { now }), partCopy(row, { now })]);
  return { service, handler };
}

const copy = (headers: Record<string, string> = {}, parts: object = {}) =>
  s3Request({
    method: 'PUT',
    bucket: 'bucket',
    key: 'copy',
    headers: { 'x-amz-copy-source': '/bucket/a%20b', ...headers },
    ...parts,
  });

for (const uploadPartCopy of ['native', 'missing'] as const) {
  t.test(`a source above the limit is copied in parts, UploadPartCopy ${uploadPartCopy}`, async (t) => {
    const { service, handler } = start({ uploadPartCopy });
    const answer = parseXml(Buffer.from(await textOf(await handler(copy()))), 'CopyObjectResult');
    t.match(childText(answer, 'ETag'), /^"[0-9a-f]{32}-5"$/);
    t.equal(childText(answer, 'LastModified'), '2026-01-02T03:04:05.000Z');
    const made = service.objects.get('copy');
    t.ok(made?.bytes.equals(BIG));
    t.same(Object.fromEntries(made?.headers ?? []), { 'content-type': 'text/x', 'x-amz-meta-a': '1' });
    t.equal(
      service.seen.some(({ operation }) => operation === 'UploadPartCopy'),
      uploadPartCopy === 'native',
    );
  });
}

t.test('new metadata takes the place of the old in a copy by parts too', async (t) => {
  const { service, handler } = start();
  await handler(copy({ 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-b': '2', 'x-amz-storage-class': 'IA' }));
  t.same(Object.fromEntries(service.objects.get('copy')?.headers ?? []), {
    'x-amz-meta-b': '2',
    'x-amz-storage-class': 'IA',
  });
});

t.test('a source that changes while it is copied fails the copy, and leaves nothing', async (t) => {
  const { service, handler } = start(
    {},
    {
      instead: ({ query }) => {
        if (query.get('partNumber') === '3') {
          service.objects.set('a b', { bytes: BIG, headers: new Map(), etag: 'other' });
        }
        return undefined;
      },
    },
  );
  await t.rejects(handler(copy()), { code: 'PreconditionFailed' });
  t.notOk(service.objects.has('copy'));
  t.equal(service.uploads.size, 0);
});

t.test('the conditions on the source count', async (t) => {
  const { handler } = start();
  await t.rejects(handler(copy({ 'x-amz-copy-source-if-match': '"wrong"' })), { code: 'PreconditionFailed' });
  await t.rejects(handler(copy({ 'x-amz-copy-source-if-none-match': `"${md5(BIG)}"` })), {
    code: 'PreconditionFailed',
  });
});

t.test('small copies are the service’s own, and its refusals of them too', async (t) => {
  const { service, handler } = start();
  await handler(copy({ 'x-amz-copy-source': '/bucket/small' }));
  t.same(
    service.seen.map(({ operation }) => operation),
    ['CopyObject'],
  );
  const refusing = start(
    {},
    { instead: ({ operation }) => (operation === 'CopyObject' ? 'InvalidRequest' : undefined) },
  );
  await t.rejects(refusing.handler(copy({ 'x-amz-copy-source': '/bucket/small' })), { code: 'InvalidRequest' });
  await t.rejects(handler(copy({ 'x-amz-copy-source': '/bucket/none' })), { code: 'NoSuchKey' });
});

t.test('UploadPartCopy where there is none: the range is read and uploaded', async (t) => {
  for (const options of [
    {},
    {
      instead: ({ operation }: { operation: string }) =>
        operation === 'UploadPartCopy' ? 'NotImplemented' : undefined,
    },
  ] as const) {
    const { service, handler } = start({ uploadPartCopy: 'instead' in options ? 'native' : 'missing' }, options);
    await handler(s3Request({ method: 'POST', bucket: 'bucket', key: 'copy', query: 'uploads' }));
    const query = 'partNumber=1&uploadId=upload-1';
    const answer = await handler(copy({ 'x-amz-copy-source-range': 'bytes=10-1009' }, { query }));
    const bytes = BIG.subarray(10, 1010);
    t.match(await textOf(answer), `<ETag>&quot;${md5(bytes)}&quot;</ETag>`);
    t.ok(service.uploads.get('upload-1')?.parts.get(1)?.bytes.equals(bytes));
    const beyond = copy({ 'x-amz-copy-source-range': 'bytes=10-99999999' }, { query });
    await t.rejects(handler(beyond), { code: 'InvalidArgument' });
    await t.rejects(handler(copy({ 'x-amz-copy-source-range': 'bytes=9-1' }, { query })), { code: 'InvalidArgument' });
  }
});
