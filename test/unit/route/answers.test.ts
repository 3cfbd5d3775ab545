import { Readable } from 'node:stream';
import t from 'tap';
import { buildCatalog, type CatalogInput } from '../../../src/route/catalog.ts';
import { route } from '../../../src/route/router.ts';
import { S3Error } from '../../../src/s3/error.ts';
import type { Handler, S3Response } from '../../../src/s3/message.ts';
import { routed, texts, tokenKey } from '../../support/routed.ts';
import { s3Request } from '../../support/s3-request.ts';

/** A router whose prefixed bucket `b` is behind `handler`. */
function before(handler: Handler) {
  const input: CatalogInput = {
    credentials: [{ name: 'ci', accessKey: 'CI' }],
    storages: [
      {
        name: 'one',
        handler,
        bucket: 'canary-real',
        prefix: 'canary/p/',
        projects: 'all',
        dotSegments: 'refuse',
        tokenKey,
      },
    ],
    buckets: [{ name: 'bkt', storage: 'one' }],
  };
  return { call: routed(input).as('ci'), input };
}

function answering(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Handler {
  return async () => ({ status, headers: new Map(Object.entries(headers)), body: Readable.from([Buffer.from(text)]) });
}

const listing = (inner: string) => `<ListBucketResult><Prefix>canary/p/</Prefix>${inner}</ListBucketResult>`;
const contents = (key: string) => `<Contents><Key>${key}</Key></Contents>`;

t.test('S24 an answer with a key outside of the prefix is an error, and nothing of it is sent', async (t) => {
  for (const inner of [
    contents('canary/other/k'),
    contents('k'),
    contents('canary/p'),
    contents('canary/p/1') + contents(''),
    contents('canary/p/&bogus;'),
    `<EncodingType>url</EncodingType>${contents('canary%2Fp%2')}`,
    `<EncodingType>url</EncodingType>${contents('canary%2Fo%2Fk')}`,
    '<CommonPrefixes><Prefix>canary/</Prefix></CommonPrefixes>',
    '<NextMarker>canary/q/</NextMarker>',
    '<Contents><Key>canary/p/1',
    'canary',
  ]) {
    const answer = await before(answering(200, listing(inner))).call({ method: 'GET', bucket: 'bkt' });
    t.equal(answer.code, 'InternalError', inner);
    t.notMatch(answer.all, /canary/);
  }
});

t.test('a listing in percent-encoding is read whatever the storage encodes', async (t) => {
  for (const key of ['canary/p/a+b%2Bc', 'canary%2Fp%2Fa%20b%2Bc', '%63anary/p/a+b%2bc']) {
    const text = listing(`<EncodingType>url</EncodingType>${contents(key)}`);
    const answer = await before(answering(200, text)).call({
      method: 'GET',
      bucket: 'bkt',
      query: 'encoding-type=url',
    });
    const [read = ''] = texts(answer.text, 'Key');
    t.equal(decodeURIComponent(read.replaceAll('+', ' ')), 'a b+c', key);
  }
  const plain = await before(answering(200, listing(contents('canary/p/a+b%2Bc&#1;&#x10;')))).call({
    method: 'GET',
    bucket: 'bkt',
  });
  t.same(texts(plain.text, 'Key'), ['a+b%2Bc&#1;&#x10;'], 'X13 control characters stay references');
});

t.test('an entry that would be the empty key is left out and not counted', async (t) => {
  const inner = `<KeyCount>2</KeyCount>${contents('canary/p/')}${contents('canary/p/k')}`;
  const answer = await before(answering(200, listing(inner))).call({
    method: 'GET',
    bucket: 'bkt',
    query: 'list-type=2',
  });
  t.same([texts(answer.text, 'Key'), texts(answer.text, 'KeyCount')], [['k'], ['1']]);
});

t.test('a listing that never ends is cut', async (t) => {
  let isDestroyed = false;
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(65536, ' '));
    },
    destroy(error, done) {
      isDestroyed = true;
      done(error);
    },
  });
  const { call } = before(async () => ({ status: 200, headers: new Map(), body: endless }));
  t.equal((await call({ method: 'GET', bucket: 'bkt' })).code, 'InternalError');
  t.ok(isDestroyed);
});

