import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { S3Error, type S3ErrorCode } from '../../src/s3/error.ts';
import { packRecord, unpackRecord } from '../../src/store/azure/record.ts';
import type { GetObjectInput, PutObjectInput } from '../../src/store/object-store.ts';
import { AZURE_WORDS, type AzureAnswer, azureStandIn, blobHeaders, SECRET_NAME } from '../support/azure-stand-in.ts';
import { generatedBytes, generatedStream } from '../support/generated.ts';

const { signal } = new AbortController();
const place = { bucket: 'bucket', key: 'key' };
const plain = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
const put = (parts: Partial<PutObjectInput> = {}): PutObjectInput => ({
  ...place,
  ...plain,
  conditions: {},
  body: Buffer.from('hello'),
  length: 5,
  checksum: () => undefined,
  ...parts,
});
const get = (parts: Partial<GetObjectInput> = {}): GetObjectInput => ({
  ...place,
  range: undefined,
  partNumber: undefined,
  conditions: {},
  headOnly: false,
  ...parts,
});
const created: AzureAnswer = {
  status: 201,
  headers: { etag: '"0x8D2"', 'last-modified': 'Fri, 20 Nov 2026 10:00:01 GMT' },
};
const busy: AzureAnswer = { status: 503, code: 'ServerBusy', headers: { 'retry-after': '2' } };

t.test('what is in memory is sent again, after as long as Azure wishes', async (t) => {
  const { store, seen, waits } = await azureStandIn(t, (_, before) => (before < 2 ? busy : created));
  t.match(await store.putObject(put(), signal), { etag: '5d41402abc4b2a76b9719d911017c592' });
  t.equal(seen.length, 3);
  t.same(waits, [2000, 2000], 'Retry-After, not less');
  t.notSame(seen[0]?.headers['x-ms-meta-sluice'], undefined);
  t.equal(seen[0]?.headers['x-ms-meta-sluice'], seen[2]?.headers['x-ms-meta-sluice'], 'the same nonce');
});

t.test('a service that wants to be left alone for long is, and the client is told', async (t) => {
  const { store, seen } = await azureStandIn(t, () => ({ ...busy, headers: { 'retry-after': '30' } }));
  const error = await store.getObject(get(), signal).catch((error: unknown) => error);
  t.match(error, { code: 'SlowDown', status: 503 });
  t.equal(error instanceof S3Error && error.headers?.get('retry-after'), '30');
  t.equal(seen.length, 1);
});

t.test('a stream is sent once', async (t) => {
  const { store, seen } = await azureStandIn(t, () => busy);
  const body = generatedStream(1_000_000, 1);
  await t.rejects(store.putObject(put({ body, length: 1_000_000 }), signal), { code: 'SlowDown' });
  t.equal(seen.length, 1);
  t.ok(body.destroyed);
});

t.test('R12 a body that fails its checks or ends early never arrives whole', async (t) => {
  const { store, seen } = await azureStandIn(t, () => created);
  const bytes = generatedBytes(600_000, 2);
  const failing = Readable.from(
    (async function* () {
      yield bytes;
      throw new S3Error('BadDigest');
    })(),
  );
  await t.rejects(store.putObject(put({ body: failing, length: 600_000 }), signal), { code: 'BadDigest' });
  for (const length of [599_999, 600_001]) {
    const body = Readable.from([bytes.subarray(0, 300_000), bytes.subarray(300_000)]);
    await t.rejects(store.putObject(put({ body, length }), signal), { code: 'IncompleteBody' });
  }
  t.equal(seen.length, 0, 'no request was complete');
});

t.test('reads are asked again after a broken connection; a download that breaks off fails', async (t) => {
  const bytes = generatedBytes(100_000, 3);
  const { store, seen } = await azureStandIn(t, (request, before) => {
    if (request.what === 'GET /bucket/key' && before === 0) return 'reset';
    return { status: 200, headers: blobHeaders({ 'content-length': '100000' }), body: bytes, cutAfter: 50_000 };
  });
  const { body } = await store.getObject(get(), signal);
  t.equal(seen.length, 2);
  if (!(body instanceof Readable)) throw new Error('no stream');
  await t.rejects(async () => void (await buffer(body)));
});

