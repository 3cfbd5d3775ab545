import { createHash } from 'node:crypto';
import t from 'tap';
import { createTransport } from '../../src/http/transport.ts';
import { decodeHeaderText, encodeHeaderText } from '../../src/s3/headers.ts';
import type { Handler } from '../../src/s3/message.ts';
import { encodeUri } from '../../src/s3/uri.ts';
import { type Dialect, mergeDialect } from '../../src/upstream/dialect.ts';
import { forward } from '../../src/upstream/forward.ts';
import type { Target } from '../../src/upstream/target.ts';
import { VENDORS } from '../../src/upstream/vendors.ts';
import { generatedBytes, generatedStream } from '../support/generated.ts';
import { recordingLog } from '../support/log.ts';
import { bytesOf, type RequestParts, s3Request, textOf } from '../support/s3-request.ts';
import { type StandIn, type StandInOptions, startStandIn } from '../support/upstream-stand-in.ts';

const transport = createTransport();
t.teardown(() => transport.close());

const ACCESS_KEY = 'VENDORACCESSKEY';
const SECRET_KEY = 'vendor/secret+key';

async function start(
  t: Tap,
  options: Partial<StandInOptions> & {
    readonly dialect?: Partial<Dialect>;
    readonly ours?: { secretKey?: string; now?: () => Date };
  },
): Promise<{ standIn: StandIn; handler: Handler; lines: string[] }> {
  const { signature = 'v4', addressing = 'path' } = options;
  const standIn = await startStandIn({
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    signature,
    addressing,
    ...options,
  });
  t.teardown(() => standIn.close());
  const log = recordingLog();
  const handler = forward(
    {
      name: 'vendor',
      dialect: mergeDialect(VENDORS.other, { signature, addressing, ...options.dialect }),
      endpoint: { protocol: 'http', host: 'localhost', port: standIn.port },
      region: options.region ?? 'us-east-1',
      credentials: { accessKey: ACCESS_KEY, secretKey: options.ours?.secretKey ?? SECRET_KEY },
    },
    { transport, now: options.ours?.now ?? (() => new Date()), log },
  );
  return { standIn, handler, lines: log.lines };
}
type Tap = { teardown(end: () => Promise<void>): void };

/** Decoded key, and how it must stand in the request line. */
const KEYS: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['a/b//c/', 'a/b//c/'],
  ['//x', '//x'],
  ['a b+c', 'a%20b%2Bc'],
  ['50%', '50%25'],
  ['%2F', '%252F'],
  ['日本', '%E6%97%A5%E6%9C%AC'],
  ["!*'()", '%21%2A%27%28%29'],
  ['?#&=;@:', '%3F%23%26%3D%3B%40%3A'],
  ['a\\b', 'a%5Cb'],
  ['~-._', '~-._'],
  ['NFC \u00e9', 'NFC%20%C3%A9'],
  ['NFD e\u0301', 'NFD%20e%CC%81'],
];

for (const signature of ['v4', 'v2'] as const) {
  for (const addressing of ['path', 'virtual'] as const) {
    t.test(`S04 the request line is what is due, and the signature holds: ${signature}, ${addressing}`, async (t) => {
      const { standIn, handler } = await start(t, { signature, addressing });
      const before = addressing === 'path' ? '/bucket/' : '/';
      for (const [key, encoded] of KEYS) {
        const body = Buffer.from(`bytes of ${key}`);
        await handler(s3Request({ method: 'PUT', bucket: 'bucket', key, body }));
        t.equal(standIn.seen.at(-1)?.target, before + encoded);
        t.same(standIn.objects.get(`bucket/${encoded}`), body);
        t.same(await bytesOf(await handler(s3Request({ method: 'GET', bucket: 'bucket', key }))), body);
      }
      const list = s3Request({
        method: 'GET',
        bucket: 'bucket',
        query: `list-type=2&prefix=${encodeUri('日 +%')}&x-id=ListObjectsV2`,
      });
      t.match(await textOf(await handler(list)), '<Key>a/b//c/</Key>');
      t.equal(standIn.seen.at(-1)?.target, `${before}?list-type=2&prefix=%E6%97%A5%20%2B%25`);
      t.equal(
        standIn.seen.at(-1)?.headers.get('host'),
        `${addressing === 'path' ? '' : 'bucket.'}localhost:${standIn.port}`,
      );
    });
  }

  t.test(`metadata in UTF-8 goes out byte for byte, signed by ${signature}`, async (t) => {
    const { standIn, handler } = await start(t, { signature });
    const value = 'grüße  日本';
    const headers = { 'x-amz-meta-name': encodeHeaderText(value), 'content-type': 'text/plain; charset="x"' };
    await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers }));
    t.equal(decodeHeaderText(standIn.seen[0]?.headers.get('x-amz-meta-name') ?? ''), value);
  });
}

