import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { S3Error } from '../../src/s3/error.ts';
import type { BodyClaims } from '../../src/s3/message.ts';
import { packBlockId, unpackBlockId } from '../../src/store/azure/block-id.ts';
import { packRecord } from '../../src/store/azure/record.ts';
import type { ObjectStore, UploadPartInput } from '../../src/store/object-store.ts';
import { type AzureAnswer, azureStandIn, blobHeaders, type SeenByAzure } from '../support/azure-stand-in.ts';
import { azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';
import { generatedBytes } from '../support/generated.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());

const UPLOAD = 'a'.repeat(40);
const NONE: BodyClaims = { md5: undefined, algorithm: undefined };
const large = generatedBytes(700_000, 1);
const md5Of = (bytes: Uint8Array) => createHash('md5').update(bytes).digest();

interface Block {
  readonly id: string;
  readonly body: Buffer;
  readonly version: string;
  readonly contentMd5: string | undefined;
}

/** An account that keeps blocks and tells their MD5 as `tells` has it. */
async function account(t: Test, tells: (block: Block) => Partial<AzureAnswer>, { claimsTls = true } = {}) {
  const blocks: Block[] = [];
  const headers = blobHeaders({ 'x-ms-meta-sluice': packRecord({ upload: { key: 'k', initiated: 0 } }) });
  const script = ({ method, target, headers: sent, body }: SeenByAzure): AzureAnswer => {
    if (method === 'HEAD') return { status: 200, headers };
    const id = decodeURIComponent(/blockid=([^&]*)/.exec(target)?.[1] ?? '');
    const block = { id, body, version: String(sent['x-ms-version']), contentMd5: sent['content-md5']?.toString() };
    const answer = { status: 201, ...tells(block) };
    if (answer.status === 201) blocks.push(block);
    return answer;
  };
  const { store, seen } = await azureStandIn(t, script, { claimsTls, retries: 0 });
  return { store, blocks, seen };
}

/** As documented: before 2019-02-02 always, later only what the request has. */
const asDocumented = ({ body, version, contentMd5 }: Block): Partial<AzureAnswer> => {
  const md5 = md5Of(body).toString('base64');
  if (contentMd5 !== undefined && contentMd5 !== md5) return { status: 400, code: 'Md5Mismatch' };
  return { headers: version < '2019-02-02' || contentMd5 !== undefined ? { 'content-md5': md5 } : {} };
};

function send(store: ObjectStore, more: Partial<UploadPartInput> = {}) {
  const place = { bucket: 'bucket', key: 'k', uploadId: UPLOAD, partNumber: 1 };
  const bytes = { body: Readable.from([large]), length: large.byteLength, checksum: () => undefined, claims: NONE };
  return store.uploadPart({ ...place, ...bytes, ...more }, new AbortController().signal);
}

t.test('a part is one block, its MD5 is what Azure received, and a bare block tells of it', async (t) => {
  const { store, blocks } = await account(t, asDocumented);
  const { etag } = await send(store);
  t.equal(etag, md5Of(large).toString('hex'));
  const [probe, data, bare] = blocks;
  t.equal(blocks.length, 3);
  t.equal(unpackBlockId(probe?.id ?? ''), undefined, 'what Azure tells was tried with a block of nobody');
  t.ok(data?.body.equals(large));
  t.equal(data?.version, '2018-11-09');
  t.equal(unpackBlockId(data?.id ?? '')?.last, undefined, 'not yet a part');
  t.same(bare?.body.byteLength, 1);
  t.not(bare?.version, '2018-11-09');
  t.match(unpackBlockId(bare?.id ?? '')?.last, { isBare: true, md5: etag });
  await send(store, { partNumber: 2 });
  t.equal(blocks.length, 5, 'it is tried once');
});

t.test('where Azure does not tell, or nobody guards the line, the MD5 is computed here', async (t) => {
  const silent = await account(t, () => ({}));
  t.equal((await send(silent.store)).etag, md5Of(large).toString('hex'));
  const [, head, tail] = silent.blocks;
  t.ok(Buffer.concat([head?.body ?? large, tail?.body ?? large]).equals(large));
  t.match(unpackBlockId(tail?.id ?? '')?.last, { isBare: false });
  const refusing = await account(t, (block) =>
    block.version < '2019-02-02' ? { status: 400, code: 'InvalidHeaderValue' } : {},
  );
  t.equal((await send(refusing.store)).etag, md5Of(large).toString('hex'));
  const lying = await account(t, ({ body }) => ({
    headers: { 'content-md5': md5Of(body.subarray(1)).toString('base64') },
  }));
  t.equal((await send(lying.store)).etag, md5Of(large).toString('hex'));
  const plain = await account(t, asDocumented, { claimsTls: false });
  t.equal((await send(plain.store)).etag, md5Of(large).toString('hex'));
  t.notOk(plain.blocks.some(({ version }) => version === '2018-11-09'));
});

t.test('an MD5 that the client said is Azure’s to verify, on any line', async (t) => {
  const { store, blocks } = await account(t, asDocumented, { claimsTls: false });
  const md5 = md5Of(large).toString('base64');
  t.equal((await send(store, { claims: { ...NONE, md5 } })).etag, md5Of(large).toString('hex'));
  t.equal(blocks[0]?.contentMd5, md5);
  t.equal(blocks.length, 2);
  const wrong = md5Of(large.subarray(1)).toString('base64');
  await t.rejects(send(store, { claims: { ...NONE, md5: wrong } }), { code: 'BadDigest' });
  t.equal(blocks.length, 2, 'nothing became of it');
});

t.test('so it is for an object: one that comes to Azure as anything else replaces none', async (t) => {
  const { store } = testAzureStore(t, azuriteAccount(azurite));
  const { signal } = new AbortController();
  await store.createBucket('objects');
  const attributes = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
  const object = { bucket: 'objects', key: 'k', ...attributes, conditions: {}, checksum: () => undefined };
  const put = (md5: Buffer) =>
    store.putObject(
      {
        ...{ ...object, body: Readable.from([large]), length: large.byteLength },
        claims: { md5: md5.toString('base64'), algorithm: undefined },
      },
      signal,
    );
  t.equal((await put(md5Of(large))).etag, md5Of(large).toString('hex'));
  await t.rejects(put(md5Of(large.subarray(1))), { code: 'BadDigest' });
  const read = { range: undefined, partNumber: undefined, conditions: {}, headOnly: true };
  const { object: kept } = await store.getObject({ bucket: 'objects', key: 'k', ...read }, signal);
  t.equal(kept.etag, md5Of(large).toString('hex'));
});

t.test('a body that breaks off or fails its checks is no part', async (t) => {
  const { store, blocks } = await account(t, asDocumented);
  const failing = (error: Error) =>
    Readable.from(
      (async function* () {
        yield large.subarray(0, 300_000);
        yield large.subarray(300_000);
        throw error;
      })(),
    );
  await t.rejects(send(store, { body: failing(new S3Error('BadDigest')) }), { code: 'BadDigest' });
  await t.rejects(send(store, { body: Readable.from([large.subarray(1)]) }), { code: 'IncompleteBody' });
  await t.rejects(send(store, { body: Readable.from([large, large]) }), { code: 'IncompleteBody' });
  const told = blocks.filter(({ id }) => unpackBlockId(id) !== undefined);
  t.same(told, [], 'Azure got no block of it whole');
});

t.test('an answer without the MD5 that Azure used to tell is trouble, not an ETag', async (t) => {
  const { store, blocks } = await account(t, (block) => (block.body.byteLength > 1 ? {} : asDocumented(block)));
  await t.rejects(send(store), { code: 'ServiceUnavailable' });
  t.notOk(blocks.some(({ id }) => unpackBlockId(id)?.last !== undefined));
});

t.test('a service that is busy at the trial is tried again by the next part', async (t) => {
  let isBusy = true;
  const { store } = await account(t, (block) => (isBusy ? { status: 503, code: 'ServerBusy' } : asDocumented(block)));
  await t.rejects(send(store), { code: 'SlowDown' });
  isBusy = false;
  t.equal((await send(store)).etag, md5Of(large).toString('hex'));
});

t.test('parts of many sizes do not outgrow the metadata, and are found by their blocks', async (t) => {
  const numbers = Array.from({ length: 1000 }, (_, index) => index + 1);
  const sizeOf = (partNumber: number) => 5 * 1024 * 1024 + partNumber;
  const etagOf = (partNumber: number) => md5Of(Buffer.from([partNumber])).toString('hex');
  const listed = numbers.map((partNumber) => {
    const last = { isBare: false, md5: etagOf(partNumber), checksum: undefined };
    const id = packBlockId({ partNumber, sequence: 0, attempt: 1, random: Buffer.alloc(3), last });
    return `<Block><Name>${id}</Name><Size>${sizeOf(partNumber)}</Size></Block>`;
  });
  const upload = packRecord({ upload: { key: 'k', initiated: 0 }, userMetadata: [['a-b', 'v'.repeat(2000)]] });
  const written: string[] = [];
  const { store } = await azureStandIn(t, ({ method, target, headers }) => {
    if (method === 'GET') return { status: 200, body: `<BlockList><L>${listed.join('')}</L></BlockList>` };
    if (method === 'DELETE') return { status: 202 };
    if (method === 'PUT') {
      if (target.includes('comp=blocklist')) written.push(String(headers['x-ms-meta-sluice']));
      return { status: 201, headers: blobHeaders({ 'x-ms-copy-status': 'success' }) };
    }
    if (target.includes('.sluice/')) return { status: 200, headers: blobHeaders({ 'x-ms-meta-sluice': upload }) };
    const size = String(numbers.reduce((sum, partNumber) => sum + sizeOf(partNumber), 0));
    const { 'content-md5': _, ...own } = blobHeaders({ 'x-ms-meta-sluice': written[0] ?? '', 'content-length': size });
    return { status: 200, headers: own };
  });
  const { signal } = new AbortController();
  const parts = numbers.map((partNumber) => ({ partNumber, etag: etagOf(partNumber), checksum: undefined }));
  const expected = { expectedChecksum: undefined, expectedSize: undefined };
  const object = { bucket: 'bucket', key: 'k' };
  const complete = { ...object, uploadId: UPLOAD, parts, conditions: {}, ...expected };
  const { etag } = await store.completeMultipartUpload(complete, signal);
  t.match(etag, /-1000$/);
  t.ok((written[0]?.length ?? 0) < 8192, 'Azure would take no more');
  const read = { ...object, range: undefined, conditions: {}, headOnly: true };
  const found = await store.getObject({ ...read, partNumber: 7 }, signal);
  t.equal(found.object.etag, etag);
  t.equal(found.range?.end, numbers.slice(0, 7).reduce((sum, partNumber) => sum + sizeOf(partNumber), 0) - 1);
  t.equal(found.object.parts?.length, 1000);
});

t.test('checksums of parts are kept, whichever block tells them', async (t) => {
  const { store } = testAzureStore(t, azuriteAccount(azurite));
  const { signal } = new AbortController();
  const object = { bucket: 'parts', key: 'k' };
  await store.createBucket('parts');
  const attributes = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
  const mode = { algorithm: 'SHA256', type: 'COMPOSITE' } as const;
  const { uploadId } = await store.createMultipartUpload({ ...object, ...attributes, checksum: mode });
  const bodies = [1, 2, 3].map((seed) => generatedBytes(5 * 1024 * 1024 + seed, seed));
  // Two tell by a bare block; the third has a number for which an object's record has no room, and tells by its end.
  const numbers = [1, 62, 63];
  const parts = [];
  for (const [index, body] of bodies.entries()) {
    const value = createHash('sha256').update(body).digest('base64');
    const claims = { md5: md5Of(body).toString('base64'), algorithm: mode.algorithm };
    const partNumber = numbers[index] ?? 0;
    const checksum = () => ({ algorithm: mode.algorithm, value });
    const input = { ...object, uploadId, partNumber, body: Readable.from([body]), length: body.byteLength };
    const written = await store.uploadPart({ ...input, checksum, claims }, signal);
    t.equal(written.checksum?.value, value);
    parts.push({ partNumber, etag: written.etag, checksum: written.checksum });
  }
  const listed = await store.listParts({ ...object, uploadId, after: 0, limit: 10 });
  t.same(
    listed.parts.map(({ size }) => size),
    bodies.map(({ byteLength }) => byteLength),
    'the byte of a bare block is none of the part',
  );
  const expected = { expectedChecksum: undefined, expectedSize: undefined };
  await store.completeMultipartUpload({ ...object, uploadId, parts, conditions: {}, ...expected }, signal);
  const read = { ...object, range: undefined, partNumber: undefined, conditions: {}, headOnly: true };
  const { object: found } = await store.getObject({ ...read, hasPartChecksums: true }, signal);
  t.same(
    found.parts?.map(({ partNumber, checksum }) => [partNumber, checksum?.value]),
    parts.map(({ partNumber, checksum }) => [partNumber, checksum?.value]),
  );
  const whole = await store.getObject({ ...read, headOnly: false }, signal);
  const chunks = await (whole.body instanceof Readable ? whole.body.toArray() : []);
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(bodies)));
});
