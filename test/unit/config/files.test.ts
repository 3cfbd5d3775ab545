import { join } from 'node:path';
import t from 'tap';
import { ConfigError } from '../../../src/config/config-error.ts';
import { checkFiles } from '../../../src/config/files.ts';
import { parseConfig } from '../../../src/config/load.ts';

const configOf = (more: string) =>
  parseConfig(
    `credentials: [{ name: c, accessKey: CLIENT, secretKey: client-secret }]
storages:
  - { name: here, provider: filesystem, path: ./here }
${more}`,
    'test',
    { env: {}, readFile: () => '' },
  );

const service = (ca: string) =>
  `  - { name: there, provider: minio, endpoint: "localhost:1", accessKey: ak, secretKey: sk, ca: "${ca}" }\n`;

t.test('tells every certificate that cannot be used, with its path in the configuration', async (t) => {
  const folder = t.testdir({ 'broken.pem': 'not PEM' });
  const broken = join(folder, 'broken.pem');
  const missing = join(folder, 'missing.pem');
  const problemsOf = (more: string): readonly string[] => {
    try {
      checkFiles(configOf(more), 'sluice.yaml');
      return [];
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
  };
  t.strictSame(problemsOf(''), []);
  t.strictSame(problemsOf(`${service(missing)}tls: { cert: "${missing}", key: "${missing}" }`), [
    `sluice.yaml: tls.cert: ${missing} cannot be read: ENOENT`,
    `sluice.yaml: tls.key: ${missing} cannot be read: ENOENT`,
    `sluice.yaml: storages[1].ca: ${missing} cannot be read: ENOENT`,
  ]);
  t.match(problemsOf(`${service(broken)}tls: { cert: "${broken}", key: "${broken}" }`), [
    /^sluice.yaml: tls: cannot be used: ERR_/,
  ]);
});
