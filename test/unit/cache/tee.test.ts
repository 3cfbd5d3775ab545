import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { BLOCK_BYTES } from '../../../src/cache/content.ts';
import { copyOnTheWay } from '../../../src/cache/tee.ts';
import { generatedBytes } from '../../support/generated.ts';

const bytes = generatedBytes(100 * BLOCK_BYTES + 17, 1);

function source(): Readable {
  let position = 0;
  return new Readable({
    read() {
      const chunk = bytes.subarray(position, position + 65_536);
      position += chunk.length;
      this.push(chunk.length === 0 ? null : chunk);
    },
  });
}

t.test('an upload waits a moment for a disk that is behind, and its copy is whole', async (t) => {
  const written = new Map<number, Buffer>();
  let behind = 0;
  let most = 0;
  const write = async (index: number, block: Uint8Array): Promise<void> => {
    behind++;
    most = Math.max(most, behind);
    for (let turns = 0; turns < 3; turns++) await turn();
    written.set(index, Buffer.from(block));
    behind--;
  };
  const copied = copyOnTheWay(source(), bytes.length, { holdsBytes: false, write });
  t.ok((await buffer(copied.body)).equals(bytes));
  t.equal(await copied.isWhole(), true);
  t.ok(Buffer.concat([...written].sort(([a], [b]) => a - b).map(([, block]) => block)).equals(bytes));
  t.equal(most, 4, 'blocks at a time');
});

t.test('an upload goes on without a copy when the disk hangs or fails', async (t) => {
  for (const write of [() => new Promise<void>(() => undefined), () => Promise.reject(new Error('no room'))]) {
    const copied = copyOnTheWay(source(), bytes.length, { holdsBytes: false, write });
    t.ok((await buffer(copied.body)).equals(bytes));
    t.equal(await copied.isWhole(), false);
  }
});

t.test('an upload that breaks off or is longer than it said leaves no copy', async (t) => {
  const write = async (): Promise<void> => undefined;
  const broken = source();
  const copied = copyOnTheWay(broken, bytes.length, { holdsBytes: false, write });
  const reading = buffer(copied.body);
  copied.body.once('data', () => broken.destroy());
  await t.rejects(reading);
  t.equal(await copied.isWhole(), false);
  const longer = copyOnTheWay(source(), BLOCK_BYTES, { holdsBytes: false, write });
  t.ok((await buffer(longer.body)).equals(bytes));
  t.equal(await longer.isWhole(), false);
});
