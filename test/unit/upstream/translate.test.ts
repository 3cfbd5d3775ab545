import t from 'tap';
import { type Dialect, mergeDialect } from '../../../src/upstream/dialect.ts';
import type { Target } from '../../../src/upstream/target.ts';
import { translate } from '../../../src/upstream/translate.ts';
import { VENDORS } from '../../../src/upstream/vendors.ts';
import { generatedStream } from '../../support/generated.ts';
import { type RequestParts, s3Request } from '../../support/s3-request.ts';

const SHA_OF_X = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
const SHA_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function target(protocol: 'http' | 'https', dialect: Partial<Dialect> = {}, region = 'us-east-1'): Target {
  return {
    name: 'x',
    dialect: mergeDialect(VENDORS.other, dialect),
    endpoint: { protocol, host: 's3.example', port: protocol === 'http' ? 80 : 443 },
    region,
    credentials: { accessKey: 'a', secretKey: 's' },
  };
}

const put = (parts: Partial<RequestParts> = {}) =>
  s3Request({ method: 'PUT', bucket: 'b', key: 'k', body: 'x', ...parts });

/** Protocol, payload mode, and what is due for: a buffer, a stream, a client's own hash, no body. */
const PAYLOADS: readonly (readonly ['http' | 'https', Dialect['payload'], string, string, string, string])[] = [
  ['https', 'keep', 'UNSIGNED-PAYLOAD', 'UNSIGNED-PAYLOAD', SHA_OF_X, 'UNSIGNED-PAYLOAD'],
  ['http', 'keep', SHA_OF_X, 'UNSIGNED-PAYLOAD', SHA_OF_X, SHA_OF_NOTHING],
  ['https', 'signed', SHA_OF_X, 'UNSIGNED-PAYLOAD', SHA_OF_X, SHA_OF_NOTHING],
  ['https', 'unsigned', 'UNSIGNED-PAYLOAD', 'UNSIGNED-PAYLOAD', 'UNSIGNED-PAYLOAD', 'UNSIGNED-PAYLOAD'],
];
for (const [protocol, payload, buffered, streamed, literal, empty] of PAYLOADS) {
  t.test(`payload ${payload} over ${protocol}`, async (t) => {
    const hash = async (parts: Partial<RequestParts>) =>
      (await translate(put(parts), target(protocol, { payload }))).headers.get('x-amz-content-sha256');
    t.equal(await hash({}), buffered);
    t.equal(await hash({ body: generatedStream(9, 1), bodyLength: 9 }), streamed);
    t.equal(await hash({ headers: { 'x-amz-content-sha256': SHA_OF_X } }), literal);
    t.equal(await hash({ method: 'GET', body: null }), empty);
  });
}

t.test('V2 has no payload hash', async (t) => {
  const { headers } = await translate(put(), target('http', { signature: 'v2' }));
  t.notOk(headers.has('x-amz-content-sha256'));
});

t.test('V2 names a bucket by its domain where the service does', async (t) => {
  for (const [dialect, bucket] of [
    [{ v2DomainResource: 'host', addressing: 'domain', signature: 'v2' }, 's3.example'],
    [{ v2DomainResource: 'bucket', addressing: 'domain', signature: 'v2' }, 'b'],
    [{ v2DomainResource: 'host', addressing: 'path', signature: 'v2' }, 'b'],
  ] as const) {
    t.equal((await translate(put(), target('https', dialect))).bucket, bucket);
  }
});

t.test("a bucket is made in the storage's region, not in the client's", async (t) => {
  const body = '<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>';
  const create = () => s3Request({ method: 'PUT', bucket: 'b', body });
  t.equal((await translate(create(), target('http', {}, 'eu-west-1'))).body, null);
  t.equal((await translate(create(), target('http', { locationConstraint: 'region' }))).body, null);
  const regional = await translate(create(), target('http', { locationConstraint: 'region' }, 'eu-west-1'));
  t.match(String(regional.body), '<LocationConstraint>eu-west-1</LocationConstraint>');
  t.equal(regional.bodyLength, regional.body instanceof Uint8Array ? regional.body.byteLength : -1);
});

t.test('a condition is heeded, said otherwise or refused, by operation; never dropped', async (t) => {
  const guard = { by: 'header', name: 'x-guard', value: 'yes' } as const;
  const headers = { 'if-none-match': '*' };
  const copy = { ...headers, 'x-amz-copy-source': '/b/a' };
  const said = async (parts: Partial<RequestParts>, dialect: Partial<Dialect>) => {
    const translated = await translate(put(parts), target('http', dialect)).catch(({ code }: { code: string }) => code);
    if (typeof translated === 'string') return translated;
    return [translated.headers.get('if-none-match'), translated.headers.get('x-guard'), translated.hasNativeGuard];
  };
  const native = { ifNoneMatch: { by: 'native' } } as const;
  t.same(await said({ headers }, native), ['*', undefined, false]);
  t.same(await said({ headers }, { ifNoneMatch: guard }), [undefined, 'yes', true]);
  t.equal(await said({ headers }, { ifNoneMatch: { by: 'refuse' } }), 'NotImplemented');
  t.equal(await said({ headers: { 'if-none-match': '"e"' } }, { ifNoneMatch: guard }), 'NotImplemented');
  t.equal(await said({ headers: copy, body: null }, native), 'NotImplemented', 'CopyObject is not in the list');
  const all = { ...native, conditionalOperations: ['CopyObject'] } as const;
  t.same(await said({ headers: copy, body: null }, all), ['*', undefined, false]);
  t.equal(await said({ headers, query: 'partNumber=1&uploadId=u' }, native), 'NotImplemented');
  const size = { 'x-amz-if-match-size': '1' };
  t.equal(await said({ method: 'DELETE', headers: size, body: null }, native), 'NotImplemented');
  const complete = { method: 'POST', query: 'uploadId=u', headers, body: '<CompleteMultipartUpload/>' };
  t.same(await said(complete, { ifNoneMatch: guard }), [undefined, 'yes', true]);
  t.same(await said({ method: 'GET', headers, body: null }, { ifNoneMatch: guard }), ['*', undefined, false], 'a read');
});

t.test('H20 a body that the operation does not have stays here', async (t) => {
  for (const parts of [
    { method: 'GET' },
    { method: 'DELETE' },
    { method: 'PUT', headers: { 'x-amz-copy-source': '/b/a', 'content-md5': 'm' } },
  ]) {
    const body = generatedStream(5, 1);
    const translated = await translate(put({ ...parts, body, bodyLength: 5 }), target('http'));
    t.equal(translated.body, null);
    t.equal(translated.bodyLength, 0);
    t.notOk(translated.headers.has('content-md5'));
    t.ok(body.destroyed);
  }
});

t.test('what is refused lets go of its body', async (t) => {
  const body = generatedStream(5, 1);
  await t.rejects(translate(put({ key: '../k', body, bodyLength: 5 }), target('http')), { code: 'InvalidURI' });
  t.ok(body.destroyed);
});
