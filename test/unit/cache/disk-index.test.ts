import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type DiskEntry, DiskIndex, spaceOf } from '../../../src/cache/disk/entry-index.ts';
import { createJournal, loadJournal } from '../../../src/cache/disk/journal.ts';
import { type ObjectName, objectId } from '../../../src/cache/identity.ts';
import { generator } from '../../support/cache-history.ts';
import { diskFolder } from '../../support/disk-folder.ts';

const LARGE = 5 * 2 ** 20;

function entryOf(seed: number, more: Partial<DiskEntry> = {}): DiskEntry {
  const name: ObjectName = {
    storage: `storage-${seed % 3}`,
    place: 'https://vendor.example',
    bucket: seed % 2 === 0 ? 'even' : 'ödd',
    key: `${'prefix/'.repeat(seed % 7)}é ${seed}`,
  };
  const id = objectId(name);
  return {
    id,
    name,
    file: id.slice(0, 24),
    etag: `${id}-${seed % 5}`,
    size: seed % 4 === 0 ? LARGE + seed : seed,
    lastModified: 1.7e12 + seed * 1000,
    validatedAt: 1.75e12 + seed,
    isConfirmed: true,
    storedAt: 1.76e12 + seed,
    ...more,
  };
}

/** The same as the index, in the simplest way. */
function createModel() {
  const entries = new Map<string, DiskEntry>();
  return {
    entries,
    order: () => {
      const all = [...entries.values()];
      return [...all.filter(({ size }) => size < LARGE), ...all.filter(({ size }) => size >= LARGE)].map(
        ({ id }) => id,
      );
    },
    use: (id: string) => {
      const entry = entries.get(id);
      if (entry !== undefined && entries.delete(id)) entries.set(id, entry);
    },
  };
}

function compare(t: Test, index: DiskIndex, model: ReturnType<typeof createModel>): void {
  t.equal(index.count, model.entries.size);
  t.strictSame(
    [...index.inOrder()].map((number) => index.entry(number).id),
    model.order(),
    'the order of last use',
  );
  for (const entry of model.entries.values()) {
    const number = index.find(entry.id);
    t.strictSame(number !== undefined && index.entry(number), entry);
  }
  const bytes = [...model.entries.values()].reduce((sum, { size }) => sum + spaceOf(size), 0);
  t.equal(index.bytes, bytes);
  t.equal([...index.numbers()].length, model.entries.size);
}

t.test('entries that come, go and are used at random are what they should be', async (t) => {
  const index = new DiskIndex();
  const model = createModel();
  const random = generator(11);
  for (let step = 0; step < 60_000; step++) {
    const entry = entryOf(Math.floor(random() * 4000));
    const number = index.find(entry.id);
    if ((number !== undefined) !== model.entries.has(entry.id)) t.fail(`step ${step}: ${entry.name.key}`);
    if (number === undefined) {
      index.add(entry, step);
      model.entries.set(entry.id, entry);
    } else if (random() < 0.5) {
      index.remove(number);
      model.entries.delete(entry.id);
    } else {
      index.use(number, step);
      model.use(entry.id);
    }
    // Nearly all go at times, so that memory becomes mostly holes.
    if (step % 20_000 === 19_999) {
      for (const { id } of [...model.entries.values()].slice(50)) {
        const gone = index.find(id);
        if (gone !== undefined) index.remove(gone);
        model.entries.delete(id);
      }
    }
  }
  compare(t, index, model);
});

t.test('doubts and confirmations concern whom they should', async (t) => {
  const index = new DiskIndex();
  for (let seed = 0; seed < 100; seed++) index.add(entryOf(seed), 0);
  index.doubtAll('https://vendor.example', 'even');
  const confirmed = () => [...index.numbers()].filter((number) => index.entry(number).isConfirmed).length;
  t.equal(confirmed(), 50);
  index.doubt(index.find(entryOf(1).id) ?? -1);
  index.confirm(index.find(entryOf(2).id) ?? -1, 1.8e12);
  t.equal(confirmed(), 50);
  t.equal(index.entry(index.find(entryOf(2).id) ?? -1).validatedAt, 1.8e12);
});

t.test('a journal gives back what was written into it, also while it was written anew', async (t) => {
  const path = join(diskFolder(t), 'index');
  const index = new DiskIndex();
  const model = createModel();
  const random = generator(5);
  const journal = createJournal({ path, index, onError: (error) => t.fail(String(error)) });
  let anew = Promise.resolve();
  for (let step = 0; step < 20_000; step++) {
    const entry = entryOf(Math.floor(random() * 3000));
    const number = index.find(entry.id);
    if (number === undefined) {
      journal.put(index.add(entry, step));
      model.entries.set(entry.id, entry);
    } else if (random() < 0.4) {
      journal.drop(number);
      index.remove(number);
      model.entries.delete(entry.id);
    } else {
      index.use(number, step);
      model.use(entry.id);
      journal.touch(number);
    }
    if (step % 7000 === 6999) anew = journal.compact();
    if (step % 100 === 99) await new Promise(setImmediate);
  }
  await anew;
  await journal.flush();
  t.ok(journal.isWhole);
  const read = new DiskIndex();
  const now = 1.8e12;
  const records = (await loadJournal(path, read, { isTrusted: true, now })) ?? 0;
  t.ok(records > 1000, `${records} records`);
  for (const [id, entry] of model.entries) model.entries.set(id, { ...entry, storedAt: now });
  t.equal(read.count, model.entries.size);
  for (const entry of model.entries.values()) {
    t.strictSame(read.entry(read.find(entry.id) ?? -1), entry);
  }
  // Nothing was used between the last time it was written anew and the end without a record of it.
  t.strictSame(
    [...read.inOrder()].map((number) => read.entry(number).id),
    model.order(),
  );
  const doubted = new DiskIndex();
  await loadJournal(path, doubted, { isTrusted: false, now });
  t.notOk([...doubted.numbers()].some((number) => doubted.entry(number).isConfirmed));
});

t.test('R42 a journal that was torn, damaged or replaced is read up to there, and never beyond', async (t) => {
  const path = join(diskFolder(t), 'index');
  const index = new DiskIndex();
  const journal = createJournal({ path, index, onError: (error) => t.fail(String(error)) });
  for (let seed = 0; seed < 2000; seed++) journal.put(index.add(entryOf(seed), 0));
  await journal.flush();
  const whole = await readFile(path);
  const load = async (): Promise<DiskIndex> => {
    const read = new DiskIndex();
    await loadJournal(path, read, { isTrusted: true, now: 0 });
    return read;
  };
  t.equal((await load()).count, 2000);
  const random = generator(9);
  for (let round = 0; round < 30; round++) {
    await writeFile(path, whole);
    const at = Math.floor(random() * whole.length);
    if (round % 2 === 0) await truncate(path, at);
    else
      await writeFile(
        path,
        Buffer.concat([whole.subarray(0, at), Buffer.of((whole[at] ?? 0) ^ 4), whole.subarray(at + 1)]),
      );
    const read = await load();
    t.ok(read.count < 2000);
    for (const number of read.numbers()) {
      const entry = read.entry(number);
      const own = index.find(entry.id);
      if (own === undefined || index.entry(own).etag !== entry.etag) t.fail(`round ${round}: ${entry.name.key}`);
    }
  }
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(1000), Buffer.alloc(1000, 'garbage'), Buffer.alloc(20, 0xff)]) {
    await writeFile(path, bytes);
    t.equal((await load()).count, 0);
  }
  t.equal(await loadJournal(`${path}-absent`, new DiskIndex(), { isTrusted: true, now: 0 }), undefined);
});
