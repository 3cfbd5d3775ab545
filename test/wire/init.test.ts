import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { sluice } from '../support/sluice-process.ts';
import { STAND_IN_KEY, startStandIn } from '../vendors/stand-in.ts';

const SECRET = STAND_IN_KEY.secretKey;

async function init(cwd: string, args: readonly string[], env = {}) {
  const ran = sluice(['init', ...args], { cwd, env });
  return { code: await ran.exited, stdout: ran.stdout(), stderr: ran.stderr() };
}

/** The gateway, run from what was written, as its user would go on. */
async function serve(t: Test, cwd: string, env = {}) {
  const running = sluice(['serve', '--listen', '127.0.0.1:0'], { cwd, env });
  t.teardown(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
  });
  await running.until(/Admin page: \S+\n/);
  const printed = sluice(['env', '--format', 'json'], { cwd, env });
  await printed.exited;
  const variables = JSON.parse(printed.stdout());
  const endpoint = /listens on (\S+)/.exec(running.stdout())?.[1] ?? '';
  const keys = { accessKey: variables.AWS_ACCESS_KEY_ID, secretKey: variables.AWS_SECRET_ACCESS_KEY };
  return { client: s3Client(t, endpoint, keys), log: () => running.stderr() };
}

t.test('the fields of a storage form become a gateway that serves it', async (t) => {
  const vendor = await startStandIn('ceph');
  t.teardown(() => vendor.close());
  vendor.buckets.set('ci-artifacts', { created: new Date(), objects: new Map(), uploads: new Map() });
  const cwd = t.testdir();
  const env = { CEPH_SECRET: SECRET };
  const form = [
    '--provider',
    'ceph',
    '--endpoint',
    `http://${vendor.endpoint}`,
    '--access-key',
    STAND_IN_KEY.accessKey,
  ];
  const made = await init(
    cwd,
    [...form, '--secret-key', '${CEPH_SECRET}', '--bucket', 'ci-artifacts', '--prefix', 'zadig'],
    env,
  );
  t.equal(made.code, 0, made.stderr);
  t.match(made.stdout, /^sluice\.yaml is written[\s\S]*sluice check[\s\S]*sluice serve/);
  const file = join(cwd, 'sluice.yaml');
  t.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, 'utf8');
  t.match(text, /^# yaml-language-server: \$schema=\S*sluice\.schema\.json\n/);
  t.notMatch(text + made.stdout + made.stderr, SECRET, 'a reference stays one');

  const { client, log } = await serve(t, cwd, env);
  await client.send(new PutObjectCommand({ Bucket: 'ci-artifacts', Key: 'job.log', Body: 'done' }));
  t.same([...(vendor.buckets.get('ci-artifacts')?.objects.keys() ?? [])], ['zadig/job.log']);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'ci-artifacts', Key: 'job.log' }));
  t.equal(await Body?.transformToString(), 'done');
  t.notMatch(log(), SECRET);
  const checked = sluice(['check'], { cwd, env });
  t.equal(await checked.exited, 0, checked.stdout() + checked.stderr());
});

t.test('a file that is there stays, unless it is to be replaced', async (t) => {
  const cwd = t.testdir({ 'sluice.yaml': 'mine' });
  const refused = await init(cwd, ['--provider', 'filesystem']);
  t.equal(refused.code, 2);
  t.equal(refused.stderr, 'sluice.yaml: is there already; --force replaces it\n');
  t.equal(readFileSync(join(cwd, 'sluice.yaml'), 'utf8'), 'mine');
  const key = ['--client-access-key', 'CIKEY', '--client-secret-key', 'secret-of-the-ci'];
  t.equal((await init(cwd, ['--provider', 'filesystem', '--path', './data', ...key, '--force'])).code, 0);
  t.same(readdirSync(cwd), ['sluice.yaml'], 'no draft is left');
  t.equal(statSync(join(cwd, 'sluice.yaml')).mode & 0o777, 0o600);
  const { client } = await serve(t, cwd);
  await client.send(new CreateBucketCommand({ Bucket: 'my-bucket' }));
  t.match(await client.send(new ListBucketsCommand({})), { Buckets: [{ Name: 'my-bucket' }] });
  t.match(readFileSync(join(cwd, 'sluice.yaml'), 'utf8'), 'accessKey: CIKEY');
});

t.test('without a terminal, everything that is missing is told at once, and nothing written', async (t) => {
  const cwd = t.testdir();
  const wrong = '--endpoint: is missing\n--access-key: is missing\n--secret-key: is missing\n';
  t.match(await init(cwd, ['--provider', 'oss']), { code: 2, stdout: '', stderr: wrong });
  t.same(readdirSync(cwd), []);
});

t.test('writes where the other commands read, and fails where it cannot write', async (t) => {
  const cwd = t.testdir({ conf: {} });
  const keys = ['--access-key', '${AK}', '--secret-key', '${file:/none}'];
  const waits = await init(cwd, ['--provider', 'minio', '--endpoint', 'h:1', ...keys], {
    SLUICE_CONFIG: 'conf/gateway.yaml',
    npm_lifecycle_event: 'sluice',
  });
  t.match(waits.stdout, 'It refers to what is not here yet: AK, file:/none');
  t.match(waits.stdout, 'npm run sluice -- check');
  t.same(readdirSync(join(cwd, 'conf')), ['gateway.yaml']);
  const nowhere = await init(cwd, ['--provider', 'filesystem', '--config', 'missing/sluice.yaml']);
  t.equal(nowhere.code, 1);
  t.match(nowhere.stderr, /^sluice: ENOENT/);
});

t.test('where the storage has the usual port of this machine, the gateway takes another', async (t) => {
  const keys = ['--access-key', STAND_IN_KEY.accessKey, '--secret-key', SECRET];
  for (const [endpoint, port] of [
    ['127.0.0.1:9000', 9010],
    ['localhost:9001', 9010],
    ['minio.example:9000', 9000],
  ] as const) {
    const cwd = t.testdir();
    const made = await init(cwd, ['--provider', 'minio', '--endpoint', endpoint, '--protocol', 'http', ...keys]);
    t.equal(made.code, 0, made.stderr);
    t.match(made.stdout, `http://127.0.0.1:${port}\n`);
    const text = readFileSync(join(cwd, 'sluice.yaml'), 'utf8');
    t.match(text, `listen: 127.0.0.1:${port}\n`);
    t.match(text, `127.0.0.1:${port + 1}, token`);
  }
});
