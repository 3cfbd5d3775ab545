import t from 'tap';
import { openIndex } from '../../../../src/store/filesystem/index-database.ts';
import { compareUtf8, cursorAfter, cutPage, type Page, successor } from '../../../../src/store/filesystem/paging.ts';
import { Tables } from '../../../../src/store/filesystem/tables.ts';
import { temporaryFolder } from '../../../support/filesystem-store.ts';

t.test('the successor of a prefix comes after all keys below it, and before all others', async (t) => {
  const cases: [string, string | undefined][] = [
    ['', undefined],
    ['a', 'b'],
    ['a/', 'a0'],
    ['\u007F', '\u0080'],
    ['\uD7FF', '\uE000'],
    ['\uFFFF', '\u{10000}'],
    ['a\u{10FFFF}', 'b'],
    ['\u{10FFFF}', undefined],
  ];
  for (const [prefix, expected] of cases) {
    t.equal(successor(prefix), expected, JSON.stringify(prefix));
    if (expected !== undefined) t.ok(compareUtf8(`${prefix}\u{10FFFF}\u{10FFFF}`, expected) < 0);
  }
});

t.test('a group behind which nothing can follow ends the listing', async (t) => {
  t.equal(cursorAfter('\u{10FFFF}', '', '\u{10FFFF}'), undefined);
});

const KEYS = 100_000;

t.test('a page of 100,000 keys reads the rows it shows and one more', async (t) => {
  const index = openIndex(temporaryFolder(t));
  t.teardown(() => index.close());
  const { db } = index;
  const tables = new Tables(db);
  tables.addBucket('b', new Date(0));
  const { id } = tables.bucket('b');
  // Ten groups of 10,000 keys.
  db.exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${KEYS})
    INSERT INTO objects SELECT ${id}, printf('g%d/%06d', i % 10, i), 1, 'e', 0, 'STANDARD', NULL, NULL, NULL, NULL, '[]', '[[],[]]', '[]'
    FROM n`);
  let drawn = 0;
  const page = (prefix: string, delimiter: string, after: string, limit: number): Page<{ readonly key: string }> => {
    drawn = 0;
    const from = cursorAfter(after, prefix, delimiter) ?? { key: '', id: '' };
    return cutPage({
      prefix,
      delimiter,
      from,
      limit,
      *scan(cursor, to) {
        for (const row of tables.scan(id, cursor.key, to)) {
          drawn++;
          yield row;
        }
      },
    });
  };
  t.equal(page('', '', '', 1000).rows.length, 1000);
  t.equal(drawn, 1001);
  t.equal(page('g5/', '', 'g5/050005', 1000).rows[0]?.key, 'g5/050015');
  t.equal(drawn, 1001);
  t.equal(page('', '/', '', 1000).commonPrefixes.length, 10);
  t.equal(drawn, 10, 'one row for each common prefix, not 10,000');
  const last = page('g9/', '/', 'g9/099979', 1000);
  t.same([last.rows.length, last.next, drawn], [2, undefined, 2]);
  const plan = db.prepare(
    'EXPLAIN QUERY PLAN SELECT key, size FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key',
  );
  const details = plan.all(id, '', 'z').map((row) => String(row.detail));
  t.same(details, ['SEARCH objects USING PRIMARY KEY (bucket=? AND key>? AND key<?)'], 'and SQLite sorts nothing');
});
