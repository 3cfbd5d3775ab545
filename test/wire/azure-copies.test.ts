import { Readable } from 'node:stream';
import t from 'tap';
import { S3Error, type S3ErrorCode } from '../../src/s3/error.ts';
import { packRecord, unpackRecord } from '../../src/store/azure/record.ts';
import type { CopyObjectInput, GetObjectInput, PutObjectInput } from '../../src/store/object-store.ts';
import { type AzureAnswer, azureStandIn, blobHeaders } from '../support/azure-stand-in.ts';
import { generatedBytes } from '../support/generated.ts';

const { signal } = new AbortController();
const place = { bucket: 'bucket', key: 'key' };
const plain = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
const copy = (to: string, parts: Partial<CopyObjectInput> = {}): CopyObjectInput => ({
  ...{ bucket: 'bucket', key: to, source: place, sourceConditions: {}, conditions: {} },
  ...{ attributes: undefined, storageClass: undefined, tags: undefined, checksumAlgorithm: undefined },
  ...parts,
});
const read = (key: string, parts: Partial<GetObjectInput> = {}): GetObjectInput => ({
  ...{ bucket: 'bucket', key, range: undefined, partNumber: undefined, conditions: {}, headOnly: false },
  ...parts,
});
const found: AzureAnswer = { status: 200, headers: blobHeaders() };
const gone: AzureAnswer = { status: 404, code: 'BlobNotFound' };
const copied: AzureAnswer = {
  status: 202,
  headers: { etag: '"0x8D2"', 'last-modified': 'Fri, 20 Nov 2026 10:00:01 GMT', 'x-ms-copy-status': 'success' },
};

t.test('a copy is asked for again when Azure is busy, or its source is to it', async (t) => {
  const answers: readonly AzureAnswer[] = [
    { status: 503, code: 'ServerBusy' },
    {
      status: 500,
      code: 'CannotVerifyCopySource',
      headers: { 'x-ms-copy-source-error-code': 'ServerBusy', 'x-ms-copy-source-status-code': '503' },
    },
    copied,
  ];
  const { store, seen, waits } = await azureStandIn(t, ({ method }, before) =>
    method === 'PUT' ? (answers[before] ?? copied) : found,
  );
  t.match(await store.copyObject(copy('to'), signal), { etag: 'd41d8cd98f00b204e9800998ecf8427e' });
  t.equal(seen.filter(({ method }) => method === 'PUT').length, 3);
  t.equal(waits.length, 2);
});

t.test('what is wrong with a source is told as if it had been asked for', async (t) => {
  const cases: readonly (readonly [status: number, source: readonly [string, number] | undefined, s3: S3ErrorCode])[] =
    [
      [404, ['BlobNotFound', 404], 'NoSuchKey'],
      [404, undefined, 'NoSuchKey'],
      [403, ['AuthorizationPermissionMismatch', 403], 'AccessDenied'],
      [403, undefined, 'AccessDenied'],
      [409, ['BlobArchived', 409], 'InvalidObjectState'],
      [500, ['OperationTimedOut', 500], 'SlowDown'],
    ];
  for (const [status, source, s3] of cases) {
    const headers = source && {
      'x-ms-copy-source-error-code': source[0],
      'x-ms-copy-source-status-code': String(source[1]),
    };
    const refusal = { status, code: 'CannotVerifyCopySource', ...(headers && { headers }) };
    const { store } = await azureStandIn(t, ({ method }) => (method === 'PUT' ? refusal : found), { retries: 0 });
    await t.rejects(store.copyObject(copy('to'), signal), { code: s3 }, `${status} ${source?.join()}`);
  }
});

