import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import t from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { decodeHeaderText, encodeHeaderText } from '../../src/s3/headers.ts';
import type { Handler } from '../../src/s3/message.ts';
import { encodeUri } from '../../src/s3/uri.ts';
import { childText, parseXml } from '../../src/s3/xml.ts';
import { type Addressing, mergeDialect, type Signature } from '../../src/upstream/dialect.ts';
import { forward } from '../../src/upstream/forward.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { missingForCeph, startCeph } from '../support/ceph.ts';
import { generatedBytes, generatedStream } from '../support/generated.ts';
import { silentLog } from '../support/log.ts';
import { bytesOf, type RequestParts, s3Request, textOf } from '../support/s3-request.ts';

const missing = missingForCeph();
const MiB = 1024 * 1024;

const KEYS = [
  'plain.txt',
  'a//b',
  '//leading',
  'trailing/',
  'space and  two',
  'plus+plus',
  'per%cent %2F %41',
  'unicode/日本語/ключ/é/😀',
  "!*'();:@&=+$,/?#[]~",
  '"<>&\\^`{|}',
  'x'.repeat(1024),
];

if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
else {
  // Starting a Ceph takes a quarter of a minute when nothing else runs.
  t.setTimeout(180_000);
  const ceph = await startCeph();
  t.teardown(() => ceph.stop());
  const transport = createTransport();
  t.teardown(() => transport.close());

  const handlerFor = (signature: Signature, addressing: Addressing, secretKey = ceph.secretKey): Handler =>
    forward(
      {
        name: 'ceph',
        dialect: mergeDialect(VENDORS.ceph, { signature, addressing }),
        // `rgw_dns_name` is localhost: the bucket goes before it.
        endpoint: { protocol: 'http', host: 'localhost', port: ceph.port },
        region: 'us-east-1',
        credentials: { accessKey: ceph.accessKey, secretKey },
      },
      { transport, now: () => new Date(), log: silentLog },
    );

  for (const signature of ['v4', 'v2'] as const) {
    for (const addressing of ['path', 'virtual'] as const) {
      t.test(`a real Ceph takes ${signature}, ${addressing} style`, async (t) => {
        const handler = handlerFor(signature, addressing);
        const bucket = `sluice-${signature}-${addressing}`;
        const ask = (parts: RequestParts) => handler(s3Request({ bucket, ...parts }));
        t.equal(
          (
            await ask({
              method: 'PUT',
              body: '<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>',
            })
          ).status,
          200,
        );
        t.equal((await ask({ method: 'HEAD' })).status, 200);
        const buckets = await textOf(await handler(s3Request({ method: 'GET' })));
        t.match(buckets, `<Name>${bucket}</Name>`);

        for (const key of KEYS) {
          const bytes = Buffer.from(`bytes of ${key}`);
          const put = await ask({
            method: 'PUT',
            key,
            body: bytes,
            headers: { 'x-amz-meta-name': encodeHeaderText('grüße  日本') },
          });
          t.equal(put.headers.get('etag'), `"${createHash('md5').update(bytes).digest('hex')}"`, key.slice(0, 20));
          const got = await ask({ method: 'GET', key });
          t.equal(decodeHeaderText(got.headers.get('x-amz-meta-name') ?? ''), 'grüße  日本');
          t.same(await bytesOf(got), bytes);
          t.equal((await ask({ method: 'HEAD', key })).headers.get('content-length'), String(bytes.byteLength));
        }
        const listing = parseXml(await bytesOf(await ask({ method: 'GET', query: 'list-type=2' })), 'ListBucketResult');
        const listed = listing.children.filter(({ name }) => name === 'Contents').map((row) => childText(row, 'Key'));
        t.same(
          listed,
          KEYS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
        );
        const under = await textOf(
          await ask({ method: 'GET', query: `prefix=${encodeUri('unicode/日本')}&delimiter=/` }),
        );
        t.match(under, '<Prefix>unicode/日本語/</Prefix>');

        const part = await ask({ method: 'GET', key: 'plain.txt', headers: { range: 'bytes=2-4' } });
        t.equal(part.status, 206);
        t.equal(await textOf(part), 'tes');
        const copySource = `${bucket}/${encodeUri('per%cent %2F %41')}`;
        const copy = await ask({ method: 'PUT', key: 'copy +', headers: { 'x-amz-copy-source': copySource } });
        t.equal(parseXml(await bytesOf(copy)).name, 'CopyObjectResult');
        t.equal(await textOf(await ask({ method: 'GET', key: 'copy +' })), 'bytes of per%cent %2F %41');
        t.equal(
          await textOf(await ask({ method: 'GET', key: 'plain.txt', query: 'response-content-type=text%2Fx%20y' })),
          'bytes of plain.txt',
        );

        await t.rejects(ask({ method: 'GET', key: 'absent' }), { code: 'NoSuchKey' });
        await t.rejects(ask({ method: 'HEAD', key: 'absent' }), { code: 'NoSuchKey' });
        await t.rejects(ask({ method: 'GET', bucket: 'absent-bucket', query: 'list-type=2' }), {
          code: 'NoSuchBucket',
        });
        const guarded = { method: 'PUT', key: 'plain.txt', body: 'x', headers: { 'if-none-match': '*' } };
        await t.rejects(ask(guarded), { code: 'PreconditionFailed' });

        const tagging = '<Tagging><TagSet><Tag><Key>a b</Key><Value>ü</Value></Tag></TagSet></Tagging>';
        await ask({ method: 'PUT', key: 'plain.txt', query: 'tagging', body: tagging });
        t.match(await textOf(await ask({ method: 'GET', key: 'plain.txt', query: 'tagging' })), '<Value>ü</Value>');

        const rows = KEYS.map(
          (key) => `<Object><Key>${key.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</Key></Object>`,
        );
        const deleted = await ask({ method: 'POST', query: 'delete', body: `<Delete>${rows.join('')}</Delete>` });
        t.equal((await textOf(deleted)).match(/<Deleted>/g)?.length, KEYS.length);
        t.equal((await ask({ method: 'DELETE', key: 'copy +' })).status, 204);
        t.equal((await ask({ method: 'DELETE' })).status, 204);
      });
    }

    t.test(`64 MiB in one piece, and in parts, arrive byte for byte under ${signature}`, async (t) => {
      const handler = handlerFor(signature, 'path');
      const bucket = `sluice-large-${signature}`;
      const ask = (parts: RequestParts) => handler(s3Request({ bucket, ...parts }));
      await ask({ method: 'PUT' });
      const size = 64 * MiB;
      await ask({ method: 'PUT', key: 'whole', body: generatedStream(size, 1), bodyLength: size });
      const expected = await digest(generatedStream(size, 1));
      t.equal(await digest((await ask({ method: 'GET', key: 'whole' })).body), expected);

      const created = parseXml(await bytesOf(await ask({ method: 'POST', key: 'parts +', query: 'uploads' })));
      const uploadId = encodeUri(childText(created, 'UploadId') ?? '');
      const rows: string[] = [];
      for (const number of [1, 2, 3]) {
        const query = `partNumber=${number}&uploadId=${uploadId}`;
        const body = generatedStream(5 * MiB, number);
        const part = await ask({ method: 'PUT', key: 'parts +', query, body, bodyLength: 5 * MiB });
        rows.push(
          `<Part><PartNumber>${number}</PartNumber><ETag>${part.headers.get('etag')}</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>`,
        );
      }
      const listed = await textOf(await ask({ method: 'GET', key: 'parts +', query: `uploadId=${uploadId}` }));
      t.equal(listed.match(/<PartNumber>/g)?.length, 3);
      t.match(await textOf(await ask({ method: 'GET', query: 'uploads' })), '<Key>parts +</Key>');
      const body = `<CompleteMultipartUpload>${rows.join('')}</CompleteMultipartUpload>`;
      const done = await ask({ method: 'POST', key: 'parts +', query: `uploadId=${uploadId}`, body });
      t.equal(parseXml(await bytesOf(done)).name, 'CompleteMultipartUploadResult');
      t.match((await ask({ method: 'HEAD', key: 'parts +' })).headers.get('etag'), /^"[0-9a-f]{32}-3"$/);
      const joined = Buffer.concat([1, 2, 3].map((seed) => generatedBytes(5 * MiB, seed)));
      t.equal(
        await digest((await ask({ method: 'GET', key: 'parts +' })).body),
        createHash('md5').update(joined).digest('hex'),
      );

      const again = parseXml(await bytesOf(await ask({ method: 'POST', key: 'copied', query: 'uploads' })));
      const second = encodeUri(childText(again, 'UploadId') ?? '');
      const copied = await ask({
        method: 'PUT',
        key: 'copied',
        query: `partNumber=1&uploadId=${second}`,
        headers: { 'x-amz-copy-source': `/${bucket}/whole`, 'x-amz-copy-source-range': 'bytes=0-99' },
      });
      t.equal(parseXml(await bytesOf(copied)).name, 'CopyPartResult');
      t.equal((await ask({ method: 'DELETE', key: 'copied', query: `uploadId=${second}` })).status, 204);
      await ask({ method: 'DELETE', key: 'whole' });
      await ask({ method: 'DELETE', key: 'parts +' });
    });
  }

  t.test('E03 a wrong key of ours is InternalError, and says nothing of it', async (t) => {
    for (const signature of ['v4', 'v2'] as const) {
      const handler = handlerFor(signature, 'path', 'wrong');
      const failed = handler(s3Request({ method: 'GET' }));
      await t.rejects(failed, { code: 'InternalError', detail: {}, cause: { code: 'SignatureDoesNotMatch' } });
    }
  });
}

async function digest(body: Readable | Uint8Array | null): Promise<string> {
  const hash = createHash('md5');
  if (!(body instanceof Readable)) throw new Error('expected a stream');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}