t.test('a conditional write that succeeded unheard is not taken for somebody else’s', async (t) => {
  const answers: readonly AzureAnswer[] = [
    { status: 500, code: 'OperationTimedOut' },
    { status: 409, code: 'BlobAlreadyExists' },
  ];
  for (const isOurs of [true, false]) {
    let record = '';
    const { store } = await azureStandIn(t, ({ method, headers }, before) => {
      if (method === 'PUT') record = String(headers['x-ms-meta-sluice']);
      if (method === 'PUT') return answers[before] ?? created;
      if (before === 0) return { status: 404, code: 'BlobNotFound' };
      const { nonce } = unpackRecord(record);
      t.match(nonce, /^[\w-]{12}$/);
      return { status: 200, headers: blobHeaders(isOurs ? { 'x-ms-meta-sluice': record } : {}) };
    });
    const writing = store.putObject(put({ conditions: { ifNoneMatch: '*' } }), signal);
    if (isOurs) t.match(await writing, { etag: '5d41402abc4b2a76b9719d911017c592' });
    else await t.rejects(writing, { code: 'PreconditionFailed' });
  }
});

t.test('conditions are Azure’s own when the write is sent', async (t) => {
  const { store, seen } = await azureStandIn(t, ({ method }) =>
    method === 'HEAD' ? { status: 200, headers: blobHeaders() } : { status: 412, code: 'ConditionNotMet' },
  );
  const ifMatch = '"d41d8cd98f00b204e9800998ecf8427e"';
  await t.rejects(store.putObject(put({ conditions: { ifMatch } }), signal), { code: 'PreconditionFailed' });
  t.equal(seen.find(({ method }) => method === 'PUT')?.headers['if-match'], '"0x8D1"');
  await t.rejects(store.putObject(put({ conditions: { ifNoneMatch: '*' } }), signal), { code: 'PreconditionFailed' });
  t.equal(seen.filter(({ method }) => method === 'PUT').length, 1, 'what is known to fail is not sent');
  await t.rejects(store.deleteObject({ ...place, conditions: { ifMatch } }), { code: 'PreconditionFailed' });
});

t.test('Azure’s codes become S3’s, its words and the account’s name stay behind', async (t) => {
  const cases: readonly (readonly [status: number, code: string | undefined, s3: S3ErrorCode])[] = [
    [404, 'BlobNotFound', 'NoSuchKey'],
    [404, 'ContainerNotFound', 'NoSuchBucket'],
    [404, undefined, 'NoSuchKey'],
    [409, 'ContainerBeingDeleted', 'NoSuchBucket'],
    [400, 'OutOfRangeInput', 'KeyTooLongError'],
    [400, 'InvalidResourceName', 'InvalidArgument'],
    [409, 'BlobArchived', 'InvalidObjectState'],
    [409, 'LeaseIdMissing', 'OperationAborted'],
    [409, 'InvalidBlobType', 'OperationAborted'],
    [409, 'BlobImmutableDueToPolicy', 'AccessDenied'],
    [403, 'AuthenticationFailed', 'AccessDenied'],
    [403, 'AuthorizationFailure', 'AccessDenied'],
    [403, undefined, 'AccessDenied'],
    [401, 'NoAuthenticationInformation', 'AccessDenied'],
    [409, 'ContentLengthLargerThanTierLimit', 'EntityTooLarge'],
    [413, 'RequestBodyTooLarge', 'EntityTooLarge'],
    [400, 'Md5Mismatch', 'BadDigest'],
    [400, 'MetadataTooLarge', 'MetadataTooLarge'],
    [503, 'ServerBusy', 'SlowDown'],
    [500, 'OperationTimedOut', 'SlowDown'],
    [429, undefined, 'SlowDown'],
    [500, 'InternalError', 'InternalError'],
    [502, undefined, 'ServiceUnavailable'],
    [504, undefined, 'ServiceUnavailable'],
    [501, 'APINotImplemented', 'NotImplemented'],
    [400, 'SomethingNew', 'InvalidRequest'],
  ];
  for (const [status, code, s3] of cases) {
    const answer = { status, ...(code === undefined ? { body: AZURE_WORDS } : { code }) };
    const { store, log } = await azureStandIn(t, () => answer, { retries: 0 });
    const error = await store.getObject(get(), signal).catch((error: unknown) => error);
    if (!(error instanceof S3Error)) throw error;
    t.equal(error.code, s3, `${status} ${code}`);
    const shown = JSON.stringify([error.message, error.detail, [...(error.headers ?? [])]]);
    t.notMatch(shown, new RegExp(`${SECRET_NAME}|Words of Azure`));
    t.equal(log.length > 0, status === 401 || status === 403, 'a wrong key is told to the operator');
    const head = await store.getObject(get({ headOnly: true }), signal).catch((error: unknown) => error);
    t.equal(head instanceof S3Error && head.code, s3, `HEAD, which has no document: ${status} ${code}`);
  }
});

