import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { openFilesystemStore } from '../../../../src/store/filesystem/store.ts';
import { serve } from '../../../../src/store/serve.ts';
import { dataFiles, openTestStore, temporaryFolder } from '../../../support/filesystem-store.ts';
import { generatedBytes } from '../../../support/generated.ts';
import { bytesOf, s3Request } from '../../../support/s3-request.ts';

const options = { now: () => new Date() };
const body = generatedBytes(700_000, 1);

t.test('K22 the folder and all in it are the owner’s alone, whatever the umask', async (t) => {
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const path = join(temporaryFolder(t), 'data');
  const { store } = await openTestStore(t, path);
  await store.createBucket('bkt');
  await serve(store)(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body }));
  t.equal(statSync(path).mode & 0o777, 0o700);
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(join(path, name));
    t.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, name);
  }
});

t.test('Z02 K23 links in place of our folders and files are refused', async (t) => {
  const outside = temporaryFolder(t);
  const objects = temporaryFolder(t);
  symlinkSync(outside, join(objects, 'objects-v1'));
  await t.rejects(openFilesystemStore({ ...options, path: objects }), { message: /not a link/ });
  const shard = temporaryFolder(t);
  mkdirSync(join(shard, 'objects-v1'));
  symlinkSync(outside, join(shard, 'objects-v1', '7f'));
  await t.rejects(openFilesystemStore({ ...options, path: shard }), { message: /not a link/ });
  const index = temporaryFolder(t);
  symlinkSync(join(outside, 'x'), join(index, 'index-v1.sqlite'));
  await t.rejects(openFilesystemStore({ ...options, path: index }), { message: /must be a file, and not a link/ });
  t.same(readdirSync(outside), []);
});

t.test(
  'K22 another user’s folder is refused',
  { skip: process.getuid?.() !== 0 && 'only root can give it away' },
  async (t) => {
    const path = temporaryFolder(t);
    mkdirSync(join(path, 'objects-v1'));
    chownSync(join(path, 'objects-v1'), 12345, 12345);
    await t.rejects(openFilesystemStore({ ...options, path }), { message: /belongs to user 12345/ });
  },
);

t.test('bytes that nothing names any more are unlinked, those that a copy names are not', async (t) => {
  const { store, path } = await openTestStore(t);
  const handler = serve(store);
  await store.createBucket('bkt');
  const put = (key: string) => handler(s3Request({ method: 'PUT', bucket: 'bkt', key, body }));
  const remove = (key: string) => handler(s3Request({ method: 'DELETE', bucket: 'bkt', key }));
  await put('a');
  await put('a');
  await handler(s3Request({ method: 'PUT', bucket: 'bkt', key: 'c', headers: { 'x-amz-copy-source': 'bkt/a' } }));
  await filesBecome(path, 1);
  await remove('a');
  t.ok((await bytesOf(await handler(s3Request({ method: 'GET', bucket: 'bkt', key: 'c' })))).equals(body));
  t.equal(dataFiles(path).length, 1);
  await remove('c');
  await filesBecome(path, 0);
});

t.test('a reader keeps its bytes while the object is replaced and removed', async (t) => {
  const { store, path } = await openTestStore(t);
  const handler = serve(store);
  await store.createBucket('bkt');
  await handler(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body }));
  const reading = await handler(s3Request({ method: 'GET', bucket: 'bkt', key: 'k' }));
  await handler(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body: 'new' }));
  await handler(s3Request({ method: 'DELETE', bucket: 'bkt', key: 'k' }));
  t.ok((await bytesOf(reading)).equals(body));
  await filesBecome(path, 0);
});

t.test('a reader who leaves early lets go of its file', async (t) => {
  const { store, path } = await openTestStore(t);
  const handler = serve(store);
  await store.createBucket('bkt');
  await handler(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body }));
  const reading = await handler(s3Request({ method: 'GET', bucket: 'bkt', key: 'k' }));
  await handler(s3Request({ method: 'DELETE', bucket: 'bkt', key: 'k' }));
  t.equal(dataFiles(path).length, 1);
  if (reading.body instanceof Readable) reading.body.destroy();
  await filesBecome(path, 0);
});

t.test('a data file that is cut or gone is an error, never a short answer', async (t) => {
  const { store, path } = await openTestStore(t);
  const handler = serve(store);
  await store.createBucket('bkt');
  await handler(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body }));
  const [file = ''] = dataFiles(path);
  const get = () => handler(s3Request({ method: 'GET', bucket: 'bkt', key: 'k' }));
  const reading = await get();
  truncateSync(file, 300_000);
  await t.rejects(bytesOf(reading), { message: /ends at 300000, before 700000/ }, 'cut while it is read');
  await t.rejects(get(), { message: /has 300000 bytes instead of 700000/ }, 'cut before');
  unlinkSync(file);
  await t.rejects(get(), { code: 'ENOENT' });
});

t.test('the sweep removes what nothing names and was made before, and nothing else', async (t) => {
  const path = temporaryFolder(t);
  const first = await openTestStore(t, path);
  await first.store.createBucket('bkt');
  await serve(first.store)(s3Request({ method: 'PUT', bucket: 'bkt', key: 'k', body }));
  await first.close();
  const [named = ''] = dataFiles(path);
  const shard = join(path, 'objects-v1', '00');
  mkdirSync(shard, { recursive: true });
  const orphan = join(shard, `1-${'0'.repeat(32)}`);
  const later = join(shard, `zz-${'0'.repeat(32)}`);
  const foreign = join(shard, 'README');
  for (const file of [orphan, later, foreign]) writeFileSync(file, 'x');
  const second = await openTestStore(t, path);
  await until(() => !existsSync(orphan));
  await second.close();
  t.same([named, later, foreign].map(existsSync), [true, true, true]);
});

t.test(
  'a folder that cannot be written to is refused at start',
  { skip: process.getuid?.() === 0 && 'root may write anywhere' },
  async (t) => {
    const path = temporaryFolder(t);
    chmodSync(path, 0o500);
    await t.rejects(openFilesystemStore({ ...options, path }), { code: 'EACCES' });
    chmodSync(path, 0o700);
    rmSync(path, { recursive: true });
  },
);

/** Unlinking happens behind the answer. */
async function filesBecome(path: string, count: number): Promise<void> {
  await until(() => dataFiles(path).length === count);
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`still not so after 10 s: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
