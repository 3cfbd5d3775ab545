import { globSync, readFileSync } from 'node:fs';
import t from 'tap';

/** Rules that no type and no linter holds. */

const SOURCES = globSync('src/**/*.ts').map((path) => ({ path, text: readFileSync(path, 'utf8') }));

/** The files in which a pattern stands, but for those allowed. */
function offenders(pattern: RegExp, allowed: RegExp): string[] {
  return SOURCES.filter(({ path, text }) => pattern.test(text) && !allowed.test(path)).map(({ path }) => path);
}

t.test('S20 the path as received is read by its parser and by signatures, and by nobody who acts on it', async (t) => {
  t.ok(SOURCES.some(({ text }) => text.includes('rawPath')));
  t.same(offenders(/\brequest\.rawPath|[{,] rawPath[,} ]/, /^src\/(auth|http|s3)\//), []);
});

t.test('S01 S02 nothing that resolves dots in a path touches a request to a storage', async (t) => {
  const allowed = /^src\/(version|main|commands\/cache|store\/filesystem\/write-ahead-log)\.ts$/;
  t.same(offenders(/\bnew URL\(/, allowed), [], 'our own files, and the admin port');
  t.same(offenders(/(?<![.#\w])fetch\(|undici\.request|\brequest\(\s*['"`]/, /^$/), []);
});

t.test('A11 D15 no promise is left alone, and nothing catches what nobody handled', async (t) => {
  t.same(offenders(/unhandledRejection|uncaughtException/, /^$/), []);
});

t.test('what src imports is there where only dependencies are installed, as in a package or an image', async (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly dependencies: object };
  const specifiers = SOURCES.flatMap(({ text }) => [...text.matchAll(/\b(?:from|import\(?) ?'([^'.][^']*)'/g)]);
  const packages = specifiers.map(([, name = '']) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
  const others = packages.filter((name) => !name.startsWith('node:') && !Object.hasOwn(dependencies, name));
  t.same([...new Set(others)], []);
});

/** A table with one row a vendor grows with the vendors. */
const TABLES = /^src\/upstream\/vendors\.ts$/;

t.test('no source file is longer than 300 lines', async (t) => {
  t.same(
    SOURCES.filter(({ path, text }) => text.split('\n').length > 301 && !TABLES.test(path)).map(({ path }) => path),
    [],
  );
});
