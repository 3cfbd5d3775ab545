import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { BLOCK_BYTES } from '../../../src/cache/content.ts';
import { FillBlocks } from '../../../src/cache/fill-blocks.ts';
import { cached } from '../../support/cached.ts';
import { generatedBytes } from '../../support/generated.ts';
import { s3Request } from '../../support/s3-request.ts';

t.test('all who come at about the same time have their first byte before the rest is fetched', async (t) => {
  const { vendor, handler } = await cached(t, { memory: 512 * 2 ** 20 });
  const bytes = generatedBytes(40 * 2 ** 20, 1);
  vendor.put('key', bytes);
  const readers: Promise<Readable>[] = [];
  for (let reader = 0; reader < 20; reader++) {
    const begun = handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }));
    // An object of this size is a stream.
    readers.push(begun.then(({ body }) => body as Readable));
    await turn();
  }
  const bodies = await Promise.all(readers);
  t.ok(vendor.bytesSent() < 2 ** 20, `${vendor.bytesSent()} bytes fetched so far`);
  t.notOk(vendor.requests.some(({ headers }) => headers.has('range')));
  for (const body of bodies) {
    const [first] = (await body.take(1).toArray()) as Buffer[];
    t.ok(first?.equals(bytes.subarray(0, first.length)));
    t.equal(first?.length, 64 * 1024, 'a small piece for everybody first');
  }
});

t.test('readers that follow together read a block once, and one that fails is read again', async (t) => {
  const kept = new Map<number, Uint8Array>();
  let reads = 0;
  const blocks = new FillBlocks(20 * BLOCK_BYTES, {
    holdsBytes: false,
    write: async (index, bytes) => void kept.set(index, Buffer.from(bytes)),
    read: async (index) => {
      reads++;
      if (reads === 1) throw new Error('the disk fails once');
      return kept.get(index) ?? new Uint8Array(0);
    },
  });
  t.equal(blocks.read(0, 10), undefined, 'nothing has come');
  const bytes = generatedBytes(20 * BLOCK_BYTES, 1);
  for (let position = 0; position < bytes.length; ) {
    position += await blocks.put(position, bytes.subarray(position, position + 100_000));
  }
  t.equal(blocks.missing, -1);
  await t.rejects(async () => blocks.read(0, 10));
  for (let position = 0; position < bytes.length; position += BLOCK_BYTES) {
    const together = await Promise.all(
      [0, 1, 2].map(async (behind) => blocks.read(position + behind, position + BLOCK_BYTES - 1)),
    );
    for (const [behind, read] of together.entries()) {
      t.ok(Buffer.from(read ?? []).equals(bytes.subarray(position + behind, position + BLOCK_BYTES)));
    }
  }
  t.equal(reads, 21);
});

t.test('what a reader has of a block goes on being right while the block grows', async (t) => {
  const blocks = new FillBlocks(BLOCK_BYTES, {
    holdsBytes: false,
    write: async () => undefined,
    read: async () => new Uint8Array(0),
  });
  const bytes = generatedBytes(BLOCK_BYTES, 3);
  await blocks.put(0, bytes.subarray(0, 1000));
  const early = await blocks.read(10, BLOCK_BYTES);
  const waiting = blocks.wait(1000);
  await blocks.put(1000, bytes.subarray(1000));
  await waiting;
  t.ok(Buffer.from(early ?? []).equals(bytes.subarray(10, 1000)));
  t.ok(Buffer.from((await blocks.read(1000, BLOCK_BYTES - 1)) ?? []).equals(bytes.subarray(1000)), 'from memory');
});
