import { constants } from 'node:fs';
import {
  access,
  chmod,
  cp,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { cached, send } from '../../support/cached.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { generatedBytes } from '../../support/generated.ts';

const LARGE = 1_200_000;
const size = 256 * 2 ** 20;

async function filesOf(path: string): Promise<string[]> {
  const names = await readdir(join(path, 'sluice-cache-v1', 'o'), { recursive: true, withFileTypes: true });
  return names.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

t.test('small and large objects come back after a restart, at the cost of one question', async (t) => {
  const disk = { path: diskFolder(t), size, minFree: 0 };
  const [small, large] = [generatedBytes(1000, 1), generatedBytes(LARGE, 2)];
  const first = await cached(t, { disk });
  first.vendor.put('small', small);
  first.vendor.put('large', large, { 'x-amz-meta-color': 'blue' });
  for (const key of ['small', 'large']) await send(first.handler, { key });
  await first.cache.close();
  const second = await cached(t, { disk, vendor: first.vendor });
  const sent = first.vendor.bytesSent();
  const read = await send(second.handler, { key: 'large' });
  t.equal(read.result, 'revalidated');
  t.equal(read.headers.get('x-amz-meta-color'), 'blue');
  t.ok(read.bytes.equals(large));
  t.ok((await send(second.handler, { key: 'small' })).bytes.equals(small));
  t.equal(first.vendor.bytesSent(), sent);
});

t.test('K22 folders are 0700 and files 0600, a folder open to others and a link are refused', async (t) => {
  const path = diskFolder(t);
  const { vendor, handler, cache } = await cached(t, { disk: { path, size, minFree: 0 } });
  vendor.put('key', generatedBytes(LARGE, 1));
  await send(handler, { key: 'key' });
  await cache.idle();
  const [file = ''] = await filesOf(path);
  t.equal((await lstat(file)).mode & 0o777, 0o600);
  t.equal((await lstat(join(path, 'sluice-cache-v1'))).mode & 0o777, 0o700);
  await cache.close();
  await chmod(join(path, 'sluice-cache-v1', 'o'), 0o755);
  await t.rejects(cached(t, { disk: { path, size, minFree: 0 } }), /seen by others/);
  const other = diskFolder(t);
  await mkdir(join(other, 'elsewhere'));
  await symlink(join(other, 'elsewhere'), join(other, 'sluice-cache-v1'));
  await t.rejects(cached(t, { disk: { path: other, size, minFree: 0 } }), /no folder of the cache/);
});

t.test('a second process may not use the same folder', async (t) => {
  const disk = { path: diskFolder(t), size, minFree: 0 };
  await cached(t, { disk });
  await t.rejects(cached(t, { disk }), /uses this cache/);
});

const DAMAGES: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  'K21 a flipped bit': async (file) => {
    const bytes = await readFile(file);
    bytes[LARGE - 10] = (bytes[LARGE - 10] ?? 0) ^ 1;
    await writeFile(file, bytes);
  },
  'R42 a truncated file': (file) => truncate(file, 1000),
  'R42 an empty file': (file) => truncate(file, 0),
  'R42 a removed file': (file) => rm(file),
  'R42 a file of zeros': async (file) => writeFile(file, Buffer.alloc((await lstat(file)).size)),
  'R42 garbage of the same length': async (file) => writeFile(file, generatedBytes((await lstat(file)).size, 9)),
  'R42 another object’s file': async (file) => {
    const others = (await readdir(join(file, '..', '..'), { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile() && !file.endsWith(entry.name),
    );
    const [other] = others;
    if (other === undefined) throw new Error('there is no other file');
    await writeFile(file, await readFile(join(other.parentPath, other.name)));
  },
  'K23 a link in its place': async (file) => {
    const bytes = await readFile(file);
    await rm(file);
    await writeFile(`${file}.elsewhere`, bytes);
    await symlink(`${file}.elsewhere`, file);
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  t.test(`${name} is found, and the client gets the right bytes all the same`, async (t) => {
    const path = diskFolder(t);
    const { vendor, handler, cache } = await cached(t, { disk: { path, size, minFree: 0 } });
    const bytes = generatedBytes(LARGE, 1);
    vendor.put('key', bytes);
    await send(handler, { key: 'key' });
    await cache.idle();
    const [file = ''] = await filesOf(path);
    vendor.put('other', generatedBytes(LARGE, 5));
    await send(handler, { key: 'other' });
    await cache.idle();
    await damage(file);
    const read = await send(handler, { key: 'key' });
    t.equal(read.status, 200);
    t.ok(read.bytes.equals(bytes));
    await cache.idle();
    t.equal(cache.stats().counters.damaged, 1);
    t.ok((await send(handler, { key: 'key' })).bytes.equals(bytes));
    await cache.idle();
    t.equal((await send(handler, { key: 'key' })).result, 'revalidated', 'it was fetched anew');
  });
}

t.test('R42 a file that was read and found right is checked again when it was touched', async (t) => {
  const path = diskFolder(t);
  const { vendor, handler, cache } = await cached(t, { disk: { path, size, minFree: 0 } });
  const bytes = generatedBytes(LARGE, 1);
  vendor.put('key', bytes);
  for (let round = 0; round < 3; round++) {
    t.ok((await send(handler, { key: 'key' })).bytes.equals(bytes));
    await cache.idle();
  }
  const [place = ''] = await filesOf(path);
  const file = await open(place, 'r+');
  await file.write(Buffer.of((bytes[LARGE - 10] ?? 0) ^ 1), 0, 1, LARGE - 10);
  await file.close();
  const ranges = { range: `bytes=${LARGE - 20}-${LARGE - 1}` };
  t.ok((await send(handler, { key: 'key', headers: ranges })).bytes.equals(bytes.subarray(LARGE - 20)));
  t.equal(cache.stats().counters.damaged, 1);
});

t.test('K24 after a crash all that was kept is asked about once, and sizes are right', async (t) => {
  const folder = diskFolder(t);
  const path = join(folder, 'running');
  const rules = [{ match: '**', mode: 'immutable' as const }];
  const disk = { path, size, minFree: 0 };
  const first = await cached(t, { disk, rules });
  for (const key of ['a', 'b', 'c']) {
    first.vendor.put(key, generatedBytes(LARGE, key.charCodeAt(0)));
    await send(first.handler, { key });
  }
  await first.cache.idle();
  t.equal((await send(first.handler, { key: 'a' })).result, 'hit');
  // As kill -9 leaves it: no mark of a proper end, a torn journal, an unfinished file.
  const crashed = join(folder, 'crashed');
  await cp(path, crashed, { recursive: true });
  const inside = join(crashed, 'sluice-cache-v1');
  await rm(join(inside, 'lock'));
  await truncate(join(inside, 'index'), ((await lstat(join(inside, 'index'))).size ?? 0) - 7);
  await writeFile(join(inside, 'tmp', 'unfinished'), 'x');
  const second = await cached(t, { disk: { ...disk, path: crashed }, rules, vendor: first.vendor });
  t.strictSame(await readdir(join(inside, 'tmp')), []);
  const sent = first.vendor.bytesSent();
  while ([...second.cache.store.entries()].length < 3) await new Promise(setImmediate);
  for (const key of ['a', 'b', 'c']) {
    t.equal((await send(second.handler, { key })).result, 'revalidated', key);
    t.equal((await send(second.handler, { key })).result, 'hit', key);
  }
  t.equal(first.vendor.bytesSent(), sent);
  const used = second.cache.usage().disk?.bytes ?? 0;
  t.ok(used >= 3 * LARGE && used < 3 * LARGE + 100_000, `${used} bytes`);
});

for (const [what, damage] of Object.entries({
  'closed well, but its journal is gone': async (inside: string) => rm(join(inside, 'index')),
  'killed, with a file lost, a strange one and a torn one': async (
    inside: string,
    [lost = '', torn = '']: string[],
  ) => {
    await rm(join(inside, 'closed'));
    await rm(lost);
    await truncate(torn, 5000);
    await writeFile(join(inside, 'o', 'ab', `ab${'0'.repeat(30)}-${'1'.repeat(24)}`), generatedBytes(5000, 1));
  },
})) {
  t.test(`K24 of a cache that was ${what}, index and files agree again`, async (t) => {
    const disk = { path: diskFolder(t), size, minFree: 0 };
    const first = await cached(t, { disk });
    const keys = ['a', 'b', 'c', 'd'];
    for (const key of keys) {
      first.vendor.put(key, generatedBytes(LARGE, key.charCodeAt(0)));
      await send(first.handler, { key });
    }
    await first.cache.close();
    await damage(join(disk.path, 'sluice-cache-v1'), (await filesOf(disk.path)).sort());
    // Broken off at once, the search for what is there goes on at the next start.
    await (await cached(t, { disk, vendor: first.vendor })).cache.close();
    const third = await cached(t, { disk, vendor: first.vendor });
    const namesOf = (files: string[]) => files.map((file) => basename(file).slice(0, 32)).sort();
    const idsHere = () => [...third.cache.store.entries()].map(({ id }) => id).sort();
    while (String(namesOf(await filesOf(disk.path))) !== String(idsHere())) await new Promise(setImmediate);
    const files = await filesOf(disk.path);
    t.ok(files.length >= 3);
    const used = third.cache.usage().disk?.bytes ?? 0;
    const space = files.length * LARGE;
    t.ok(used >= space && used < space + files.length * 10_000, `${used} bytes`);
    for (const key of keys)
      t.ok((await send(third.handler, { key })).bytes.equals(generatedBytes(LARGE, key.charCodeAt(0))));
  });
}

t.test('the least recently used go first, and the size holds', async (t) => {
  const path = diskFolder(t);
  const disk = { path, size: 8_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk });
  for (let index = 0; index < 12; index++) {
    const key = `key-${index}`;
    vendor.put(key, generatedBytes(LARGE, index));
    await send(handler, { key });
    await cache.idle();
    await send(handler, { key: 'key-0' });
  }
  const kept = [...cache.store.entries()].map(({ name }) => name.key).sort();
  t.strictSame(kept, ['key-0', 'key-10', 'key-11', 'key-7', 'key-8', 'key-9']);
  t.ok((cache.usage().disk?.bytes ?? 0) <= disk.size);
  t.equal(
    cache.stats().evictions.disk.counts.reduce((sum, count) => sum + count, 0),
    6,
  );
  await cache.close();
  t.equal((await filesOf(path)).length, 6);
});

t.test('small objects keep a part of the disk to themselves', async (t) => {
  const disk = { path: diskFolder(t), size: 40_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk });
  for (let index = 0; index < 20; index++) {
    vendor.put(`small-${index}`, generatedBytes(100_000, index));
    await send(handler, { key: `small-${index}` });
  }
  await cache.idle();
  for (let index = 0; index < 20; index++) {
    vendor.put(`large-${index}`, generatedBytes(5_000_000, index));
    await send(handler, { key: `large-${index}` });
    await cache.idle();
  }
  const small = [...cache.store.entries()].filter(({ name }) => name.key.startsWith('small'));
  t.equal(small.length, 20);
});

t.test('R41 a folder emptied by hand is no trouble', async (t) => {
  const path = diskFolder(t);
  const { vendor, handler, cache, clock } = await cached(t, { disk: { path, size, minFree: 0 } });
  vendor.put('key', generatedBytes(LARGE, 1));
  await send(handler, { key: 'key' });
  await cache.idle();
  await rm(join(path, 'sluice-cache-v1'), { recursive: true, maxRetries: 5 });
  clock.ahead = 6_000;
  for (let round = 0; round < 3; round++) {
    const read = await send(handler, { key: 'key' });
    t.equal(read.bytes.length, LARGE);
    await cache.idle();
  }
  t.equal((await send(handler, { key: 'key' })).result, 'revalidated');
  await t.resolves(access(join(path, 'sluice-cache-v1', 'o'), constants.R_OK));
});

t.test('other sizes count at once: what does not fit any more goes', async (t) => {
  const disk = { path: diskFolder(t), size: 8_000_000, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk, memory: 2_000_000 });
  for (let index = 0; index < 5; index++) {
    vendor.put(`large-${index}`, generatedBytes(LARGE, index));
    vendor.put(`small-${index}`, generatedBytes(200_000, index));
    for (const key of [`large-${index}`, `small-${index}`]) await send(handler, { key });
    await cache.idle();
  }
  t.ok(cache.adjust({ disk: { ...disk, size: 3_000_000 }, memory: 500_000, verify: 0 }));
  const { memory, disk: onDisk } = cache.usage();
  t.ok(memory.bytes <= memory.size && memory.size <= 500_000, `${memory.bytes} bytes in memory`);
  t.ok((onDisk?.bytes ?? 0) <= 3_000_000 && onDisk?.size === 3_000_000, `${onDisk?.bytes} bytes on disk`);
  t.ok(
    (await send(handler, { key: 'large-0' })).bytes.equals(generatedBytes(LARGE, 0)),
    'too large now, and passed by',
  );
  cache.adjust({ disk, memory: 2_000_000, verify: 0 });
  await send(handler, { key: 'large-1' });
  await cache.idle();
  t.equal((await send(handler, { key: 'large-1' })).result, 'revalidated', 'room again');
  t.notOk(cache.adjust({ disk: { ...disk, path: '/elsewhere' }, memory: 2_000_000, verify: 0 }));
});
