import { PassThrough } from 'node:stream';
import t from 'tap';
import { createWarmBar } from '../../../src/commands/cache/warm-bar.ts';

const RUNNING = { id: '1', state: 'running', objects: 4, objectsDone: 1, objectsFailed: 0 } as const;

function terminal(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const shown: string[] = [];
  stream.on('data', (chunk: Buffer) => shown.push(chunk.toString()));
  return { stream, text: () => shown.join('') };
}

t.test('a terminal sees how far a warm-up is, by bytes where they are known', async (t) => {
  const { stream, text } = terminal(true);
  const bar = createWarmBar(stream);
  bar.show({ ...RUNNING, bytes: 3 * 2 ** 20, bytesDone: 2 ** 20 });
  bar.close();
  t.match(text(), /\[#+-+\] 33% 1\/4 objects 1\.0 MiB running/);
});

t.test('objects count where no byte is known, and what failed counts as gone through', async (t) => {
  const { stream, text } = terminal(true);
  const bar = createWarmBar(stream);
  bar.show({ ...RUNNING, objectsFailed: 1, bytes: 0, bytesDone: 0 });
  bar.close();
  t.match(text(), /50% 1\/4 objects 0 B running/);
});

t.test('nothing is shown where there is no terminal', async (t) => {
  const { stream, text } = terminal(false);
  const bar = createWarmBar(stream);
  bar.show({ ...RUNNING, bytes: 10, bytesDone: 5 });
  bar.close();
  t.equal(text(), '');
});
