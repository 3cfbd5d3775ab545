import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import type { Conditions } from '../../src/s3/conditions.ts';
import type { CompleteMultipartUploadInput, ObjectStore } from '../../src/store/object-store.ts';
import { azureFront, type Fault } from '../support/azure-front.ts';
import { azuriteAccount, startAzurite, testAzureStore } from '../support/azurite.ts';
import { generatedBytes } from '../support/generated.ts';

const azurite = await startAzurite();
t.teardown(() => azurite.stop());

const { signal } = new AbortController();
const BUCKET = 'completed';
/** Long enough for a block of its own, as parts are whose MD5 the client said. */
const LAST = generatedBytes(300_000, 1);
const FULL = generatedBytes(5 * 2 ** 20, 2);
const plain = { systemHeaders: new Map(), userMetadata: new Map(), tags: [], storageClass: 'STANDARD' };
await testAzureStore(t, azuriteAccount(azurite)).store.createBucket(BUCKET);

/** What the requests of a Complete are: the commit of the blocks, the copy to the key, the removal. */
const isCommit = ({ method, url = '' }: IncomingMessage) => method === 'PUT' && url.includes('comp=blocklist');
const isCopy = ({ headers }: IncomingMessage) => headers['x-ms-copy-source'] !== undefined;
const isRemoval = ({ method }: IncomingMessage) => method === 'DELETE';

/** A store whose requests go wrong as told, without retries. */
async function faulty(t: Test, fault: (request: IncomingMessage) => Fault | undefined | Promise<Fault | undefined>) {
  const front = await azureFront(t, azurite, { fault });
  return testAzureStore(t, azuriteAccount(front)).store;
}

/** The `times` first requests that are such go wrong so. */
function first(times: number, is: (request: IncomingMessage) => boolean, fault: Fault) {
  let left = times;
  return (request: IncomingMessage) => (is(request) && left-- > 0 ? fault : undefined);
}

/** An upload with its parts there. @param hasMd5 the client says the MD5 of each, so that a bare block tells of it */
async function begin(store: ObjectStore, key: string, { hasMd5 = true, bodies = [LAST] } = {}) {
  const place = { bucket: BUCKET, key };
  const { uploadId } = await store.createMultipartUpload({ ...place, ...plain, checksum: undefined });
  const parts: CompleteMultipartUploadInput['parts'][number][] = [];
  for (const [index, body] of bodies.entries()) {
    const md5 = hasMd5 ? createHash('md5').update(body).digest('base64') : undefined;
    const bytes = { body: Readable.from([body]), length: body.byteLength, checksum: () => undefined };
    const claims = { md5, algorithm: undefined };
    const { etag } = await store.uploadPart({ ...place, uploadId, partNumber: index + 1, ...bytes, claims }, signal);
    parts.push({ partNumber: index + 1, etag, checksum: undefined });
  }
  return (conditions: Conditions = {}): CompleteMultipartUploadInput => ({
    ...{ ...place, uploadId, parts, conditions },
    ...{ expectedChecksum: undefined, expectedSize: undefined },
  });
}

async function read(store: ObjectStore, key: string): Promise<Buffer> {
  const input = { bucket: BUCKET, key, range: undefined, partNumber: undefined, conditions: {}, headOnly: false };
  const { body } = await store.getObject(input, signal);
  return Buffer.concat(body instanceof Readable ? await body.toArray() : []);
}

