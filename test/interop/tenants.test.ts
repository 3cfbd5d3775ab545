import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteObjectsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { type Ceph, missingForCeph, startCeph } from '../support/ceph.ts';
import { s3Client } from '../support/clients.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { sluice } from '../support/sluice-process.ts';
import { type Account, awsFor, type CommandLine, rcloneFor, s3cmdFor } from './clients/command-lines.ts';
import { isInstalled, type Ran } from './process.ts';
import { plantRandom, readTree, sha256Of } from './scenario.ts';

const missing = [...missingForCeph(), ...['aws', 's3cmd', 'rclone'].filter((program) => !isInstalled(program))];
const TENANTS = ['red', 'blue'] as const;
type Tenant = (typeof TENANTS)[number];
const MiB = 2 ** 20;

/** Keys of both tenants, and of the one that manages them. */
const CREDENTIALS = `credentials:
  - { name: red, accessKey: REDKEY, secretKey: red-secret-key, project: red, storage: red, signatures: [v4, v2] }
  - { name: blue, accessKey: BLUEKEY, secretKey: blue-secret-key, project: blue, storage: blue, signatures: [v4, v2] }
`;

function cephStorage(ceph: Ceph, user: { readonly accessKey: string; readonly secretKey: string }): string {
  return `provider: ceph, endpoint: "localhost:${ceph.port}", protocol: http, accessKey: ${user.accessKey}, secretKey: ${user.secretKey}`;
}

/** Each tenant has its own Ceph user; under the second pair both lie in one bucket of one user. */
function tenantsConfig(ceph: Ceph): string {
  const [first, second] = [cephStorage(ceph, ceph), cephStorage(ceph, ceph.second)];
  return `${CREDENTIALS}
storages:
  - { name: red, ${first}, projects: [red] }
  - { name: blue, ${second}, projects: [blue] }
  - { name: red-part, ${first}, bucket: common, prefix: t1/, projects: [red] }
  - { name: blue-part, ${first}, bucket: common, prefix: t10/, projects: [blue] }
buckets:
  - { name: shared, storage: red, bucket: red-real, prefix: data/ }
  - { name: shared, storage: blue, bucket: blue-real, prefix: data/ }
`;
}

function accountOf(name: Tenant, endpoint: string, home: string): Account {
  return { accessKey: `${name.toUpperCase()}KEY`, secretKey: `${name}-secret-key`, endpoint, home };
}

/** The same names for all, with content that tells whose it is. */
function treeOf(tenant: Tenant, round: number): Record<string, string> {
  const names = ['job/1.txt', 'job/deep/2.txt', 'job/with space+.txt', 'job10/3.txt', 'jo', 'ünï/测试.txt'];
  return Object.fromEntries(names.map((name) => [name, `${tenant.toUpperCase()} ${round} ${name}\n`.repeat(200)]));
}

function plant(folder: string, tree: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(tree)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** Writes, lists, reads back and removes, again and again, with three clients. */
async function work(t: Test, tenant: Tenant, bucket: string, account: Account): Promise<void> {
  const output: string[] = [];
  const keep = (client: CommandLine): CommandLine => {
    return async (...args) => {
      const ran = await client(...args);
      output.push(ran.stdout, ran.stderr);
      t.equal(ran.status, 0, `${tenant} ${bucket} ${args.slice(0, 3).join(' ')}\n${ran.stderr}`);
      return ran;
    };
  };
  const aws = keep(awsFor(account));
  const s3 = keep(s3cmdFor(account, 'v2'));
  const rc = keep(rcloneFor(account));
  for (const round of [0, 1]) {
    const tree = treeOf(tenant, round);
    const folder = join(account.home, `${bucket}-${round}`);
    plant(join(folder, 'out'), tree);
    mkdirSync(join(folder, 's3cmd'));
    await aws('s3', 'sync', join(folder, 'out'), `s3://${bucket}/`);
    await rc('sync', `gw:${bucket}`, join(folder, 'rclone'));
    t.strictSame(readTree(join(folder, 'rclone')), tree, 'what rclone reads is what awscli wrote');
    await s3('sync', `s3://${bucket}/job`, `${folder}/s3cmd/`);
    t.ok(Object.values(readTree(join(folder, 's3cmd'))).every((text) => text.startsWith(tenant.toUpperCase())));
    const listed = await aws('s3api', 'list-objects-v2', '--bucket', bucket, '--query', 'Contents[].Key');
    t.strictSame(JSON.parse(listed.stdout).sort(), Object.keys(tree).sort());
    const large = plantRandom(join(folder, 'large'), 18 * MiB);
    await rc('copyto', '--s3-chunk-size', '5Mi', '--s3-upload-cutoff', '5Mi', join(folder, 'large'), `gw:${bucket}/l`);
    await aws('s3', 'cp', `s3://${bucket}/l`, `s3://${bucket}/copy`);
    await s3('get', `s3://${bucket}/copy`, join(folder, 'back'));
    t.equal(sha256Of(join(folder, 'back')), large);
    await s3('del', `s3://${bucket}/l`, `s3://${bucket}/copy`);
    await rc('delete', `gw:${bucket}/job`);
  }
  const other = TENANTS.find((name) => name !== tenant) ?? '';
  const told = output.join('');
  t.notMatch(
    told,
    new RegExp(`${other.toUpperCase()}|\\b${other}-|data/|t10?/|-real|CEPH`),
    'nothing of the other, nothing of the place',
  );
}

async function keysOf(client: S3Client, bucket: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key = '' }) => Key);
}