t.test('nobody there is ServiceUnavailable, within the connect timeout', async (t) => {
  const { store, account } = await azureStandIn(t, () => 'reset', { retries: 1 });
  t.ok(account.origin.port > 0);
  await t.rejects(store.getObject(get(), signal), { code: 'ServiceUnavailable' });
});

t.test('an account that takes a request and says nothing is asked once', async (t) => {
  const { store, seen } = await azureStandIn(t, () => 'silence', { idleTimeout: 200 });
  await t.rejects(store.getObject(get(), signal), { code: 'ServiceUnavailable' });
  t.equal(seen.length, 1);
});

t.test(
  'a copy that takes its time is waited for; one that fails is no copy; one nobody waits for is broken off',
  async (t) => {
    const pending = { 'x-ms-copy-id': 'c1', 'x-ms-copy-status': 'pending' };
    const copy = (to: string) => ({
      bucket: 'bucket',
      key: to,
      source: place,
      sourceConditions: {},
      conditions: {},
      attributes: undefined,
      storageClass: undefined,
      tags: undefined,
      checksumAlgorithm: undefined,
    });
    const abort = new AbortController();
    const { store, seen } = await azureStandIn(t, ({ method, what }, before) => {
      if (what === 'HEAD /bucket/key') return { status: 200, headers: blobHeaders() };
      if (what.endsWith('copy')) return { status: 204 };
      if (method === 'PUT') return { status: 202, headers: { ...created.headers, ...pending } };
      if (what.endsWith('/slow')) {
        return {
          status: 200,
          headers: blobHeaders({ ...pending, 'x-ms-copy-status': before < 2 ? 'pending' : 'success' }),
        };
      }
      if (what.endsWith('/gone')) abort.abort(new S3Error('RequestTimeout'));
      const status = what.endsWith('/failed') ? 'failed' : 'pending';
      return { status: 200, headers: blobHeaders({ ...pending, 'x-ms-copy-status': status }) };
    });
    t.match(await store.copyObject(copy('slow'), signal), { etag: 'd41d8cd98f00b204e9800998ecf8427e' });
    t.equal(seen.filter(({ what }) => what === 'HEAD /bucket/slow').length, 3);
    t.equal(seen.find(({ what }) => what === 'PUT /bucket/slow')?.headers['x-ms-source-if-match'], '"0x8D1"');
    await t.rejects(store.copyObject(copy('failed'), signal), { code: 'OperationAborted' });
    await t.rejects(store.copyObject(copy('gone'), abort.signal), { code: 'RequestTimeout' });
    const aborted = seen.find(({ what }) => what === 'PUT /bucket/gone copy');
    t.match(aborted?.target, /[?&]copyid=c1(&|$)/);
    t.equal(aborted?.headers['x-ms-copy-action'], 'abort');
  },
);

t.test('an older service is spoken to in an older version', async (t) => {
  const { store, seen } = await azureStandIn(t, ({ headers }) =>
    String(headers['x-ms-version']) > '2022'
      ? {
          status: 400,
          headers: { 'x-ms-error-code': 'InvalidHeaderValue' },
          body: '<Error><Code>InvalidHeaderValue</Code><HeaderName>x-ms-version</HeaderName></Error>',
        }
      : created,
  );
  await store.putObject(put(), signal);
  await store.putObject(put(), signal);
  const versions = seen.map(({ headers }) => headers['x-ms-version']);
  t.same(versions, ['2026-02-06', '2023-11-03', '2021-12-02', '2021-12-02'], 'and it is remembered');
});

t.test('another clock is learned from the refusal', async (t) => {
  const theirs = new Date('2030-01-01T00:00:00Z');
  const { store, seen } = await azureStandIn(
    t,
    ({ headers }) =>
      Math.abs(Date.parse(String(headers['x-ms-date'])) - theirs.getTime()) > 60_000
        ? { status: 403, code: 'AuthenticationFailed', headers: { date: theirs.toUTCString() } }
        : created,
    { now: () => new Date('2026-01-01T00:00:00Z') },
  );
  await store.putObject(put(), signal);
  t.equal(seen.length, 2);
});

t.test('a name that Azure has not let go of yet is OperationAborted', async (t) => {
  const { store, seen } = await azureStandIn(t, (_, before) =>
    before < 1 ? { status: 409, code: 'ContainerBeingDeleted' } : { status: 409, code: 'ContainerAlreadyExists' },
  );
  await t.rejects(store.createBucket('bucket'), { code: 'BucketAlreadyOwnedByYou' });
  t.equal(seen.length, 2, 'asked again');
  for (const name of ['a--b', 'my.bucket', 'Upper', 'under_score', 'ab', '-ab']) {
    await t.rejects(store.createBucket(name), { code: 'InvalidBucketName' }, name);
    await t.rejects(store.headBucket(name), { code: 'NoSuchBucket' }, name);
    await t.rejects(store.getObject(get({ bucket: name }), signal), { code: 'NoSuchBucket' }, name);
  }
  t.equal(seen.length, 2, 'names that no container has are not asked for');
});

