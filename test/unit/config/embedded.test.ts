import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { embeddedConfig } from '../../../src/config/embedded.ts';

t.test('makes a credential once and keeps it for its owner only', async (t) => {
  const folder = join(t.testdir(), 'data');
  const first = embeddedConfig(folder, {});
  t.match(first.credentials, [{ name: 'local', accessKey: /^SLUICE[A-Z2-9]{14}$/, secretKey: /^[\w-]{40}$/ }]);
  t.match(first.storages, [{ provider: 'filesystem', path: folder, default: true }]);
  t.strictSame(embeddedConfig(folder, {}).credentials, first.credentials);
  t.equal(statSync(join(folder, 'credential.json')).mode & 0o777, 0o600);
  t.equal(statSync(folder).mode & 0o777, 0o700);
});

t.test('takes the credential from the environment and then writes none', async (t) => {
  const folder = join(t.testdir(), 'data');
  const env = { SLUICE_ACCESS_KEY: 'MYKEY', SLUICE_SECRET_KEY: 'my-secret-key' };
  t.match(embeddedConfig(folder, env).credentials, [{ accessKey: 'MYKEY', secretKey: 'my-secret-key' }]);
  t.throws(() => readFileSync(join(folder, 'credential.json')), { code: 'ENOENT' });
});

t.test('A05 refuses half a credential and unusable ones', async (t) => {
  const folder = join(t.testdir(), 'data');
  t.throws(() => embeddedConfig(folder, { SLUICE_ACCESS_KEY: 'MYKEY' }), /go together/);
  const bad = { SLUICE_ACCESS_KEY: 'a/b', SLUICE_SECRET_KEY: 'x' };
  t.throws(() => embeddedConfig(folder, bad), /SLUICE_ACCESS_KEY: .*\nSLUICE_SECRET_KEY: /);
});

t.test('a damaged credential file stops the start and is left as it is', async (t) => {
  const folder = t.testdir({ 'credential.json': '{ "accessKey": ' });
  t.throws(() => embeddedConfig(folder, {}), /credential\.json: cannot be read/);
  t.equal(readFileSync(join(folder, 'credential.json'), 'utf8'), '{ "accessKey": ');
});