t.test('bytes in a header that are not UTF-8 cannot be signed and are refused', async (t) => {
  const { standIn, handler } = await start(t, {});
  const headers = { 'x-amz-meta-name': 'caf\u00e9' };
  const put = handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers }));
  await t.rejects(put, { code: 'InvalidArgument' });
  t.equal(standIn.seen.length, 0);
});

t.test('a storage sees no header and no parameter but those of S3', async (t) => {
  const { standIn, handler } = await start(t, {});
  const headers = {
    'x-amz-meta-kept': '1',
    'cache-control': 'no-cache',
    'content-encoding': 'aws-chunked,gzip',
    'x-amz-meta-kept-whatever-connection-says': '1',
    origin: 'http://dropped.by.connection',
    connection: 'close, x-amz-meta-kept-whatever-connection-says, origin',
    expect: '100-continue',
    authorization: 'AWS4-HMAC-SHA256 client',
    cookie: 'a=b',
    'user-agent': 'aws-sdk',
    'amz-sdk-invocation-id': '1',
    'x-score-token': 'secret',
    'x-oss-copy-source': '/other/secret',
    'x-minio-extract': 'true',
    'x-amz-security-token': 'client-token',
    'x-amz-decoded-content-length': '1',
    'x-amz-sdk-checksum-algorithm': 'CRC32',
    'x-amz-checksum-crc32': 'AAAAAA==',
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'x-forwarded-for': '10.0.0.1',
  };
  const query = 'x-oss-process=image&X-Amz-Signature=00&x-amz-checksum-crc32=AAAAAA%3D%3D';
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers, query }));
  const [seen] = standIn.seen;
  t.equal(seen?.target, '/bucket/k');
  t.same([...(seen?.headers.keys() ?? [])].sort(), [
    'accept-encoding',
    'authorization',
    'cache-control',
    'connection',
    'content-encoding',
    'content-length',
    'host',
    'x-amz-content-sha256',
    'x-amz-date',
    'x-amz-meta-kept',
    'x-amz-meta-kept-whatever-connection-says',
  ]);
  t.equal(seen?.headers.get('content-encoding'), 'gzip');
  t.equal(seen?.headers.get('accept-encoding'), 'identity');
});

t.test('E05 E12 a client sees no header but those of S3', async (t) => {
  const { handler } = await start(t, {});
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x' }));
  const got = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k' }));
  t.same([...got.headers.keys()].sort(), ['content-length', 'etag']);
  t.equal(await textOf(got), 'x');
});

t.test('a checksum is passed on where the row says so, but not for parts', async (t) => {
  const { standIn, handler } = await start(t, { dialect: { checksums: 'pass' } });
  const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' };
  await t.rejects(handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers })), {
    code: 'InvalidArgument',
  });
  t.equal(standIn.seen[0]?.headers.get('x-amz-checksum-crc32'), 'AAAAAA==');
  const query = 'partNumber=1&uploadId=u';
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers, query }));
  t.notOk(standIn.seen[1]?.headers.has('x-amz-checksum-crc32'));
});

t.test("the client's literal hash is kept, and what is in memory is hashed over plain HTTP", async (t) => {
  const { standIn, handler } = await start(t, {});
  const sha = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
  const literal = { 'x-amz-content-sha256': sha };
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers: literal }));
  t.equal(standIn.seen.at(-1)?.headers.get('x-amz-content-sha256'), sha);
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x' }));
  t.equal(standIn.seen.at(-1)?.headers.get('x-amz-content-sha256'), sha);
  const body = generatedStream(100, 1);
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body, bodyLength: 100 }));
  t.equal(standIn.seen.at(-1)?.headers.get('x-amz-content-sha256'), 'UNSIGNED-PAYLOAD');
  const unsigned = await start(t, { dialect: { payload: 'unsigned' } });
  await unsigned.handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers: literal }));
  t.equal(unsigned.standIn.seen.at(-1)?.headers.get('x-amz-content-sha256'), 'UNSIGNED-PAYLOAD');
});