async function twoTenants(t: Test, ceph: Ceph): Promise<void> {
  const gateway = await startTestGateway(tenantsConfig(ceph));
  t.teardown(() => gateway.close());
  const home = t.testdir();
  const account = (tenant: Tenant) => accountOf(tenant, gateway.url, join(home, tenant));
  for (const tenant of TENANTS) {
    mkdirSync(account(tenant).home);
    for (const bucket of ['common', 'shared'])
      t.match(await awsFor(account(tenant))('s3', 'mb', `s3://${bucket}`), {
        status: tenant === 'blue' && bucket === 'common' ? 1 : 0,
      });
  }
  await Promise.all(
    TENANTS.flatMap((tenant) => ['shared', 'common'].map((bucket) => work(t, tenant, bucket, account(tenant)))),
  );
  const endpoint = `http://127.0.0.1:${ceph.port}`;
  const [first, second] = [s3Client(t, endpoint, ceph), s3Client(t, endpoint, ceph.second)];
  const left = Object.keys(treeOf('red', 0)).filter((key) => !key.startsWith('job/'));
  const placed = (prefix: string) => left.map((key) => prefix + key).sort();
  t.strictSame((await keysOf(first, 'red-real')).sort(), placed('data/'));
  t.strictSame((await keysOf(second, 'blue-real')).sort(), placed('data/'));
  t.strictSame((await keysOf(first, 'common')).sort(), [...placed('t1/'), ...placed('t10/')].sort());
  const refused = await awsFor(account('blue'))('s3', 'ls', 's3://red-real/');
  t.match(refused, { status: /^(1|254|255)$/, stderr: /AccessDenied|NoSuchBucket/ }, 'another user owns it');
}

/** What the administrator and the scoped key of the contract's example may reach. */
function scopedConfig(storage: string): string {
  return `credentials:
  - { name: admin, accessKey: ADMINKEY, secretKey: admin-secret-key }
  - name: ci
    accessKey: CIKEY
    secretKey: ci-secret-key
    access:
      - { bucket: build-cache, prefix: team-a/, allow: [read, list, write, delete] }
      - { bucket: "artifacts-*", allow: [read, list] }
storages:
  - { name: place, ${storage}, default: true }
buckets:
  - { name: build-cache, storage: place, bucket: ci-artifacts, prefix: cache/ }
`;
}

