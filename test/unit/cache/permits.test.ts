import { Readable } from 'node:stream';
import t from 'tap';
import { Fill } from '../../../src/cache/fill.ts';
import { createPermits } from '../../../src/cache/permits.ts';
import { generatedBytes } from '../../support/generated.ts';

t.test('turns are taken in order, and no more at a time than there are', async (t) => {
  const permits = createPermits(2);
  const [first, second] = [await permits.take(), await permits.take()];
  const order: string[] = [];
  const waiting = ['third', 'fourth', 'fifth'].map((name) =>
    permits.take().then((end) => {
      order.push(name);
      return end;
    }),
  );
  await new Promise(setImmediate);
  t.strictSame(order, []);
  first();
  await waiting[0];
  await new Promise(setImmediate);
  t.strictSame(order, ['third']);
  second();
  (await waiting[0])?.();
  await Promise.all(waiting);
  t.strictSame(order, ['third', 'fourth', 'fifth']);
});

t.test('fills share their turns, and all of them end', async (t) => {
  const bytes = generatedBytes(40 * 2 ** 20, 1);
  const permits = createPermits(3);
  let ranges = 0;
  let most = 0;
  const begin = () => {
    const kept = new Map<number, Uint8Array>();
    const fill = new Fill({
      description: { etag: 'x', size: bytes.length, lastModified: new Date(0), headers: new Map() },
      draft: {
        holdsBytes: true,
        write: async (index, block) => void kept.set(index, block),
        read: async (index) => kept.get(index) ?? new Uint8Array(0),
        keep: async () => true,
        close: () => undefined,
      },
      // It says nothing more after its first bytes: all else must come in stretches.
      first: Readable.from([bytes.subarray(0, 2 ** 20)], { objectMode: false }),
      ranges: {
        partBytes: 8 * 2 ** 20,
        permits,
        fetch: async (start, end) => {
          ranges++;
          most = Math.max(most, ranges);
          const stream = Readable.from(bytes.subarray(start, end + 1), { objectMode: false });
          return stream.once('close', () => ranges--);
        },
      },
      isAwaited: () => false,
      pace: undefined,
      onBytes: () => undefined,
    });
    return fill.finished.then(() => Buffer.concat([...kept].sort(([a], [b]) => a - b).map(([, block]) => block)));
  };
  for (const whole of await Promise.all([begin(), begin(), begin()])) t.ok(whole.equals(bytes));
  t.equal(most, 3);
  t.equal(ranges, 0);
});