t.test(
  'a source that is replaced in between is looked at again, and no 412 for who asked for no condition',
  async (t) => {
    let changes = 1;
    const { store, seen } = await azureStandIn(t, ({ method, headers }) => {
      if (method === 'HEAD') return { status: 200, headers: blobHeaders({ etag: `"0x8D${changes}"` }) };
      if (changes < 3) changes++;
      return headers['x-ms-source-if-match'] === `"0x8D${changes}"`
        ? copied
        : { status: 412, code: 'SourceConditionNotMet' };
    });
    t.match(await store.copyObject(copy('to'), signal), { etag: 'd41d8cd98f00b204e9800998ecf8427e' });
    t.equal(seen.filter(({ method }) => method === 'PUT').length, 3);
    const busy = await azureStandIn(t, ({ method }) =>
      method === 'HEAD' ? found : { status: 412, code: 'SourceConditionNotMet' },
    );
    await t.rejects(busy.store.copyObject(copy('to'), signal), { code: 'SlowDown' });
    const asked = { sourceConditions: { ifMatch: '"ffffffffffffffffffffffffffffffff"' } };
    await t.rejects(busy.store.copyObject(copy('to', asked), signal), { code: 'PreconditionFailed' });
    const missing = await azureStandIn(t, () => gone);
    await t.rejects(missing.store.copyObject(copy('to'), signal), { code: 'NoSuchKey' });
    t.equal(missing.seen.length, 1);
  },
);

t.test('a conditional copy that succeeded unheard is not taken for somebody else’s', async (t) => {
  const answers: readonly AzureAnswer[] = [
    { status: 500, code: 'OperationTimedOut' },
    { status: 409, code: 'BlobAlreadyExists' },
  ];
  for (const isOurs of [true, false]) {
    let record = '';
    const { store } = await azureStandIn(t, ({ method, what, headers }, before) => {
      if (method === 'PUT') record = String(headers['x-ms-meta-sluice']);
      if (method === 'PUT') return answers[before] ?? copied;
      if (what === 'HEAD /bucket/key') return found;
      if (before === 0) return gone;
      t.match(unpackRecord(record).nonce, /^[\w-]{12}$/);
      return { status: 200, headers: blobHeaders(isOurs ? { 'x-ms-meta-sluice': record } : {}) };
    });
    const copying = store.copyObject(copy('to', { conditions: { ifNoneMatch: '*' } }), signal);
    if (isOurs) t.match(await copying, { etag: 'd41d8cd98f00b204e9800998ecf8427e' });
    else await t.rejects(copying, { code: 'PreconditionFailed' });
  }
});

t.test('so it is for what goes in blocks, as a body of unknown length', async (t) => {
  for (const isOurs of [true, false]) {
    let record = '';
    const { store, seen } = await azureStandIn(t, ({ method, what, headers }, before) => {
      if (method === 'DELETE') return { status: 202 };
      if (headers['x-ms-copy-source'] !== undefined) {
        record = String(headers['x-ms-meta-sluice']);
        return before === 0 ? { status: 500, code: 'InternalError' } : { status: 409, code: 'BlobAlreadyExists' };
      }
      if (what !== 'HEAD /bucket/key') return copied;
      return before === 0 ? gone : { status: 200, headers: blobHeaders(isOurs ? { 'x-ms-meta-sluice': record } : {}) };
    });
    const body = Readable.from([generatedBytes(300_000, 1)]);
    const bytes = { body, length: undefined, checksum: () => undefined };
    const input: PutObjectInput = { ...place, ...plain, ...bytes, conditions: { ifNoneMatch: '*' } };
    const writing = store.putObject(input, signal);
    if (isOurs) t.match(await writing, { etag: /^[0-9a-f]{32}$/ });
    else await t.rejects(writing, { code: 'PreconditionFailed' });
    t.ok(seen.at(-1)?.what.startsWith('DELETE /bucket/.sluice/staging/'), 'and nothing stays behind');
  }
  const { store, seen } = await azureStandIn(t, () => copied);
  const body = Readable.from([generatedBytes(300_000, 1)]);
  const bytes = { body, length: undefined, checksum: () => undefined };
  const input: PutObjectInput = { ...place, key: '\\'.repeat(400), ...plain, ...bytes, conditions: {} };
  await t.rejects(store.putObject(input, signal), { code: 'KeyTooLongError' });
  t.equal(seen.length, 0, 'a key that cannot be is told before the body is sent');
});

t.test('an archived object is not copied: Azure would begin to bring it back', async (t) => {
  const { store, seen } = await azureStandIn(t, () => ({
    status: 200,
    headers: blobHeaders({ 'x-ms-access-tier': 'Archive' }),
  }));
  await t.rejects(store.copyObject(copy('to', { storageClass: 'STANDARD' }), signal), { code: 'InvalidObjectState' });
  t.equal(seen.length, 1);
});