async function scopedKey(t: Test, gateway: TestGateway): Promise<void> {
  const home = t.testdir({ small: 'small', admin: {}, ci: {} });
  const file = (name: string) => join(home, name);
  const admin = awsFor({
    endpoint: gateway.url,
    accessKey: 'ADMINKEY',
    secretKey: 'admin-secret-key',
    home: file('admin'),
  });
  const ci = awsFor({ endpoint: gateway.url, accessKey: 'CIKEY', secretKey: 'ci-secret-key', home: file('ci') });
  const fine = async (client: CommandLine, ...args: readonly string[]): Promise<Ran> => {
    const ran = await client(...args);
    t.equal(ran.status, 0, `${args.join(' ')}\n${ran.stderr}`);
    return ran;
  };
  for (const bucket of ['build-cache', 'artifacts-1', 'other']) await fine(admin, 's3', 'mb', `s3://${bucket}`);
  for (const place of [
    'build-cache/team-b/secret',
    'build-cache/team-',
    'build-cache/team-a',
    'artifacts-1/a/x',
    'other/x',
  ])
    await fine(admin, 's3', 'cp', file('small'), `s3://${place}`);
  const large = plantRandom(file('large'), 20 * MiB);
  const state = async () =>
    (
      await Promise.all(
        ['build-cache', 'artifacts-1', 'other'].map((name) =>
          fine(admin, 's3api', 'list-objects-v2', '--bucket', name, '--query', 'Contents[].[Key,ETag]'),
        ),
      )
    ).map(({ stdout }) => stdout);
  const before = await state();

  const own = 's3://build-cache/team-a';
  await fine(ci, 's3', 'cp', file('small'), `${own}/small`);
  await fine(ci, 's3', 'cp', file('large'), `${own}/large`);
  await fine(ci, 's3', 'cp', `${own}/large`, `${own}/copied`);
  await fine(ci, 's3', 'cp', `${own}/copied`, file('back'));
  t.equal(sha256Of(file('back')), large, 'in parts up, copied in parts, and down');
  await fine(ci, 's3', 'cp', 's3://artifacts-1/a/x', `${own}/from-artifacts`);
  await fine(ci, 's3', 'cp', 's3://artifacts-1/a/x', file('x'));
  await fine(ci, 's3', 'mv', `${own}/small`, `${own}/moved`);
  t.match((await fine(ci, 's3', 'ls', 's3://artifacts-1/')).stdout, /PRE a\//);
  t.match(
    (await fine(ci, 's3', 'ls', '--recursive', `${own}/`)).stdout,
    /team-a\/copied\n.*team-a\/from-artifacts\n.*team-a\/large\n.*team-a\/moved\n$/,
  );
  const buckets = (await fine(ci, 's3api', 'list-buckets', '--query', 'Buckets[].Name')).stdout;
  t.strictSame(JSON.parse(buckets), ['artifacts-1', 'build-cache']);
  await fine(ci, 's3api', 'head-bucket', '--bucket', 'build-cache');
  const url = (await fine(ci, 's3', 'presign', `${own}/moved`)).stdout.trim();
  t.equal(await (await fetch(url)).text(), 'small');
  await fine(ci, 's3', 'rm', '--recursive', `${own}/`);

  const api = (operation: string, bucket: string, ...more: readonly string[]) => [
    's3api',
    operation,
    '--bucket',
    bucket,
    ...more,
  ];
  const refusals: readonly (readonly string[])[] = [
    ['s3', 'cp', file('small'), 's3://build-cache/team-b/new'],
    ['s3', 'cp', file('small'), 's3://build-cache/team-a'],
    ['s3', 'cp', file('small'), 's3://artifacts-1/new'],
    ['s3', 'cp', file('small'), 's3://other/new'],
    ['s3', 'cp', 's3://build-cache/team-b/secret', file('stolen')],
    ['s3', 'cp', 's3://build-cache/team-b/secret', `${own}/stolen`],
    ['s3', 'cp', 's3://other/x', `${own}/stolen`],
    ['s3', 'cp', 's3://artifacts-1/a/x', 's3://artifacts-1/b'],
    ['s3', 'rm', 's3://build-cache/team-b/secret'],
    ['s3', 'rm', 's3://artifacts-1/a/x'],
    ['s3', 'ls', 's3://build-cache/'],
    ['s3', 'ls', 's3://build-cache/team-'],
    ['s3', 'ls', 's3://build-cache/team-b/'],
    ['s3', 'ls', 's3://other/'],
    ['s3', 'ls', 's3://no-such-bucket/'],
    ['s3', 'ls', 's3://ci-artifacts/'],
    ['s3', 'mb', 's3://brand-new'],
    ['s3', 'rb', 's3://build-cache'],
    ['s3', 'rb', 's3://artifacts-1'],
    api('head-object', 'build-cache', '--key', 'team-b/secret'),
    api('get-object', 'build-cache', '--key', 'team-a/../team-b/secret', file('stolen')),
    api('get-object-tagging', 'build-cache', '--key', 'team-b/secret'),
    api('put-object-tagging', 'artifacts-1', '--key', 'a/x', '--tagging', 'TagSet=[{Key=a,Value=b}]'),
    api('create-multipart-upload', 'build-cache', '--key', 'team-b/new'),
    api('list-multipart-uploads', 'build-cache'),
    api('list-object-versions', 'build-cache'),
    api('list-objects-v2', 'build-cache', '--prefix', 'team-a/', '--start-after', 'team-b/'),
    api('put-bucket-policy', 'build-cache', '--policy', '{}'),
    api('put-bucket-acl', 'artifacts-1', '--acl', 'public-read'),
    api('put-object-acl', 'build-cache', '--key', 'team-a/x', '--acl', 'public-read'),
    api('delete-bucket-lifecycle', 'build-cache'),
  ];
  for (const args of refusals) {
    const ran = await ci(...args);
    t.not(ran.status, 0, args.join(' '));
    t.match(ran.stderr, /AccessDenied|Forbidden|InvalidURI|Bad Request/, args.join(' '));
    t.notMatch(
      ran.stderr + ran.stdout,
      /(?<!s3:\/\/)ci-artifacts|(?<!build-)cache\/team|CEPH/,
      'says nothing of the place',
    );
  }
  const mixed = await s3Client(t, gateway.url, { accessKey: 'CIKEY', secretKey: 'ci-secret-key' }).send(
    new DeleteObjectsCommand({
      Bucket: 'build-cache',
      Delete: { Objects: ['team-a/absent', 'team-b/secret'].map((Key) => ({ Key })) },
    }),
  );
  t.match(mixed, {
    Deleted: [{ Key: 'team-a/absent' }],
    Errors: [{ Key: 'team-b/secret', Code: 'AccessDenied' }],
  });
  t.strictSame(await state(), before, 'nothing but its own has changed');
}

/** A bucket goes from the embedded store to Ceph and back, while clients use it. */
async function moveUnderLoad(t: Test, ceph: Ceph): Promise<void> {
  const configOf = (storage: 'folder' | 'vendor') => `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0" }
credentials: [{ name: ci, accessKey: CIKEY, secretKey: ci-secret-key }]
storages:
  - { name: folder, provider: filesystem, path: ./data }
  - { name: vendor, ${cephStorage(ceph, ceph)} }
buckets:
  - name: moving
    storage: ${storage}
    bucket: moving-real
    prefix: p/
`;
  const cwd = t.testdir({ home: {}, small: 'small', 'sluice.yaml': configOf('folder') });
  const running = sluice(['serve'], { cwd });
  t.teardown(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
  });
  await running.until(/Admin page: \S+\n/);
  let switches = 0;
  const moveTo = async (storage: 'folder' | 'vendor') => {
    writeFileSync(join(cwd, 'sluice.yaml'), configOf(storage));
    running.child.kill('SIGHUP');
    // The changed file makes a second reload; the signal's is told of first.
    switches += 1;
    await running.until(new RegExp(`(configuration reloaded[\\s\\S]*){${switches}}`));
  };
  const endpoint = /listens on (\S+)/.exec(running.stdout())?.[1] ?? '';
  const aws = awsFor({ endpoint, accessKey: 'CIKEY', secretKey: 'ci-secret-key', home: join(cwd, 'home') });
  const seed = async () => {
    t.match(await aws('s3', 'mb', 's3://moving'), { status: 0 });
    t.match(await aws('s3', 'cp', join(cwd, 'small'), 's3://moving/seed'), { status: 0 });
  };
  await seed();
  await moveTo('vendor');
  await seed();
  const told = { isOver: false };
  const failures: string[] = [];
  let requests = 0;
  const must = async (...args: readonly string[]) => {
    const ran = await aws(...args);
    requests += 1;
    if (ran.status !== 0) failures.push(`${args.join(' ')}\n${ran.stderr}`);
    return ran;
  };
  const loops = [1, 2].map(async (loop) => {
    for (let round = 0; !told.isOver; round += 1) {
      await must('s3', 'cp', join(cwd, 'small'), `s3://moving/loop-${loop}/${round}`);
      const read = await must('s3', 'cp', 's3://moving/seed', '-');
      if (read.stdout !== 'small') failures.push(`read ${read.stdout}`);
    }
  });
  for (let round = 0; round < 12; round += 1) {
    const from = requests;
    await moveTo(round % 2 === 0 ? 'folder' : 'vendor');
    while (requests < from + 2) await new Promise((resolve) => setImmediate(resolve));
  }
  told.isOver = true;
  await Promise.all(loops);
  t.strictSame(failures, []);
  t.comment(`${requests} requests over ${switches} moves`);
  t.notMatch(running.stderr(), /"level":(50|60)/, 'nothing went wrong underneath either');
  running.child.kill('SIGTERM');
  t.equal(await running.exited, 0);
}

if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
else {
  t.setTimeout(600_000);
  const ceph = await startCeph();
  t.teardown(() => ceph.stop());
  t.test('two tenants with overlapping names, at once, never see one another’s bytes', (t) => twoTenants(t, ceph));
  t.test('a scoped key does what it says and nothing else', async (t) => {
    const folder = t.testdir();
    for (const [name, storage] of [
      ['the embedded store', `provider: filesystem, path: ${JSON.stringify(folder)}`],
      ['a real Ceph', cephStorage(ceph, ceph)],
    ] as const) {
      await t.test(name, async (t) => {
        const gateway = await startTestGateway(scopedConfig(storage));
        t.teardown(() => gateway.close());
        await scopedKey(t, gateway);
      });
    }
  });
  t.test('a bucket moved from the embedded store to Ceph and back fails no request', (t) => moveUnderLoad(t, ceph));
}
