import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { BLOCK_BYTES } from '../../../src/cache/content.ts';
import { FillBlocks } from '../../../src/cache/fill-blocks.ts';
import { generator } from '../../support/cache-history.ts';
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

t.test('memory that readers gave back is used again, and nothing that anybody still has changes', async (t) => {
  const random = generator(3);
  const size = 60 * BLOCK_BYTES + 1234;
  const bytes = generatedBytes(size, 5);
  const kept = new Map<number, Buffer>();
  const memories = new Set<ArrayBufferLike>();
  let reads = 0;
  const pause = async (): Promise<void> => {
    for (let turns = Math.floor(random() * 4); turns > 0; turns--) await turn();
  };
  const blocks = new FillBlocks(size, {
    holdsBytes: false,
    write: async (index, block) => {
      const copy = Buffer.from(block);
      await pause();
      // What is written late must still be what it was.
      if (!copy.equals(block)) t.fail(`block ${index} changed while it was written`);
      kept.set(index, copy);
    },
    read: async (index, into) => {
      reads++;
      await pause();
      const block = kept.get(index) ?? Buffer.alloc(0);
      memories.add(into?.buffer ?? block.buffer);
      into?.set(block);
      return into?.subarray(0, block.length) ?? block;
    },
  });
  const read = async (begin: number): Promise<void> => {
    for (let position = begin; position < size; ) {
      const end = Math.min(size - 1, position + Math.floor(random() * 2 * BLOCK_BYTES));
      const isLent = random() < 0.95;
      const chunk = await blocks.read(position, end, isLent);
      if (chunk === undefined) {
        await blocks.wait(position);
        continue;
      }
      await pause();
      if (!bytes.subarray(position, position + chunk.length).equals(chunk)) t.fail(`other bytes at ${position}`);
      position += chunk.length;
      if (!isLent) continue;
      if (random() < 0.98) blocks.giveBack(chunk);
      else blocks.abandon(chunk);
    }
  };
  const write = async (from: number, to: number): Promise<void> => {
    for (let position = from; position < to; ) {
      const most = Math.min(to - position, 1 + Math.floor(random() * 100_000));
      position += await blocks.put(position, bytes.subarray(position, position + most));
      if (random() < 0.2) await pause();
    }
  };
  const half = 30 * BLOCK_BYTES;
  const readers = Array.from({ length: 12 }, (_, reader) => read(reader < 6 ? 0 : Math.floor(random() * size)));
  await Promise.all([write(0, half), write(half, size), ...readers]);
  t.equal(blocks.missing, -1);
  t.ok(memories.size < reads / 2, `${memories.size} pieces of memory for ${reads} reads`);
});