t.test('an XML body gets its Content-MD5, and loses what the storage would refuse', async (t) => {
  const { standIn, handler } = await start(t, {});
  const body = '<Delete><Object><Key>k</Key></Object></Delete>';
  await handler(s3Request({ method: 'POST', bucket: 'bucket', query: 'delete', body }));
  t.equal(standIn.seen.at(-1)?.headers.get('content-md5'), createHash('md5').update(body).digest('base64'));
  const complete = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>`;
  await t.rejects(
    handler(s3Request({ method: 'POST', bucket: 'bucket', key: 'k', query: 'uploadId=u', body: complete })),
  );
  t.match(standIn.seen.at(-1)?.body.toString(), '<ETag>&quot;a&quot;</ETag></Part>');
  const large = Buffer.alloc(1024 * 1024 + 1, 0x20);
  await t.rejects(handler(s3Request({ method: 'POST', bucket: 'bucket', query: 'delete', body: large })), {
    code: 'MaxMessageLengthExceeded',
  });
});

t.test('a small body of an operation we do not know gets its Content-MD5 too', async (t) => {
  const { standIn, handler } = await start(t, {});
  const body = '<ReplicationConfiguration/>';
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', query: 'replication', body }));
  t.equal(standIn.seen[0]?.headers.get('content-md5'), createHash('md5').update(body).digest('base64'));
});

t.test('S17 an archive to unpack, and a form nobody has checked, are refused', async (t) => {
  const { standIn, handler } = await start(t, {});
  const headers = { 'x-amz-meta-snowball-auto-extract': 'true' };
  await t.rejects(handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x', headers })), {
    code: 'NotImplemented',
  });
  await t.rejects(handler(s3Request({ method: 'POST', bucket: 'bucket', body: 'x' })), { code: 'NotImplemented' });
  t.equal(standIn.seen.length, 0);
});

t.test('E04 an ACL that names accounts is refused, as no client is told them; a canned one passes', async (t) => {
  const { standIn, handler } = await start(t, {});
  const place = { method: 'PUT', bucket: 'bucket', query: 'acl' };
  const body = '<AccessControlPolicy><Owner><ID>sluice</ID></Owner></AccessControlPolicy>';
  for (const key of ['k', undefined]) {
    await t.rejects(handler(s3Request({ ...place, ...(key && { key }), body })), { code: 'NotImplemented' });
  }
  t.equal(standIn.seen.length, 0);
  await handler(s3Request({ ...place, key: 'k', headers: { 'x-amz-acl': 'private' } }));
  t.equal(standIn.seen[0]?.headers.get('x-amz-acl'), 'private');
});

t.test('conditions on a write are passed on, translated or refused, never dropped', async (t) => {
  const put = { method: 'PUT', bucket: 'bucket', key: 'k', body: 'x' };
  const native = await start(t, { dialect: { ifNoneMatch: { by: 'native' } } });
  await native.handler(s3Request({ ...put, headers: { 'if-none-match': '*' } }));
  t.equal(native.standIn.seen[0]?.headers.get('if-none-match'), '*');

  const refused = await start(t, {});
  await t.rejects(refused.handler(s3Request({ ...put, headers: { 'if-none-match': '*' } })), {
    code: 'NotImplemented',
  });
  await t.rejects(refused.handler(s3Request({ ...put, headers: { 'if-match': '"a"' } })), { code: 'NotImplemented' });
  t.equal(refused.standIn.seen.length, 0);
  await t.rejects(
    refused.handler(s3Request({ ...put, method: 'GET', body: null, headers: { 'if-none-match': '*' } })),
    {
      code: 'NoSuchKey',
    },
  );

  const translated = await start(t, {
    dialect: { ifNoneMatch: { by: 'header', name: 'x-vendor-forbid-overwrite', value: 'true' } },
    refuse: ({ headers }) => (headers.has('x-vendor-forbid-overwrite') ? { status: 409, code: 'Exists' } : undefined),
  });
  await t.rejects(translated.handler(s3Request({ ...put, headers: { 'if-none-match': '*' } })), {
    code: 'PreconditionFailed',
  });
});

t.test('a key with a dot segment never leaves, unless the storage is said to take it', async (t) => {
  const { standIn, handler } = await start(t, {});
  for (const key of ['../x', 'a/../b', 'a/.', '.', 'a/..', 'a\\..\\b']) {
    await t.rejects(handler(s3Request({ method: 'GET', bucket: 'bucket', key })), { code: 'InvalidURI' }, key);
  }
  const headers = { 'x-amz-copy-source': '/bucket/a%2F%2e%2e/b' };
  await t.rejects(handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', headers })), { code: 'InvalidURI' });
  t.equal(standIn.seen.length, 0);
  const allowed = await start(t, { dialect: { dotSegments: 'allow' } });
  await allowed.handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'a/../b', body: 'x' }));
  t.equal(allowed.standIn.seen[0]?.target, '/bucket/a/../b');
});

t.test('a body of unknown length is refused with MissingContentLength', async (t) => {
  const { handler } = await start(t, {});
  const body = generatedStream(10, 1);
  await t.rejects(handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body })), {
    code: 'MissingContentLength',
  });
  t.ok(body.destroyed);
});

t.test('a stream arrives whole, an empty one too', async (t) => {
  const { standIn, handler } = await start(t, {});
  const size = 3 * 1024 * 1024 + 7;
  await handler(
    s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: generatedStream(size, 5), bodyLength: size }),
  );
  t.ok(standIn.objects.get('bucket/k')?.equals(generatedBytes(size, 5)));
  await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: generatedStream(0, 5), bodyLength: 0 }));
  t.equal(standIn.objects.get('bucket/k')?.byteLength, 0);
  t.equal(standIn.seen.at(-1)?.headers.get('content-length'), '0');
});

t.test('E03 R34 what a storage says of our key stays here', async (t) => {
  const { handler, lines } = await start(t, { ours: { secretKey: 'wrong-secret' } });
  const failed = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k' })).catch(
    (error: unknown) => error,
  );
  t.match(failed, { code: 'InternalError', status: 500, detail: {} });
  t.notMatch(JSON.stringify(failed), 'CANARY');
  t.equal(lines.length, 1);
  t.match(lines[0], 'SignatureDoesNotMatch');
  t.notMatch(lines[0], /CANARY|VENDORACCESSKEY|wrong-secret/);
});

t.test('an error of S3 is answered with its own code, and AccessDenied stays', async (t) => {
  for (const [code, status] of [
    ['AccessDenied', 403],
    ['NoSuchUpload', 404],
    ['EntityTooSmall', 400],
    ['InvalidPart', 400],
  ] as const) {
    const { handler } = await start(t, { refuse: () => ({ status, code }) });
    await t.rejects(handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k' })), { code, status, detail: {} });
  }
});

t.test('R32 a clock an hour off is learned from the storage, once', async (t) => {
  for (const hours of [-1, 1]) {
    const now = () => new Date(Date.now() + hours * 3_600_000);
    for (const signature of ['v4', 'v2'] as const) {
      const { handler, standIn } = await start(t, { signature, now });
      await handler(s3Request({ method: 'PUT', bucket: 'bucket', key: 'k', body: 'x' }));
      t.equal(standIn.seen.length, 2);
      await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k' }));
      t.equal(standIn.seen.length, 3);
    }
  }
  const { handler, standIn } = await start(t, { now: () => new Date(Date.now() + 48 * 3_600_000) });
  await t.rejects(handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'k' })), { code: 'InternalError' });
  t.equal(standIn.seen.length, 1);
});

t.test('the stand-in refuses what it should', async (t) => {
  const put = { method: 'PUT', bucket: 'bucket', key: 'k', body: 'x' };
  const refusedAs = async (code: string, target: Partial<Target>, dialect: Partial<Dialect>, request: RequestParts) => {
    const standIn = await startStandIn({
      accessKey: ACCESS_KEY,
      secretKey: SECRET_KEY,
      signature: 'v4',
      addressing: 'path',
    });
    t.teardown(() => standIn.close());
    const handler = forward(
      {
        name: 'vendor',
        dialect: mergeDialect(VENDORS.other, dialect),
        endpoint: { protocol: 'http', host: 'localhost', port: standIn.port },
        region: 'us-east-1',
        credentials: { accessKey: ACCESS_KEY, secretKey: SECRET_KEY },
        ...target,
      },
      { transport, now: () => new Date(), log: recordingLog() },
    );
    await t.rejects(handler(s3Request(request)), { cause: { code } }, code);
    t.equal(standIn.objects.size, 0);
  };
  await refusedAs('SecondLevelDomainForbidden', {}, { addressing: 'virtual' }, put);
  // V2 has no payload hash, which V4 wants before anything else.
  await refusedAs('XAmzContentSHA256Mismatch', {}, { signature: 'v2' }, put);
  await refusedAs('AuthorizationHeaderMalformed', { region: 'mars-1' }, {}, put);
  await refusedAs('InvalidAccessKeyId', { credentials: { accessKey: 'X', secretKey: SECRET_KEY } }, {}, put);
  await refusedAs('SignatureDoesNotMatch', { credentials: { accessKey: ACCESS_KEY, secretKey: 'X' } }, {}, put);
  await refusedAs(
    'MissingArgument',
    {},
    { contentMd5OnXml: 'optional' },
    {
      method: 'POST',
      bucket: 'bucket',
      query: 'delete',
      body: '<Delete/>',
    },
  );
});
