import { globSync, readFileSync } from 'node:fs';
import t from 'tap';

/** The three systems' requirements and replays: every row of the page has its test, and every step is played. */

const page = readFileSync('docs/systems/requirements.md', 'utf8');
const rows = [...page.matchAll(/^\| R(\d+) \|.*\| ([^|]*) \|$/gm)].map(([, number, tests = '']) => ({
  number: Number(number),
  names: [...tests.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
}));
const files = globSync('test/**/*.ts');
const textOf = (paths: readonly string[]): string => paths.map((path) => readFileSync(path, 'utf8')).join('\n');

t.test('R1 to R31 stand on the page once each', async (t) => {
  t.same(
    rows.map(({ number }) => number),
    Array.from({ length: 31 }, (_, index) => index + 1),
  );
});

t.test('a row names tests that are there, and the first of them has its number in a title', async (t) => {
  for (const { number, names } of rows) {
    for (const name of names)
      t.ok(
        files.some((path) => path.includes(name)),
        `R${number}: ${name}`,
      );
    const title = new RegExp(`test\\(\\s*['\`][^'\`]*\\bZM?S-R${number}\\b`);
    t.match(textOf([`test/wire/${names[0]}.test.ts`]), title, `R${number}: ${names[0]}`);
  }
});

t.test('every step of the three replays is played', async (t) => {
  const played = textOf(files.filter((path) => /interop\/systems\/|wire\/requirements-/.test(path)));
  for (const [system, steps] of [
    ['Z', 12],
    ['M', 15],
    ['S', 14],
  ] as const) {
    for (let step = 1; step <= steps; step++) {
      t.match(played, new RegExp(`['\`( -]${system}${step}\\b`), `${system}${step}`);
    }
  }
});
