import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { spaceOf } from '../../../src/cache/disk/entry-index.ts';
import { TAIL_BYTES } from '../../../src/cache/disk/file.ts';
import type { CacheRule } from '../../../src/cache/rules.ts';
import { checkHistory } from '../../support/cache-history.ts';
import { cached } from '../../support/cached.ts';
import { damageDisk, filesOf } from '../../support/disk-damage.ts';
import { diskFolder } from '../../support/disk-folder.ts';
import { layeredDoors, PREFIX } from '../../support/history-doors.ts';

// All courses together; 100000 for the long run. A failure prints the seed, which makes about the same run again.
const isLong = process.env.SLUICE_HISTORY_OPERATIONS !== undefined;
const ALL_OPERATIONS = Number(process.env.SLUICE_HISTORY_OPERATIONS ?? 1500);
const SEED = Number(process.env.SLUICE_HISTORY_SEED ?? 20_261_120);
t.setTimeout(isLong ? 7_200_000 : 120_000);

interface Course {
  readonly rule: Omit<CacheRule, 'match'>;
  /** Whether others write as well, behind the cache's back. */
  readonly isShared: boolean;
  readonly hasOutages?: boolean;
  readonly isDamaged?: boolean;
  readonly hasLarge?: boolean;
}

/** Nobody may see anything but the truth, and stale answers where the line is down, never older than what was seen before. */
const COURSES: Readonly<Record<string, Course>> = {
  revalidate: { rule: { mode: 'revalidate', staleIfError: 0 }, isShared: true },
  'revalidate, with objects in parallel stretches': {
    rule: { mode: 'revalidate', staleIfError: 0 },
    isShared: true,
    hasLarge: true,
  },
  'revalidate, the line going down and the disk losing files': {
    rule: { mode: 'revalidate' },
    isShared: true,
    hasOutages: true,
    isDamaged: true,
  },
  'immutable, the line going down': { rule: { mode: 'immutable' }, isShared: false, hasOutages: true },
  'exclusive, the disk losing files': { rule: { mode: 'exclusive' }, isShared: false, isDamaged: true },
  'ttl, the line going down': { rule: { mode: 'ttl', maxAge: 60_000 }, isShared: false, hasOutages: true },
};

const OPERATIONS = Math.ceil(ALL_OPERATIONS / Object.keys(COURSES).length);

for (const [name, course] of Object.entries(COURSES)) {
  const { rule, isShared, hasOutages = false, isDamaged = false, hasLarge = false } = course;
  t.test(`${name}: no answer to ${OPERATIONS} random operations is false`, async (t) => {
    if (isLong) t.setTimeout(7_200_000);
    const folder = diskFolder(t);
    const disk = { path: `${folder}/cache`, size: hasLarge ? 160_000_000 : 8_000_000, minFree: 0 };
    const opened = await cached(t, { rules: [{ match: '**', ...rule }], disk, memory: 2_000_000 });
    const { vendor, cache, clock } = opened;
    const files = openFiles();
    const keys = Array.from({ length: 6 }, (_, index) => `${PREFIX}key-${index}`);
    const large = `${PREFIX}large`;
    const result = await checkHistory({
      doors: layeredDoors(opened),
      vendor,
      operations: OPERATIONS,
      seed: SEED,
      keys,
      shared: isShared ? [...keys, large] : [],
      ...(hasLarge && { large }),
      faults: {
        // As long as it takes until the cache tries again.
        ...(hasOutages && {
          onReturn: () => {
            clock.ahead += 1_100;
          },
        }),
        ...(isDamaged && { onDisk: (random) => damageDisk(disk.path, random) }),
      },
    });
    t.comment(JSON.stringify(result.results));
    t.strictSame(result.wrong.slice(0, 5), [], `seed ${SEED}`);
    const fromHere = Object.entries(result.results)
      .filter(([name]) => /^GET 20[06] (hit|revalidated|stale)/.test(name))
      .reduce((sum, [, count]) => sum + count, 0);
    t.ok(fromHere > result.reads / 20, 'some came from the cache');
    t.ok(result.broken <= 4 + result.reads * (hasOutages ? 0.05 : 0.005), `${result.broken} bodies broke off`);
    t.ok(result.refused <= 4 + result.reads * (hasOutages ? 0.25 : 0.03), `${result.refused} reads were refused`);
    await cache.idle();
    if (isDamaged) return;
    // Small objects are written, and files unlinked, behind everybody's back; parts of uploads would stay.
    const isRight = (): boolean => {
      const sizes = filesOf(disk.path).map(sizeIn);
      const { count, bytes } = cache.usage().disk ?? {};
      return count === sizes.length && bytes === sizes.reduce((sum, size) => sum + spaceOf(size), 0);
    };
    while (!isRight()) await new Promise((resolve) => setTimeout(resolve, 20));
    t.pass('what is counted is what lies there');
    t.ok(openFiles() <= files + 2, `${openFiles()} files are open, of ${files} before`);
  });
}

/** The object's size, as its file's tail says; that of an unfinished one counts as nothing. */
function sizeIn(path: string): number {
  const tail = readFileSync(path).subarray(-TAIL_BYTES);
  return tail.length < TAIL_BYTES ? 0 : Number(tail.readBigUInt64LE(8));
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}