t.test('a source whose URL is too long for Azure goes through here, whole and with what it has', async (t) => {
  const key = 'ж'.repeat(500);
  const body = generatedBytes(1000, 5);
  const md5 = blobHeaders()['content-md5'] ?? '';
  const { store, seen } = await azureStandIn(t, ({ method }) => {
    if (method === 'PUT') return { status: 201, headers: { ...copied.headers, 'content-md5': md5 } };
    const headers = blobHeaders({ 'content-length': '1000', 'content-type': 'a/b', 'x-ms-meta-plain': 'x' });
    return { status: 200, headers, body };
  });
  await store.copyObject(copy('to', { source: { bucket: 'bucket', key } }), signal);
  const put = seen.find(({ method }) => method === 'PUT');
  t.ok(put?.body.equals(body));
  t.equal(put?.headers['x-ms-copy-source'], undefined);
  t.match(put?.headers, { 'x-ms-blob-content-type': 'a/b', 'x-ms-meta-plain': 'x' });
  t.equal(seen.find(({ method }) => method === 'GET')?.headers['if-match'], '"0x8D1"', 'of the object looked at');
});

t.test('what a copy that came to nothing leaves is removed, and is no object meanwhile', async (t) => {
  const pending = { 'x-ms-copy-id': 'c1', 'x-ms-copy-status': 'pending' };
  let abort = new AbortController();
  const { store, seen } = await azureStandIn(t, ({ method, what }, before) => {
    if (what === 'HEAD /bucket/key') return found;
    if (method === 'DELETE') return { status: 202 };
    // It ended by itself in the very moment.
    if (what === 'PUT /bucket/ended copy') return { status: 409, code: 'NoPendingCopyOperation' };
    if (what.endsWith('copy')) return { status: 204 };
    if (method === 'PUT') return { status: 202, headers: { ...copied.headers, ...pending } };
    if (!what.endsWith('/failed') && before === 0) abort.abort(new S3Error('RequestTimeout'));
    const status = what.endsWith('/failed') ? 'failed' : 'aborted';
    return { status: 200, headers: blobHeaders({ ...pending, etag: '"0x8D9"', 'x-ms-copy-status': status }) };
  });
  const removals = () => seen.filter(({ method }) => method === 'DELETE');
  await t.rejects(store.copyObject(copy('failed'), signal), { code: 'OperationAborted' });
  t.match(removals(), [{ what: 'DELETE /bucket/failed', headers: { 'if-match': '"0x8D9"' } }]);
  for (const [key, removed] of [
    ['gone', 1],
    ['ended', 0],
  ] as const) {
    abort = new AbortController();
    await t.rejects(store.copyObject(copy(key), abort.signal), { code: 'RequestTimeout' }, key);
    t.equal(removals().filter(({ what }) => what.endsWith(key)).length, removed, key);
  }
  for (const [copyStatus, code] of [
    ['pending', 'SlowDown'],
    ['failed', 'NoSuchKey'],
    ['aborted', 'NoSuchKey'],
  ] as const) {
    const headers = blobHeaders({ 'x-ms-copy-status': copyStatus });
    const left = await azureStandIn(t, () => ({ status: 200, headers }), { retries: 0 });
    await t.rejects(left.store.getObject(read('left'), signal), { code }, copyStatus);
    await t.rejects(left.store.getObject(read('left', { headOnly: true }), signal), { code }, copyStatus);
  }
});

t.test('a copy of what others made has the ETag that its own HEAD tells', async (t) => {
  const stale = packRecord({ multipart: { etag: `${'c'.repeat(32)}-1`, size: 9, parts: undefined, uploadId: 'u' } });
  const { 'content-md5': _, ...bare } = blobHeaders({ 'content-length': '3', 'x-ms-meta-sluice': stale });
  const { store } = await azureStandIn(t, ({ method, what }) => {
    if (method === 'PUT') return copied;
    return { status: 200, headers: { ...bare, etag: what === 'HEAD /bucket/key' ? '"0x8D1"' : '"0x8D2"' } };
  });
  const { etag } = await store.copyObject(copy('to'), signal);
  t.equal(etag, `${'8d2'.padStart(32, '0')}-1`);
});