t.test('what is ours in a container is nobody else’s', async (t) => {
  const { store, seen } = await azureStandIn(t, () => created);
  const key = '.sluice/staging/0123';
  await t.rejects(store.getObject(get({ key }), signal), { code: 'NoSuchKey' });
  await t.rejects(store.putObject(put({ key }), signal), { code: 'AccessDenied' });
  await t.rejects(store.deleteObject({ bucket: 'bucket', key, conditions: {} }), { code: 'AccessDenied' });
  await t.rejects(store.createMultipartUpload({ bucket: 'bucket', key, ...plain, checksum: undefined }), {
    code: 'AccessDenied',
  });
  t.equal(seen.length, 0);
});

t.test('S01 S04 a key never leaves its container, and arrives as it is', async (t) => {
  const { store, seen } = await azureStandIn(t, () => created);
  const targets = {
    '../other/secret': '.%252E/other/secret',
    'a/../b': 'a/.%252E/b',
    'a//b': 'a//b',
    '/a': '/a',
    '%2e%2e/x': '%252e%252e/x',
    '%2E%2E/x': '%252E%25252E/x',
    'a\\b': 'a%255Cb',
    'a.': 'a%252E',
    'ü+ ?#&=': '%C3%BC%2B%20%3F%23%26%3D',
    '\u{1F600}': '%F0%9F%98%80',
  };
  for (const [key, path] of Object.entries(targets)) {
    await store.putObject(put({ key }), signal);
    t.equal(seen.at(-1)?.target, `/${SECRET_NAME}/bucket/${path}`, JSON.stringify(key));
  }
});

t.test('metadata beyond Azure’s room is refused before anything is sent', async (t) => {
  const { store, seen } = await azureStandIn(t, () => created);
  const tags = Array.from({ length: 10 }, (_, n) => [`ключ${n}`.padEnd(128, 'я'), 'ж'.repeat(256)] as const);
  await t.rejects(store.putObject(put({ tags }), signal), { code: 'MetadataTooLarge' });
  t.same(
    seen.filter(({ method }) => method === 'PUT'),
    [],
  );
});

t.test(
  'R21 an upload whose Complete was stopped behind the copy is found complete, whatever its condition',
  async (t) => {
    const uploadId = 'b'.repeat(40);
    const etag = `${'c'.repeat(32)}-1`;
    const staged = packRecord({ upload: { key: 'key', initiated: 0 } });
    const made = packRecord({ multipart: { etag, size: 3, parts: [[1, 1, 3]], uploadId } });
    const { store, seen } = await azureStandIn(t, ({ method, what }) => {
      if (method === 'DELETE') return { status: 202 };
      const record = what === 'HEAD /bucket/key' ? made : staged;
      const { 'content-md5': _, ...headers } = blobHeaders({ 'content-length': '3', 'x-ms-meta-sluice': record });
      return { status: 200, headers };
    });
    const parts = [{ partNumber: 1, etag: 'x', checksum: undefined }];
    const expected = { expectedChecksum: undefined, expectedSize: undefined };
    const complete = { ...place, uploadId, parts, conditions: { ifNoneMatch: '*' }, ...expected };
    t.match(await store.completeMultipartUpload(complete, signal), { etag });
    t.same(
      seen.map(({ what }) => what),
      [`HEAD /bucket/.sluice/staging/${uploadId}`, 'HEAD /bucket/key', `DELETE /bucket/.sluice/staging/${uploadId}`],
    );
  },
);

t.test('blocks that are gone make a part that is gone', async (t) => {
  const uploadId = 'a'.repeat(40);
  const { store } = await azureStandIn(t, ({ what, method }) => {
    if (what.endsWith('blocklist') && method === 'GET')
      return { status: 200, body: '<BlockList><UncommittedBlocks/></BlockList>' };
    return { status: 404, code: 'BlobNotFound' };
  });
  const parts = [{ partNumber: 1, etag: 'x', checksum: undefined }];
  const complete = { ...place, uploadId, parts, conditions: {}, expectedChecksum: undefined, expectedSize: undefined };
  await t.rejects(store.completeMultipartUpload(complete, signal), { code: 'NoSuchUpload' });
  await t.rejects(store.completeMultipartUpload({ ...complete, uploadId: '../x' }, signal), { code: 'NoSuchUpload' });
});
