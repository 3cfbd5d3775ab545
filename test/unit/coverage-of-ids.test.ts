import { globSync, readFileSync } from 'node:fs';
import t from 'tap';

/**
 * The project's list of attacks on a gateway, by section and count. Every id is named by the title of a test, or stands
 * below with the reason why there is none.
 */
const SECTIONS = { A: 30, U: 12, C: 26, P: 18, V: 14, H: 34, B: 18, S: 36, E: 14, X: 14, D: 20, K: 24 } as const;

const WITHOUT_TEST: Readonly<Record<string, string>> = {
  D12: 'no limit per tenant can be configured yet; undici queues per storage, and a slow client is cut off (D01, D02)',
  D13: 'no limit per address can be configured yet; a load balancer in front has one',
};

/** What titles are made of: everything in test files but this one. */
const titles = globSync('test/**/*.ts')
  .filter((path) => path !== 'test/unit/coverage-of-ids.test.ts')
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n')
  // A comment is no test.
  .replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');

const named = new Set(titles.match(/\b[AUCPVHBSEXDK]\d\d\b/g));
const ids = Object.entries(SECTIONS).flatMap(([section, count]) =>
  Array.from({ length: count }, (_, index) => `${section}${String(index + 1).padStart(2, '0')}`),
);

t.test('every case of the list has a test, or a reason for none', async (t) => {
  t.same(
    ids.filter((id) => !named.has(id) && WITHOUT_TEST[id] === undefined),
    [],
  );
});

t.test('no reason is out of date, and no title names a case that is not there', async (t) => {
  t.same(
    Object.keys(WITHOUT_TEST).filter((id) => named.has(id) || !ids.includes(id)),
    [],
  );
  t.same(
    [...named].filter((id) => !ids.includes(id)),
    [],
  );
});
