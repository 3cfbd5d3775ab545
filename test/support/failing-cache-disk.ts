/**
 * Run as a process of its own, with a folder for a cache and what goes wrong there: reads through the cache while its disk
 * is full, read-only or takes no large files, or no file can be opened, and prints what happened, as JSON.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cached, send } from './cached.ts';
import { generatedBytes } from './generated.ts';

const [folder = '', trouble = 'full'] = process.argv.slice(2);
const LARGE = 1_200_000;
/** Longer than the disk is left alone after a failure. */
const ASIDE_MS = 6_000;
const closers: (() => Promise<void>)[] = [];
const test = { teardown: (work: () => Promise<void>) => void closers.push(work) };
const disk = { path: join(folder, 'cache'), size: 2 ** 30, minFree: 0 };
const { vendor, handler, cache, clock } = await cached(test, { disk, memory: 1000 });

/** Reads an object and says how it was answered; `WRONG` when it has other bytes than the vendor's. */
async function read(key: string): Promise<string> {
  const answer = await send(handler, { key });
  await cache.idle();
  const isRight = answer.status === 200 && vendor.get(key)?.bytes.equals(answer.bytes) === true;
  return isRight ? (answer.result ?? '') : `WRONG ${answer.status} ${answer.code}`;
}

async function readAll(prefix: string, count: number, size = LARGE): Promise<string[]> {
  const results: string[] = [];
  for (let index = 0; index < count; index++) {
    vendor.put(`${prefix}-${index}`, generatedBytes(size, index));
    results.push(await read(`${prefix}-${index}`));
  }
  return results;
}

const taken: number[] = [];
const ballast = join(folder, 'ballast');
const TROUBLES: Readonly<Record<string, { readonly begin: () => unknown; readonly end: () => unknown }>> = {
  full: {
    begin: () => {
      try {
        writeFileSync(ballast, Buffer.alloc(2 ** 25));
      } catch {
        // It took what there was.
      }
    },
    end: () => unlinkSync(ballast),
  },
  'read-only': { begin: () => remount('ro'), end: () => remount('rw') },
  descriptors: {
    begin: async () => {
      // What was opened before, such as the journal, is closed behind everybody's back, and would leave one.
      for (let quiet = 0; quiet < 5; await delay(20)) quiet = takeAll() === 0 ? quiet + 1 : 0;
    },
    end: () => {
      for (const descriptor of taken) closeSync(descriptor);
    },
  },
  // A limit of the process: it is there from the start, for files larger than the others.
  'file-size': { begin: () => undefined, end: () => undefined },
};
const { begin, end } = TROUBLES[trouble] ?? { begin: () => undefined, end: () => undefined };

await readAll('before', 2);
const known = await read('before-0');
await begin();
const during = await readAll('during', 3, 3 * LARGE);
const knownDuring = await read('before-1');
const errors = cache.stats().counters.diskErrors;
await end();
const stillAside = await readAll('aside', 1);
const keptAside = await read('aside-0');
clock.ahead += ASIDE_MS;
const after = await readAll('after', 2);
const sent = vendor.bytesSent();
const again = [await read('after-0'), await read('after-1')];
const isFromCache = vendor.bytesSent() === sent;
const knownAfter = await read('before-1');
for (const close of closers) await close();
const restarted = await cached({ teardown: () => undefined }, { disk, memory: 1000, vendor });
const count = [...restarted.cache.store.entries()].length;
const answer = await send(restarted.handler, { key: 'after-1' });
const survived = answer.bytes.equals(generatedBytes(LARGE, 1)) ? answer.result : 'WRONG';
await restarted.cache.close();

console.log(
  JSON.stringify({
    known,
    during,
    knownDuring,
    hasErrors: errors > 0,
    stillAside,
    keptAside,
    after,
    again,
    isFromCache,
    knownAfter,
    count,
    survived,
  }),
);

/** Takes all descriptors that are left, and gives how many there were. */
function takeAll(): number {
  const before = taken.length;
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    return taken.length - before;
  }
}

/** Tried again while a file is open for writing: the journal is written behind everybody's back. */
async function remount(mode: 'ro' | 'rw'): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { status, stderr } = spawnSync('mount', ['-o', `remount,${mode}`, folder], { encoding: 'utf8' });
    if (status === 0) return;
    if (tries === 100) throw new Error(stderr);
    await delay(20);
  }
}
