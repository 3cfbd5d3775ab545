import t from 'tap';
import { createSegments } from '../../../src/cache/segments.ts';

const KiB = 1024;
const MiB = 2 ** 20;

t.test(
  'a segment is a whole number of blocks, no longer than told, and leaves every connection something',
  async (t) => {
    const lengths: readonly (readonly [size: number, most: number, bytes: number])[] = [
      [1024 * MiB, 16 * MiB, 16 * MiB],
      [1024 * MiB, 5 * MiB + 1, 5 * MiB + 256 * KiB],
      [1024 * MiB, 1, 256 * KiB],
      [64 * MiB, 16 * MiB, 8 * MiB],
      [32 * MiB + 1, 16 * MiB, 4 * MiB + 256 * KiB],
      [1, 16 * MiB, 1],
    ];
    for (const [size, most, bytes] of lengths)
      t.equal(createSegments(size, 8, most).endOf(0), bytes, `${size} by ${most}`);
  },
);

t.test('each segment is taken once, wanted ones first, and those that are freed again', async (t) => {
  const size = 20 * MiB + 7;
  const segments = createSegments(size, 4, 4 * MiB);
  t.ok(segments.claim(0));
  t.notOk(segments.claim(MiB), 'the same one');
  t.equal(segments.take([12 * MiB]), 12 * MiB);
  const taken = [0, 12 * MiB];
  for (let start = segments.take([]); start !== undefined; start = segments.take([])) taken.push(start);
  t.strictSame(
    taken.toSorted((a, b) => a - b),
    [0, 4, 8, 12, 16, 20].map((start) => start * MiB),
  );
  t.equal(segments.endOf(20 * MiB), size);
  t.equal(segments.startOf(7 * MiB), 4 * MiB);
  t.notOk(segments.areOpen);
  segments.free(9 * MiB);
  t.equal(segments.take([]), 8 * MiB);
});
