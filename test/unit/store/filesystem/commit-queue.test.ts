import { DatabaseSync } from 'node:sqlite';
import t, { type Test } from 'tap';
import { S3Error } from '../../../../src/s3/error.ts';
import { CommitQueue } from '../../../../src/store/filesystem/commit-queue.ts';

interface Fixture {
  readonly queue: CommitQueue;
  readonly insert: (n: number) => void;
  readonly rows: () => number[];
  readonly dead: string[];
  /** One entry for each sync that was asked for: calling it ends the sync. */
  readonly syncs: { readonly succeed: () => void; readonly fail: (error: Error) => void }[];
  /** Resolves when that many syncs have been asked for. */
  readonly syncAsked: (count: number) => Promise<void>;
}

function fixture(t: Test): Fixture {
  const db = new DatabaseSync(':memory:');
  t.teardown(() => db.close());
  db.exec('CREATE TABLE numbers (n INTEGER PRIMARY KEY)');
  const insert = db.prepare('INSERT INTO numbers VALUES (?)');
  const select = db.prepare('SELECT n FROM numbers ORDER BY n');
  const dead: string[] = [];
  const syncs: Fixture['syncs'] = [];
  let onSync: (() => void) | undefined;
  const queue = new CommitQueue(db, {
    sync: () =>
      new Promise((succeed, fail) => {
        syncs.push({ succeed, fail });
        onSync?.();
      }),
    onCommit: () => undefined,
    onDead: (names) => dead.push(...names),
  });
  return {
    queue,
    insert: (n) => void insert.run(n),
    rows: () => select.all().map((row) => Number(row.n)),
    dead,
    syncs,
    syncAsked: (count) =>
      new Promise((resolve) => {
        onSync = () => {
          if (syncs.length >= count) resolve();
        };
        onSync();
      }),
  };
}

t.test('one that throws undoes itself and nothing of the others', async (t) => {
  const { queue, insert, rows, dead, syncs, syncAsked } = fixture(t);
  const all = Promise.allSettled([
    queue.run(() => insert(1)),
    queue.run((effects) => {
      effects.deadFiles.push('not this one');
      insert(2);
      throw new S3Error('PreconditionFailed');
    }),
    queue.run((effects) => {
      effects.deadFiles.push('this one');
      insert(3);
      return 'three';
    }),
    queue.run(() => insert(3)),
  ]);
  await syncAsked(1);
  t.same(dead, [], 'files live until the commit is durable');
  syncs[0]?.succeed();
  const results = await all;
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
  );
  t.match(results[1], { reason: { code: 'PreconditionFailed' } });
  t.match(results[2], { value: 'three' });
  t.same([rows(), dead], [[1, 3], ['this one']]);
});

t.test(
  'nobody is told before the sync has ended, and one sync serves all that committed before it began',
  async (t) => {
    const { queue, insert, rows, syncs, syncAsked } = fixture(t);
    const told: number[] = [];
    const run = (n: number): Promise<void> => queue.run(() => insert(n)).then(() => void told.push(n));
    const first = [run(1), run(2)];
    await syncAsked(1);
    const second = [run(3), run(4)];
    const third = new Promise<void>((resolve) => setImmediate(() => resolve(run(5))));
    await new Promise((resolve) => setTimeout(resolve, 20));
    t.same(rows(), [1, 2, 3, 4, 5], 'committed while the first sync runs');
    t.same(told, []);
    syncs[0]?.succeed();
    await Promise.all(first);
    t.same(told, [1, 2]);
    await syncAsked(2);
    syncs[1]?.succeed();
    await Promise.all([...second, third]);
    t.equal(syncs.length, 2);
  },
);

t.test('a failed sync fails those who wait for it, and not the next', async (t) => {
  const { queue, insert, syncs, syncAsked } = fixture(t);
  const first = queue.run(() => insert(1));
  await syncAsked(1);
  const second = queue.run(() => insert(2));
  syncs[0]?.fail(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  await t.rejects(first, { code: 'ServiceUnavailable' });
  await syncAsked(2);
  syncs[1]?.succeed();
  await second;
});

t.test('when the database itself fails, all of the transaction fail, and it goes on afterwards', async (t) => {
  const { queue, insert, rows, syncs, syncAsked } = fixture(t);
  const full = Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
  const db = new DatabaseSync(':memory:');
  t.teardown(() => db.close());
  db.exec('CREATE TABLE n (x); PRAGMA max_page_count = 3');
  const small = new CommitQueue(db, {
    sync: async () => undefined,
    onCommit: () => undefined,
    onDead: () => undefined,
  });
  const fill = db.prepare('INSERT INTO n VALUES (zeroblob(5000))');
  const results = await Promise.allSettled([
    small.run(() => fill.run()),
    small.run(() => fill.run()),
    small.run(() => fill.run()),
  ]);
  t.ok(results.some(({ status }) => status === 'rejected'));
  for (const result of results)
    if (result.status === 'rejected') t.match(result.reason, { code: 'ServiceUnavailable' });
  t.equal(db.isTransaction, false);
  const own = queue.run(() => {
    insert(1);
    throw full;
  });
  await t.rejects(own, { code: 'ServiceUnavailable' });
  const next = queue.run(() => insert(2));
  await syncAsked(1);
  syncs[0]?.succeed();
  await Promise.all([next, queue.close()]);
  t.same(rows(), [2]);
});
