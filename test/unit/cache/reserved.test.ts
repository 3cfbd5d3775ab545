import t from 'tap';
import { spaceOf } from '../../../src/cache/disk/entry-index.ts';
import { cached } from '../../support/cached.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { generatedBytes } from '../../support/generated.ts';
import { s3Request } from '../../support/s3-request.ts';

t.test('what was kept counts once, however long a slow reader follows it', async (t) => {
  const size = 4_000_000;
  const disk = { path: diskFolder(t), size: 6 * size, minFree: 0 };
  const { vendor, handler, cache } = await cached(t, { disk, memory: 1000 });
  vendor.put('key', generatedBytes(size, 1));
  const { body } = await handler(s3Request({ method: 'GET', bucket: 'bucket', key: 'key' }));
  await cache.idle();
  t.equal(cache.stats().counters.fillsKept, 1);
  t.equal(cache.usage().disk?.bytes, spaceOf(size), 'while a reader has its file open');
  if (body !== null && 'destroy' in body) body.destroy();
  await cache.idle();
  t.equal(cache.usage().disk?.bytes, spaceOf(size), 'and afterwards');
});