t.test('E02 E03 E08 E13 S34 error answers tell the code and nothing of the storage', async (t) => {
  const names =
    '<Message>canary</Message><BucketName>canary-real</BucketName><Key>canary/p/k</Key><HostId>canary</HostId>';
  const error = (code: string) => `<Error><Code>${code}</Code>${names}<ArgumentName>x</ArgumentName></Error>`;
  for (const [status, text, code] of [
    [404, error('NoSuchKey'), 'NoSuchKey'],
    [404, error('NoSuchBucket'), 'NoSuchBucket'],
    [403, error('AccessDenied'), 'AccessDenied'],
    [403, error('SignatureDoesNotMatch'), 'InternalError'],
    [403, error('InvalidAccessKeyId'), 'InternalError'],
    [403, error('VendorOnlycanary'), 'AccessDenied'],
    [301, error('PermanentRedirect'), 'InternalError'],
    [307, '', 'InternalError'],
    [502, '<html>canary</html>', 'ServiceUnavailable'],
    [503, error('SlowDown'), 'SlowDown'],
    [404, '', 'NoSuchKey'],
    [429, 'canary', 'SlowDown'],
  ] as const) {
    const headers = { location: 'http://canary/', 'set-cookie': 'canary', 'content-type': 'text/html' };
    const answer = await before(answering(status, text, headers)).call({ method: 'GET', bucket: 'bkt', key: 'k' });
    t.equal(answer.code, code, `${status} ${text}`);
    t.notMatch(answer.all, /canary/);
  }
});

t.test('what a storage throws is scrubbed of its names', async (t) => {
  const thrown = new S3Error('NoSuchKey', {
    message: 'no canary/p/k in canary-real',
    detail: { Key: 'canary/p/k', BucketName: 'canary-real', ArgumentName: 'x' },
  });
  const failing = before(() => Promise.reject(thrown));
  const answer = await failing.call({ method: 'GET', bucket: 'bkt', key: 'k' });
  t.equal(answer.code, 'NoSuchKey');
  t.notMatch(answer.all, /canary/);
  t.match(answer.all, /ArgumentName\nx/);
  const bug = new Error('canary');
  await t.rejects(before(() => Promise.reject(bug)).call({ method: 'GET', bucket: 'bkt', key: 'k' }), bug);
});

t.test('an error that arrives with status 200 is an error', async (t) => {
  const text = '<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>canary</Message></Error>';
  const { call } = before(answering(200, text));
  const headers = { 'x-amz-copy-source': '/bkt/k' };
  t.equal((await call({ method: 'PUT', bucket: 'bkt', key: 'k', headers })).code, 'SlowDown');
});

t.test('E05 E06 E12 headers with names of the storage are taken off, the object keeps its own', async (t) => {
  const headers = {
    'content-type': 'text/plain',
    'x-amz-meta-mine': 'canary is allowed here',
    'x-amz-version-id': 'v',
    server: 'canary',
    via: 'canary',
    'x-oss-x': 'canary',
    'x-amz-id-2': 'canary',
    'x-amz-bucket-region': 'canary',
    'set-cookie': 'canary',
    'content-location': 'canary',
    location: 'canary',
    link: 'canary',
    'strict-transport-security': 'canary',
  };
  const answer = await before(answering(200, 'body', headers)).call({ method: 'GET', bucket: 'bkt', key: 'k' });
  t.same([...answer.headers.keys()].sort(), ['content-type', 'x-amz-meta-mine', 'x-amz-version-id']);
});

t.test('a refused request lets go of its body, an object passes as the stream it is', async (t) => {
  const body = new Readable({ read: () => undefined });
  const object: S3Response = { status: 200, headers: new Map(), body: new Readable({ read: () => undefined }) };
  const { input } = before(async () => object);
  const handler = route(buildCatalog(input));
  const identity = { name: 'ci', accessKey: 'CI' };
  const refused = { ...s3Request({ method: 'PUT', bucket: 'bkt', key: '../k', body }), identity };
  await t.rejects(handler(refused), { code: 'InvalidURI' });
  t.ok(body.destroyed);
  const got = await handler({ ...s3Request({ method: 'GET', bucket: 'bkt', key: 'k' }), identity });
  t.equal(got.body, object.body);
});
