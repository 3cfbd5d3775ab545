import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import t from 'tap';
import { serve } from '../../../../src/store/serve.ts';
import { dataFiles, openTestStore, temporaryFolder } from '../../../support/filesystem-store.ts';
import { generatedBytes } from '../../../support/generated.ts';
import { bytesOf, s3Request } from '../../../support/s3-request.ts';

interface Acknowledged {
  readonly key: string;
  readonly size: number;
  readonly seed: number;
}

const WRITER = new URL('../../../support/store-writer.ts', import.meta.url).pathname;

t.test(
  'Z07 killed in the middle of writing, the store holds what it acknowledged, whole, and no more files',
  async (t) => {
    const path = temporaryFolder(t);
    const acknowledged = new Map<string, Acknowledged>();
    let total = 0;
    for (let round = 1; round <= 4; round++) {
      // Killed after another number of writes each time, hence at other places.
      for (const entry of await writeAndKill(path, round, 25 + round * 17)) {
        acknowledged.set(entry.key, entry);
        total++;
      }
    }
    t.ok(total > 200, `${total} writes were acknowledged`);
    const { store, close } = await openTestStore(t, path);
    const handler = serve(store);
    const listed = await store.listObjects({ bucket: 'b', prefix: '', delimiter: '', after: '', limit: 100_000 });
    let inFiles = 0;
    for (const { key, size, etag } of listed.objects) {
      const bytes = await bytesOf(await handler(s3Request({ method: 'GET', bucket: 'b', key })));
      t.equal(bytes.byteLength, size, key);
      if (createHash('md5').update(bytes).digest('hex') !== etag) t.fail(`${key} is not what its ETag says`);
      if (size > 32 * 1024) inFiles++;
      const expected = acknowledged.get(key);
      // A key written again may hold a later write whose acknowledgement was cut off.
      if (key.startsWith('once/') && expected !== undefined)
        t.ok(bytes.equals(generatedBytes(size, expected.seed)), key);
    }
    const keys = new Set(listed.objects.map(({ key }) => key));
    t.same(
      [...acknowledged.keys()].filter((key) => !keys.has(key)),
      [],
      'nothing acknowledged is missing',
    );
    await close();
    // `close` waits for the sweep, but may cut it short: a start that is given the time sweeps all.
    const again = await openTestStore(t, path);
    const deadline = Date.now() + 10_000;
    while (dataFiles(path).length > inFiles && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
    t.equal(dataFiles(path).length, inFiles, 'one file for each object that has one');
    await again.close();
  },
);

/** Lets a process write until it has acknowledged `count` objects, then kills it as hard as can be. */
async function writeAndKill(path: string, round: number, count: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [WRITER, path, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const entries: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    // The writer prints nothing else.
    entries.push(JSON.parse(line) as Acknowledged);
    if (entries.length === count) child.kill('SIGKILL');
  }
  return entries;
}