for (const hasMd5 of [false, true]) {
  const told = hasMd5 ? 'by bare blocks' : 'by their ends';
  for (const [what, is] of [
    ['commit', isCommit],
    ['copy', isCopy],
    ['removal', isRemoval],
  ] as const) {
    for (const fault of ['refused', 'lost'] as const) {
      t.test(`R21 Complete whose ${what} was ${fault} is done when asked again; parts told ${told}`, async (t) => {
        const store = await faulty(t, first(1, is, fault));
        const key = `${what}-${fault}-${hasMd5}`;
        const input = await begin(store, key, { hasMd5 });
        await t.rejects(store.completeMultipartUpload(input(), signal), { code: /^(SlowDown|ServiceUnavailable)$/ });
        const { etag } = await store.completeMultipartUpload(input(), signal);
        t.match(etag, /^[0-9a-f]{32}-1$/);
        t.ok((await read(store, key)).equals(LAST));
        t.equal((await store.completeMultipartUpload(input(), signal)).etag, etag, 'and once more');
        const left = await store.listMultipartUploads({
          ...{ bucket: BUCKET, prefix: key, delimiter: '' },
          ...{ afterKey: '', afterUploadId: '', limit: 10 },
        });
        t.same(left.uploads, []);
      });
    }
  }
}

/** Two requests that are such wait for each other. */
function together(is: (request: IncomingMessage) => boolean) {
  const waiting: (() => void)[] = [];
  return (request: IncomingMessage) =>
    is(request) && waiting.length < 2
      ? new Promise<undefined>((resolve) => {
          waiting.push(() => resolve(undefined));
          if (waiting.length === 2) for (const go of waiting) go();
        })
      : undefined;
}

for (const [what, is] of [
  ['committing', isCommit],
  ['copying', isCopy],
  ['removing', isRemoval],
] as const) {
  t.test(`C08 two gateways asked to complete one upload, ${what} at once, both tell of the one object`, async (t) => {
    const fault = together(is);
    const [one, other] = [await faulty(t, fault), await faulty(t, fault)];
    const input = await begin(one, what);
    const answers = await Promise.all([one, other].map((store) => store.completeMultipartUpload(input(), signal)));
    t.equal(answers[0]?.etag, answers[1]?.etag);
    t.ok((await read(one, what)).equals(LAST));
  });
}

t.test(
  'a Complete that finds its blocks committed or the upload removed meanwhile is told of its object',
  async (t) => {
    const key = 'overtaken';
    const plainStore = testAzureStore(t, azuriteAccount(azurite)).store;
    const input = await begin(plainStore, key);
    let isDone = false;
    for (const is of [isCommit, isCopy]) {
      isDone = false;
      const again = is === isCommit ? input : await begin(plainStore, key);
      const store = await faulty(t, async (request) => {
        if (!is(request) || isDone) return undefined;
        isDone = true;
        await plainStore.completeMultipartUpload(again(), signal);
        return undefined;
      });
      const { etag } = await store.completeMultipartUpload(again(), signal);
      t.match(etag, /-1$/);
      t.ok(isDone);
      t.ok((await read(store, key)).equals(LAST));
    }
  },
);

t.test('parts that are committed and not yet an object are not taken for others', async (t) => {
  const store = await faulty(t, first(1, isCopy, 'refused'));
  const input = (await begin(store, 'strict', { bodies: [FULL, FULL, LAST] }))();
  await t.rejects(store.completeMultipartUpload(input, signal), { code: 'SlowDown' });
  const [one, two, three] = input.parts;
  if (one === undefined || two === undefined || three === undefined) throw new Error('three parts');
  for (const parts of [
    [one, two],
    [one, { ...three, partNumber: 2 }, { ...two, partNumber: 3 }],
    [one, two, { ...three, partNumber: 4 }],
    [one, two, { ...three, etag: 'f'.repeat(32) }],
    [one, two, { ...three, etag: 'no hex' }],
  ]) {
    await t.rejects(store.completeMultipartUpload({ ...input, parts }, signal), { code: 'InvalidPart' });
  }
  const expectedSize = 2 * FULL.byteLength + LAST.byteLength;
  await t.rejects(store.completeMultipartUpload({ ...input, expectedSize: expectedSize - 1 }, signal), {
    code: 'InvalidRequest',
  });
  const expectedChecksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } as const;
  await t.rejects(store.completeMultipartUpload({ ...input, expectedChecksum }, signal), { code: 'BadDigest' });
  t.match(await store.completeMultipartUpload({ ...input, expectedSize }, signal), { etag: /-3$/ });
});
