import t from 'tap';
import { ConfigError } from '../../../src/config/config-error.ts';
import { parseConfig, type Sources } from '../../../src/config/load.ts';

const SOURCES: Sources = {
  env: { CI_SECRET: 'sixteen-letters!', EVIL: 'x", secretKey: "y' },
  readFile: (path) => {
    if (path === '/run/secrets/oss') return 'from-a-file\n';
    throw new Error('ENOENT');
  },
};

const CREDENTIAL = '{ name: ci, accessKey: CIKEY, secretKey: "${CI_SECRET}" }';
const FOLDER = '{ name: local, provider: filesystem, path: ./data }';

function problems(text: string): readonly string[] {
  try {
    parseConfig(text, 'sluice.yaml', SOURCES);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

t.test('reads the smallest file and fills in the defaults', async (t) => {
  const config = parseConfig(`credentials: [${CREDENTIAL}]\nstorages: [${FOLDER}]`, 'sluice.yaml', SOURCES);
  t.match(config, {
    listen: '127.0.0.1:9000',
    domains: ['localhost'],
    drainSeconds: 30,
    credentials: [{ name: 'ci', secretKey: 'sixteen-letters!', signatures: ['v4'] }],
    storages: [{ name: 'local', provider: 'filesystem', path: './data', prefix: '', default: false, projects: 'all' }],
    log: { level: 'info', format: 'json' },
  });
});

t.test('reads sizes and durations with their units', async (t) => {
  const storage = (more: string) =>
    `credentials: [${CREDENTIAL}]\nstorages: [{ name: s, provider: other, endpoint: s3.example:9000, accessKey: a, secretKey: "\${file:/run/secrets/oss}"${more} }]`;
  const [plain] = parseConfig(storage(''), 'f', SOURCES).storages;
  t.match(plain, {
    secretKey: 'from-a-file',
    protocol: 'https',
    connectTimeout: 5000,
    idleTimeout: 60_000,
    uploadPartSize: 16 * 2 ** 20,
  });
  const [set] = parseConfig(
    storage(', connectTimeout: 1500ms, idleTimeout: 2m, uploadPartSize: 64MB'),
    'f',
    SOURCES,
  ).storages;
  t.match(set, { connectTimeout: 1500, idleTimeout: 120_000, uploadPartSize: 64e6 });
  t.strictSame(problems(storage(', connectTimeout: 5, idleTimeout: 5 years, uploadPartSize: 1XB')), [
    'sluice.yaml:2: storages[0].connectTimeout: must be string',
    'sluice.yaml:2: storages[0].idleTimeout: is not a duration: 5 years (such as 500ms, 5s, 10m, 6h, 7d)',
    'sluice.yaml:2: storages[0].uploadPartSize: is not a size: 1XB (such as 16MiB, 512KB, 200GiB)',
  ]);
});

t.test('a sentinel needs the bucket that it lies in', async (t) => {
  const storage = (more: string) =>
    `credentials: [${CREDENTIAL}]\nstorages: [{ name: local, provider: filesystem, path: ./data, sentinel: heliograph${more} }]`;
  t.strictSame(problems(storage(', bucket: score')), []);
  t.strictSame(problems(storage('')), [
    'sluice.yaml:2: storages[0].sentinel: needs the `bucket` of the storage, where it lies',
  ]);
});

t.test('tells every mistake at once, with line and path, and nothing of a secret', async (t) => {
  const text = `listen: 9000
credentials:
  - { name: ci, accessKey: CIKEY, secretKey: "\${NOT_SET}" }
  - { name: ci, accessKey: CIKEY, secretKey: short, storage: nowhere }
storages:
  - name: hangzhou
    provider: oss
    endpoint: https://oss-cn-hangzhou.aliyuncs.com
    accesKey: typo
  - { name: hangzhou, provider: filesystem, path: ./x, default: true }
  - { name: third, provider: filesystem, path: ./y, default: true, retries: 3 }
buckets:
  - { name: b, storage: elsewhere }
trustedProxies: [10.0.0.0/40]
extra: 1
`;
  t.strictSame([...problems(text)].sort(), [
    'sluice.yaml:10: storages[1].name: is already used by storages[0]',
    'sluice.yaml:11: storages[2].default: storages[1] is the default already',
    'sluice.yaml:11: storages[2].retries: is not a known setting',
    'sluice.yaml:13: buckets[0].name: is not a bucket name (3 to 63 letters, digits, dots, hyphens)',
    'sluice.yaml:13: buckets[0].storage: no storage is named elsewhere',
    'sluice.yaml:14: trustedProxies[0]: is not an address or CIDR range: 10.0.0.0/40',
    'sluice.yaml:15: extra: is not a known setting',
    'sluice.yaml:1: listen: must be string',
    'sluice.yaml:3: credentials[0].secretKey: environment variable NOT_SET is not set',
    'sluice.yaml:4: credentials[1].accessKey: is already used by credentials[0]',
    'sluice.yaml:4: credentials[1].name: is already used by credentials[0]',
    'sluice.yaml:4: credentials[1].secretKey: must have at least 8 characters',
    'sluice.yaml:4: credentials[1].storage: no storage is named nowhere',
    'sluice.yaml:6: storages[0].accessKey: is missing',
    'sluice.yaml:6: storages[0].secretKey: is missing',
    'sluice.yaml:8: storages[0].endpoint: must be host[:port], without http:// and path',
    'sluice.yaml:9: storages[0].accesKey: is not a known setting',
  ]);
});

t.test('a value from the environment cannot change the structure', async (t) => {
  const config = parseConfig(
    `credentials: [{ name: ci, accessKey: CIKEY, secretKey: "\${EVIL}" }]\nstorages: [${FOLDER}]`,
    'f',
    SOURCES,
  );
  t.equal(config.credentials[0]?.secretKey, 'x", secretKey: "y');
});

t.test('refuses files that are no configuration', async (t) => {
  t.match(problems('a: ['), [/^sluice.yaml:1: /]);
  t.match(problems('just text').join('\n'), /must be object|is not/);
  t.match(problems('').join('\n'), /storages: is missing/);
  t.match(problems(`credentials: [${CREDENTIAL}]\nstorages: [{ name: s, provider: nimbus }]`), [
    /^sluice.yaml:2: storages\[0\].provider: must be one of .*'oss'.*'filesystem'/,
  ]);
});

t.test('A07 a gateway that nobody may use is refused, unless a bucket is open to all', async (t) => {
  t.match(problems(`storages: [${FOLDER}]`), [/credentials: is empty: nobody could call/]);
  t.strictSame(problems(`storages: [${FOLDER}]\nbuckets: [{ name: public, storage: local, anonymous: read }]`), []);
});

t.test('a timeout is one that a timer can keep', async (t) => {
  const service = 'name: s, provider: minio, endpoint: "localhost:1", accessKey: ak, secretKey: sk';
  const text = (more: string) => `credentials: [${CREDENTIAL}]\nstorages: [{ ${service}, ${more} }]`;
  t.strictSame(problems(text('connectTimeout: 1ms, idleTimeout: 1d')), []);
  t.strictSame(problems(text('connectTimeout: 0s, idleTimeout: 30d')), [
    'sluice.yaml:2: storages[0].connectTimeout: must be from 1ms to 1d',
    'sluice.yaml:2: storages[0].idleTimeout: must be from 1ms to 1d',
  ]);
});

t.test('a bucket name may stand twice only where no caller sees both', async (t) => {
  const text = (one: string, other: string, more = '') =>
    `credentials: [${CREDENTIAL}]
storages:
  - { name: one, provider: filesystem, path: ./one, projects: ${one} }
  - { name: other, provider: filesystem, path: ./other, projects: ${other} }
buckets:
  - { name: shared, storage: one${more} }
  - { name: shared, storage: other${more} }
`;
  const clash = ['sluice.yaml:7: buckets[1].name: is already used by buckets[0], for the same callers'];
  t.strictSame(problems(text('[red]', '[blue, green]')), []);
  t.strictSame(problems(text('[red, green]', '[blue, green]')), clash);
  t.strictSame(problems(text('[red]', 'all')), clash);
  t.strictSame(problems(text('[red]', '[blue]', ', anonymous: read')), clash);
});

t.test('prefixes cannot leave their place', async (t) => {
  for (const prefix of ['/a', '../a', 'a/../b', './']) {
    t.match(
      problems(
        `credentials: [${CREDENTIAL}]\nstorages: [{ name: l, provider: filesystem, path: x, prefix: "${prefix}" }]`,
      ),
      [/prefix: must not/],
      prefix,
    );
  }
});

t.test('tells settings that contradict the provider, with the remedy', async (t) => {
  const text = (more: string) =>
    `credentials: [${CREDENTIAL}]\nstorages: [{ name: s, accessKey: a, secretKey: b, ${more} }]`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['provider: tos, endpoint: tos-s3-cn-beijing.volces.com, signature: v2', /storages\[0\].signature: v2 .* use v4/],
    [
      'provider: oss, endpoint: oss-cn-hangzhou.aliyuncs.com, addressing: path',
      /addressing: path .* use virtual or domain/,
    ],
    ['provider: tos, endpoint: tos-cn-beijing.volces.com', /endpoint: .* use tos-s3-cn-beijing.volces.com/],
  ];
  for (const [storage, problem] of cases) t.match(problems(text(storage)), [problem], storage);
  const sas = '{ name: s, provider: azure, account: example, sas: sv=1&sig=x, delivery: redirect }';
  t.match(problems(`credentials: [${CREDENTIAL}]\nstorages: [${sas}]`), [/storages\[0\].delivery: needs accountKey/]);
  t.same(problems(`credentials: [${CREDENTIAL}]\nstorages: [${sas.replace(', delivery: redirect', '')}]`), []);
});

t.test('ZS-R27 reads when to clean up, and tells what it cannot read', async (t) => {
  const config = (cleanup: string) => `credentials: [${CREDENTIAL}]\nstorages: [${FOLDER}]\ncleanup: ${cleanup}`;
  const { cleanup } = parseConfig(config('{ schedule: "*/30 * * * *", incompleteUploads: 12h }'), 'f', SOURCES);
  t.strictSame(cleanup, { schedule: '*/30 * * * *', incompleteUploads: 43_200_000 });
  t.equal(parseConfig(config('{}').replace(/\n.*$/, ''), 'f', SOURCES).cleanup, undefined);
  t.strictSame(problems(config('{ schedule: "0 25 * * *", incompleteUploads: 6 days, deleteAll: true }')), [
    'sluice.yaml:3: cleanup.schedule: is not a cron expression: Invalid value for hour: 25 (such as 0 3 * * *)',
    'sluice.yaml:3: cleanup.incompleteUploads: is not a duration: 6 days (such as 500ms, 5s, 10m, 6h, 7d)',
    'sluice.yaml:3: cleanup.deleteAll: is not a known setting',
  ]);
  t.strictSame(problems(config('{ schedule: "0 0 30 2 *", incompleteUploads: 0s }')), [
    'sluice.yaml:3: cleanup.schedule: is not a cron expression: never comes (such as 0 3 * * *)',
    'sluice.yaml:3: cleanup.incompleteUploads: must be longer than nothing',
  ]);
});

t.test('tells once what is wrong with a value that is not there', async (t) => {
  const account = '{ name: a, provider: azure, account: examplestorage, accountKey: "${AZURE_KEY}" }';
  t.strictSame(problems(`credentials: [${CREDENTIAL}]\nstorages: [${account}]`), [
    'sluice.yaml:2: storages[0].accountKey: environment variable AZURE_KEY is not set',
  ]);
});
