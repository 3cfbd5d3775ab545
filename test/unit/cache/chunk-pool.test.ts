import t from 'tap';
import { BRIEF_CHUNK, createChunkPool, LARGEST_CHUNK, SMALLEST_CHUNK } from '../../../src/cache/chunk-pool.ts';

t.test('memory that was given back is given again, and no other', async (t) => {
  const pool = createChunkPool(8 * LARGEST_CHUNK);
  const first = pool.take(LARGEST_CHUNK);
  t.equal(first.length, LARGEST_CHUNK);
  t.not(pool.take(LARGEST_CHUNK).buffer, first.buffer);
  pool.giveBack(first.subarray(10, 20));
  pool.giveBack(first);
  const again = pool.take(LARGEST_CHUNK / 2 + 1);
  t.equal(again.length, LARGEST_CHUNK / 2, 'less was wanted, and a larger chunk would have been too much');
  const taken = pool.take(LARGEST_CHUNK);
  t.ok(taken.length < LARGEST_CHUNK || taken.buffer === first.buffer);
  pool.giveBack(Buffer.alloc(SMALLEST_CHUNK));
  t.equal(pool.lent, pool.bytes - (taken.buffer === first.buffer ? 0 : LARGEST_CHUNK), 'others’ memory does not count');
});

t.test('many who keep what they have get little each, and no more than the smallest beyond the budget', async (t) => {
  const budget = 24 * LARGEST_CHUNK;
  const pool = createChunkPool(budget);
  const chunks = Array.from({ length: 400 }, () => pool.take(LARGEST_CHUNK));
  t.equal(chunks[0]?.length, LARGEST_CHUNK);
  t.equal(chunks.at(-1)?.length, SMALLEST_CHUNK);
  t.ok(pool.lent <= budget + 400 * SMALLEST_CHUNK, `${pool.lent} bytes`);
  for (const chunk of chunks) pool.giveBack(chunk);
  t.equal(pool.lent, 0);
  t.ok(pool.bytes <= budget, `${pool.bytes} bytes stay`);
  t.equal(pool.take(LARGEST_CHUNK).length, LARGEST_CHUNK);
});

t.test('readers who may stop leave some for those who go on', async (t) => {
  const pool = createChunkPool(24 * LARGEST_CHUNK);
  const brief = Array.from({ length: 100 }, () => pool.take(BRIEF_CHUNK));
  t.equal(brief[0]?.length, BRIEF_CHUNK);
  t.equal(brief.at(-1)?.length, SMALLEST_CHUNK);
  t.ok(pool.take(LARGEST_CHUNK).length >= 2 * BRIEF_CHUNK);
});

t.test('idle memory of one size makes way for another, and abandoned memory counts no more', async (t) => {
  const pool = createChunkPool(8 * LARGEST_CHUNK);
  const small = Array.from({ length: 128 }, () => pool.take(SMALLEST_CHUNK));
  for (const chunk of small) pool.giveBack(chunk);
  t.equal(pool.bytes, 8 * LARGEST_CHUNK);
  const large = pool.take(LARGEST_CHUNK);
  t.equal(large.length, LARGEST_CHUNK);
  t.equal(pool.bytes, 8 * LARGEST_CHUNK);
  pool.abandon(large);
  pool.giveBack(large);
  t.equal(pool.lent, 0);
  t.not(pool.take(LARGEST_CHUNK).buffer, large.buffer);
});
