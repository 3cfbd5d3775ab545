import t from 'tap';
import { checkHistory, HISTORY_RULES } from '../../support/cache-history.ts';
import { cached } from '../../support/cached.ts';
import { diskFolder } from '../../support/disk-folder.ts';

// Set it to 100000 for the long run; a failure prints the seed, which makes the same run again.
if (process.env.SLUICE_HISTORY_OPERATIONS !== undefined) t.setTimeout(3_600_000);
const OPERATIONS = Number(process.env.SLUICE_HISTORY_OPERATIONS ?? 500);
const SEED = Number(process.env.SLUICE_HISTORY_SEED ?? 20_261_120);

for (const [name, { rules, isShared }] of Object.entries(HISTORY_RULES)) {
  t.test(`${name}: no read of ${OPERATIONS} random operations shows what the storage did not hold`, async (t) => {
    if (process.env.SLUICE_HISTORY_OPERATIONS !== undefined) t.setTimeout(3_600_000);
    const disk = { path: diskFolder(t), size: 4_000_000, minFree: 0 };
    const { vendor, handler, cache } = await cached(t, { rules, disk, memory: 2_000_000 });
    const result = await checkHistory({ handler, vendor, operations: OPERATIONS, seed: SEED, isShared });
    t.strictSame(result.wrong.slice(0, 5), [], `seed ${SEED}`);
    t.ok(
      (result.results['GET hit'] ?? 0) + (result.results['GET revalidated'] ?? 0) > result.reads / 20,
      'some came from the cache',
    );
    t.equal(result.broken, 0, 'bodies that broke off');
    t.comment(JSON.stringify(result.results));
    await cache.idle();
  });
}
