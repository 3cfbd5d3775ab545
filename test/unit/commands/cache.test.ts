import { readdirSync } from 'node:fs';
import t from 'tap';
import { cacheLs, cachePurge, cacheStats, cacheWarm } from '../../../src/commands/cache.ts';
import { ConfigError } from '../../../src/config/config-error.ts';

t.test('wrong usage is told as such, before anything is asked', async (t) => {
  const at = { admin: 'http://127.0.0.1:1', token: 'any' };
  const wrong: readonly (readonly [string, Promise<void>])[] = [
    ['cache purge: name BUCKET[/PREFIX], or give --all', cachePurge(undefined, at, {})],
    ['cache purge: name BUCKET[/PREFIX], or give --all', cachePurge('bucket', { ...at, all: true }, {})],
    ['--limit many: is not a number of objects', cacheLs(undefined, { ...at, limit: 'many' }, {})],
    ['--limit 0: is not a number of objects', cacheLs(undefined, { ...at, limit: '0' }, {})],
    ['--rate fast: is not a size, such as 10MiB', cacheWarm('bucket', { ...at, rate: 'fast' }, {})],
    ['--rate 0: is not a size, such as 10MiB', cacheWarm('bucket', { ...at, rate: '0' }, {})],
  ];
  for (const [problem, outcome] of wrong) await t.rejects(outcome, new ConfigError([problem]), problem);
});

t.test('without a configuration file nothing is made where the command runs', async (t) => {
  const folder = t.testdir();
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  const problem = 'no admin token: configure one, give --token or set SLUICE_ADMIN_TOKEN';
  await t.rejects(cacheStats({}, {}), new ConfigError([problem]));
  t.strictSame(readdirSync(folder), []);
});
