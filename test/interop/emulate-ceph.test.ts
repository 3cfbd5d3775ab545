import t from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { encodeHeaderText } from '../../src/s3/headers.ts';
import { compose, type Handler } from '../../src/s3/message.ts';
import { unescapeXml } from '../../src/s3/xml.ts';
import { type Dialect, mergeDialect } from '../../src/upstream/dialect.ts';
import { emulate } from '../../src/upstream/emulate.ts';
import { forward } from '../../src/upstream/forward.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { missingForCeph, startCeph } from '../support/ceph.ts';
import { generatedBytes, generatedStream } from '../support/generated.ts';
import { silentLog } from '../support/log.ts';
import { md5 } from '../support/narrow-service.ts';
import { bytesOf, type RequestParts, s3Request, textOf } from '../support/s3-request.ts';

const missing = missingForCeph();
const MiB = 1024 * 1024;
const BUCKET = 'emulated';

if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
else {
  t.setTimeout(180_000);
  const ceph = await startCeph();
  t.teardown(() => ceph.stop());
  const transport = createTransport();
  t.teardown(() => transport.close());

  const service = (overrides: Partial<Dialect>) => {
    const now = () => new Date();
    const dialect = mergeDialect(VENDORS.ceph, overrides);
    const handler: Handler = forward(
      {
        name: 'ceph',
        dialect,
        endpoint: { protocol: 'http', host: 'localhost', port: ceph.port },
        region: 'us-east-1',
        credentials: ceph,
      },
      { transport, now, log: silentLog },
    );
    const whole = compose(handler, emulate(dialect, { uploadPartSize: 5 * MiB, now }));
    return (parts: RequestParts) => whole(s3Request({ bucket: BUCKET, ...parts }));
  };
  const ask = service({});
  await ask({ method: 'PUT' });
  const keysIn = (text: string) => [...text.matchAll(/<Key>([^<]*)</g)].map(([, key = '']) => unescapeXml(key));
  const code = (answer: Promise<unknown>) =>
    answer.then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

  t.test('conditions on writes are heeded, or refused, on every operation', async (t) => {
    await ask({ method: 'PUT', key: 'there', body: 'x' });
    const none = { 'if-none-match': '*' };
    const wrong = { 'if-match': '"00000000000000000000000000000000"' };
    for (const headers of [none, wrong]) {
      t.equal(await code(ask({ method: 'PUT', key: 'there', body: 'y', headers })), 'PreconditionFailed');
      const source = { 'x-amz-copy-source': `/${BUCKET}/there` };
      const copied = await code(ask({ method: 'PUT', key: 'there', headers: { ...headers, ...source } }));
      t.match(copied, /PreconditionFailed|NotImplemented/, 'CopyObject');
      t.match(
        await code(ask({ method: 'DELETE', key: 'there', headers })),
        /PreconditionFailed|NotImplemented/,
        'DELETE',
      );
      const id = /<UploadId>([^<]*)</.exec(
        await textOf(await ask({ method: 'POST', key: 'there', query: 'uploads' })),
      )?.[1];
      const part = await ask({ method: 'PUT', key: 'there', query: `partNumber=1&uploadId=${id}`, body: 'z' });
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`;
      const completed = await code(ask({ method: 'POST', key: 'there', query: `uploadId=${id}`, body, headers }));
      t.match(completed, /PreconditionFailed|NotImplemented/, 'CompleteMultipartUpload');
    }
    t.equal(await textOf(await ask({ method: 'GET', key: 'there' })), 'x');
  });

  const KEYS = ['a b', 'a+b', 'a/1', 'a/2', 'b/1', '"<&>\'', '日本', '\u{ffee}', '\u{10000}', '|{":,}'];
  const sorted = [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  t.test('V2 over V1, encoding by us, owners of ours, and deletion in turns', async (t) => {
    const narrow = service({ listVersion: 1, encodingType: 'unsupported', maxDeleteKeys: 3 });
    for (const key of KEYS) await ask({ method: 'PUT', key: `list/${key}`, body: 'x' });
    for (const encoding of ['', '&encoding-type=url']) {
      const keys: (string | undefined)[] = [];
      for (let token = ''; ; ) {
        const query = `list-type=2&prefix=list/&max-keys=3&fetch-owner=true${encoding}${token}`;
        const text = await textOf(await narrow({ method: 'GET', query }));
        keys.push(...keysIn(text).map((key = '') => (encoding === '' ? key : decodeURIComponent(key))));
        t.match(text, '<ID>sluice</ID>');
        if (text.includes('<IsTruncated>false<')) break;
        token = `&continuation-token=${/<NextContinuationToken>([^<]*)</.exec(text)?.[1]}`;
      }
      t.same(
        keys,
        sorted.map((key) => `list/${key}`),
      );
    }
    const grouped = await textOf(
      await narrow({ method: 'GET', query: 'list-type=2&prefix=list/&delimiter=/&max-keys=4' }),
    );
    t.match(grouped, '<KeyCount>4</KeyCount>');
    const objects = sorted.map(
      (key) => `<Object><Key>list/${key.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`)}</Key></Object>`,
    );
    const deleted = await narrow({ method: 'POST', query: 'delete', body: `<Delete>${objects.join('')}</Delete>` });
    t.equal((await textOf(deleted)).split('<Deleted>').length - 1, KEYS.length);
    t.same(keysIn(await textOf(await ask({ method: 'GET', query: 'list-type=2&prefix=list/' }))), []);
  });

  t.test('R24 a body above the limit, a body of unknown length, and copies of it in parts', async (t) => {
    const size = 21 * MiB + 7;
    const narrow = service({ maxSinglePut: 6 * MiB, maxCopy: 6 * MiB });
    const without = service({ maxCopy: 6 * MiB, uploadPartCopy: 'missing' });
    const headers = { 'content-type': 'text/x', 'x-amz-meta-a': encodeHeaderText('ä') };
    const same = async (key: string) => {
      const got = await ask({ method: 'GET', key });
      t.equal(got.headers.get('content-type'), 'text/x');
      t.ok((await bytesOf(got)).equals(generatedBytes(size, 7)), key);
    };
    await narrow({ method: 'PUT', key: 'large', body: generatedStream(size, 7), bodyLength: size, headers });
    await same('large');
    await narrow({ method: 'PUT', key: 'unknown', body: generatedStream(size, 7), headers });
    await same('unknown');
    const source = { 'x-amz-copy-source': `/${BUCKET}/large` };
    for (const [key, copier] of [
      ['copy', narrow],
      ['streamed', without],
    ] as const) {
      const id = /<UploadId>([^<]*)</.exec(
        await textOf(await copier({ method: 'POST', key, query: 'uploads', headers })),
      )?.[1];
      const etags: (string | undefined)[] = [];
      for (const [index, range] of [`bytes=0-${10 * MiB - 1}`, `bytes=${10 * MiB}-${size - 1}`].entries()) {
        const query = `partNumber=${index + 1}&uploadId=${id}`;
        const part = { ...source, 'x-amz-copy-source-range': range };
        etags.push(
          /<ETag>([^<]*)</.exec(await textOf(await copier({ method: 'PUT', key, query, headers: part })))?.[1],
        );
      }
      const parts = etags.map(
        (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
      );
      const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      await copier({ method: 'POST', key, query: `uploadId=${id}`, body });
      await same(key);
    }
    const left = await textOf(await ask({ method: 'GET', query: 'uploads' }));
    t.notMatch(left, '<Key>large</Key>');
  });

  t.test('R12 checksums, attributes and ETags', async (t) => {
    const narrow = service({ etag: 'md5' });
    const crc = 'rOUqTg==';
    await narrow({ method: 'PUT', key: 'sum', body: 'bytes of sum', headers: { 'x-amz-checksum-crc32': crc } });
    const head = await narrow({ method: 'HEAD', key: 'sum', headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    t.equal(head.headers.get('x-amz-checksum-crc32'), crc);
    t.equal(head.headers.get('etag'), `"${md5(Buffer.from('bytes of sum'))}"`);
    t.notMatch([...head.headers.keys()].join(), 'sluice');
    const wanted = { 'x-amz-object-attributes': 'ETag,ObjectSize,Checksum' };
    const attributes = await textOf(await narrow({ method: 'GET', key: 'sum', query: 'attributes', headers: wanted }));
    t.match(attributes, `<ETag>${md5(Buffer.from('bytes of sum'))}</ETag><Checksum><ChecksumCRC32>${crc}<`);
    t.match(attributes, '<ObjectSize>12<');
    for (const query of ['acl', 'versioning', 'location', 'tagging']) {
      t.equal(
        await code(narrow({ method: 'GET', query })).then((each) => (query === 'tagging' ? 'done' : each)),
        'done',
        query,
      );
    }
    t.notMatch(await textOf(await narrow({ method: 'GET', query: 'acl' })), ceph.accessKey);
  });
}
