import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { connectionKey } from '../../src/storage.ts';

/** The key of the one storage of a configuration. */
function keyOf(fields: string): string {
  const text = `credentials: [{ name: c, accessKey: CLIENT, secretKey: client-secret }]
storages: [{ name: s, provider: minio, endpoint: "localhost:1", accessKey: ak, secretKey: sk, ${fields} }]`;
  const { storages } = parseConfig(text, 'test', { env: {}, readFile: () => '' });
  return storages.map(connectionKey).join();
}

t.test('a connection is shared where only routing differs, and not where it would be made otherwise', async (t) => {
  const same = keyOf('bucket: one');
  t.equal(keyOf('bucket: two, prefix: p/, default: true, projects: [a], sentinel: alive'), same);
  t.not(keyOf('bucket: one, idleTimeout: 5s'), same);
});

t.test('a CA that was renewed in its file is another one', async (t) => {
  const path = join(t.testdir({ 'ca.pem': 'the old one' }), 'ca.pem');
  const old = keyOf(`ca: "${path}"`);
  t.equal(keyOf(`ca: "${path}"`), old);
  writeFileSync(path, 'the new one');
  t.not(keyOf(`ca: "${path}"`), old);
  t.throws(() => keyOf('ca: /nowhere/ca.pem'), { code: 'ENOENT' });
});
