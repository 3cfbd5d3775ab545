import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { type DiskEntry, DiskIndex } from '../../../src/cache/disk/entry-index.ts';
import { encodeTrailer } from '../../../src/cache/disk/file.ts';
import { type DiskFolder, openDiskFolder } from '../../../src/cache/disk/folder.ts';
import { type RepairOptions, repairIndex } from '../../../src/cache/disk/repair.ts';
import { objectId, versionId } from '../../../src/cache/identity.ts';
import { filesOf } from '../../support/disk-damage.ts';
import { diskFolder } from '../../support/disk-folder.ts';

/** A folder with whole files that no index knows of, and what going through it finds. */
async function orphans(t: Test, keys: readonly string[]) {
  const path = diskFolder(t);
  const folder = await openDiskFolder(path, (error) => t.fail(String(error)));
  t.teardown(() => folder.close(false));
  const files = keys.map((key, at) => plant(folder, key, at));
  const index = new DiskIndex();
  const errors: unknown[] = [];
  const options = (more: Partial<DiskFolder> = {}): RepairOptions => ({
    folder: { ...folder, ...more },
    index,
    signal: new AbortController().signal,
    retryMs: 1,
    onError: (error) => errors.push(error),
    onLost: async (number) => index.remove(number),
    onFound: (entry) => void index.add(entry, 0),
  });
  const found = () => [...index.numbers()].map((number) => index.entry(number).name.key).sort();
  return { path, folder, files, index, errors, options, found };
}

/** Writes the file of an object of no bytes. */
function plant(
  folder: DiskFolder,
  key: string,
  number: number,
): { readonly id: string; readonly file: string; readonly path: string } {
  const name = { storage: 'vendor', place: 'https://vendor.example', bucket: 'bucket', key };
  const description = { etag: '"e"', size: 0, lastModified: new Date(0), headers: new Map() };
  const [id, file] = [objectId(name), `${versionId('"e"', 0)}${String(number).padStart(8, '0')}`];
  const path = folder.pathOf(id, file);
  writeFileSync(path, encodeTrailer({ name, description, checksums: new Uint32Array(0) }));
  return { id, file, path };
}

t.test('R35 a file that goes while files are gone through is no failure of the disk', async (t) => {
  const { files, errors, options, found } = await orphans(t, ['a', 'b', 'c']);
  const gone = files[1];
  const { pathOf } = options().folder;
  const whole = await repairIndex(
    options({
      pathOf: (id, file) => {
        if (id === gone?.id) rmSync(gone.path, { force: true });
        return pathOf(id, file);
      },
    }),
  );
  t.ok(whole, 'all was gone through');
  t.strictSame(errors, []);
  t.strictSame(found(), ['a', 'c']);
});

t.test('R41 folders that are emptied by hand meanwhile hold nothing', async (t) => {
  const { files, errors, options, found } = await orphans(t, ['a', 'b']);
  rmSync(dirname(files[0]?.path ?? ''), { recursive: true });
  t.ok(await repairIndex(options()));
  t.strictSame(errors, []);
  t.strictSame(found(), ['b']);
});

t.test('K24 what is no file of the cache goes, whatever it is called, and nothing else', async (t) => {
  const { path, folder, files, errors, options, found } = await orphans(t, ['a', 'moved']);
  const [a, moved] = files;
  const ab = folder.shard('ab');
  const outside = join(diskFolder(t), 'outside');
  writeFileSync(outside, 'not ours');
  writeFileSync(join(ab, 'noname'), 'x');
  writeFileSync(join(ab, `${a?.id}-${a?.file}-more`), 'x');
  writeFileSync(join(ab, '-'), 'x');
  symlinkSync(outside, join(ab, `ab${'0'.repeat(30)}-${'1'.repeat(24)}`));
  mkdirSync(join(ab, `ab${'0'.repeat(30)}-${'2'.repeat(24)}`, 'inside'), { recursive: true });
  renameSync(moved?.path ?? '', join(ab, `${moved?.id}-${moved?.file}`));
  t.ok(await repairIndex(options()));
  t.strictSame(errors, []);
  t.strictSame(found(), ['a']);
  t.strictSame(filesOf(path), [a?.path]);
  t.strictSame(readdirSync(ab), []);
  t.strictSame(readdirSync(dirname(outside)), ['outside']);
});

t.test('R41 what could not be looked at is looked at again, and no entry of it is taken for lost', async (t) => {
  const { files, folder, index, errors, options, found } = await orphans(t, ['a', 'b']);
  const [a] = files;
  const known: DiskEntry[] = [];
  await repairIndex({ ...options(), onFound: (entry) => known.push(entry) });
  for (const entry of known) {
    index.placeNumber(entry.name);
    index.addImage(...imageOf(entry), 0);
  }
  let failures = 2;
  const whole = await repairIndex(
    options({
      shard: (digits) => {
        if (digits === a?.id.slice(0, 2) && failures-- > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        return folder.shard(digits);
      },
    }),
  );
  t.ok(whole);
  t.equal(errors.length, 2);
  t.strictSame(found(), ['a', 'b']);
});

/** An entry as a journal gives it: nobody has seen its file yet. */
function imageOf(entry: DiskEntry): [Buffer, number, number] {
  const other = new DiskIndex();
  const bytes = Buffer.alloc(4096);
  return [bytes, 0, other.copyImage(other.add(entry, 0), bytes, 0)];
}

t.test('closing ends it while it waits', async (t) => {
  const closing = new AbortController();
  const { errors, options } = await orphans(t, ['a']);
  const whole = await repairIndex({
    ...options({
      shard: () => {
        throw new Error('EIO');
      },
    }),
    retryMs: 3_600_000,
    signal: closing.signal,
    onError: (error) => {
      errors.push(error);
      setImmediate(() => closing.abort());
    },
  });
  t.notOk(whole);
  t.equal(errors.length, 1, 'a disk that refuses everything is told of once');
});

t.test('a file that has its place and not yet its entry is left alone', async (t) => {
  const { path, folder, files, errors, options, found } = await orphans(t, ['a', 'b']);
  folder.arriving.add(files[0]?.file ?? '');
  t.ok(await repairIndex(options()));
  t.strictSame(errors, []);
  t.strictSame(found(), ['b']);
  t.equal(filesOf(path).length, 2);
});
