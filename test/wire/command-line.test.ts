import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { type SluiceProcess, sluice } from '../support/sluice-process.ts';

const CONFIG = `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0", token: an-admin-token-for-tests }
credentials: [{ name: ci, accessKey: CIKEY, secretKey: ci-secret-key }]
storages: [{ name: local, provider: filesystem, path: ./data, default: true }]
`;

async function serve(t: Test, args: readonly string[], cwd: string, env = {}): Promise<SluiceProcess> {
  const running = sluice(['serve', ...args], { cwd, env });
  t.teardown(async () => {
    running.child.kill('SIGKILL');
    await running.exited;
  });
  await running.until(/Admin page: \S+\n/);
  return running;
}

const urlOf = (running: SluiceProcess) => /listens on (\S+)/.exec(running.stdout())?.[1] ?? '';

t.test('serves the embedded store without a configuration, and prints how to use it', async (t) => {
  const cwd = t.testdir();
  const running = await serve(t, ['--listen', '127.0.0.1:0'], cwd, { SLUICE_ADMIN_TOKEN: 'an-admin-token-for-tests' });
  const variable = (name: string) => new RegExp(`export ${name}='(.*)'`).exec(running.stdout())?.[1] ?? '';
  t.equal(variable('AWS_ENDPOINT_URL'), urlOf(running));
  const credential = { accessKey: variable('AWS_ACCESS_KEY_ID'), secretKey: variable('AWS_SECRET_ACCESS_KEY') };
  t.strictSame(credential, JSON.parse(readFileSync(join(cwd, 'sluice-data/credential.json'), 'utf8')));
  const client = s3Client(t, urlOf(running), credential);
  await client.send(new CreateBucketCommand({ Bucket: 'my-bucket' }));
  t.match(await client.send(new ListBucketsCommand({})), { Buckets: [{ Name: 'my-bucket' }] });
  const env = sluice(['env'], { cwd });
  t.equal(await env.exited, 0);
  t.match(env.stdout(), `export AWS_ACCESS_KEY_ID='${credential.accessKey}'`);
  t.notMatch(running.stderr(), credential.secretKey, 'no secret in the log');
});

t.test('the admin port answers health to all and the rest to the token only', async (t) => {
  const running = await serve(t, ['--listen', '127.0.0.1:0'], t.testdir(), {
    SLUICE_ADMIN_TOKEN: 'an-admin-token-for-tests',
  });
  const admin = /Admin page: (http:\/\/[^/\s]+)/.exec(running.stdout())?.[1] ?? '';
  const status = async (path: string, headers = {}) =>
    (await fetch(`${admin}${path}`, { headers, redirect: 'manual' })).status;
  t.equal(await status('/healthz'), 200);
  t.equal(await status('/readyz'), 200);
  for (const path of ['/', '/metrics', '/api/anything']) t.equal(await status(path), 401, path);
  t.equal(await status('/metrics', { authorization: 'Bearer wrong-token-of-some-length' }), 401);
  const authorization = 'Bearer an-admin-token-for-tests';
  t.match(await (await fetch(`${admin}/metrics`, { headers: { authorization } })).text(), /^sluice_info\{version="/m);
  t.match(await (await fetch(`${admin}/`, { headers: { authorization } })).text(), '<td>local (default)</td>');
  t.equal(await status('/?token=an-admin-token-for-tests'), 303);
  t.equal(await status('/?token=wrong'), 401);
});

t.test('SIGHUP and a changed file reload; a broken file is refused and the old configuration stays', async (t) => {
  const cwd = t.testdir({ 'sluice.yaml': CONFIG });
  const running = await serve(t, [], cwd);
  const second = CONFIG.replace('CIKEY', 'SECONDKEY');
  const logged = (pattern: RegExp) => () => [...running.stderr().matchAll(new RegExp(pattern, 'g'))].length;
  const reloads = logged(/configuration reloaded/);
  writeFileSync(join(cwd, 'sluice.yaml'), second);
  await running.until(/configuration reloaded/);
  await s3Client(t, urlOf(running), { accessKey: 'SECONDKEY', secretKey: 'ci-secret-key' }).send(
    new ListBucketsCommand({}),
  );
  const old = s3Client(t, urlOf(running), { accessKey: 'CIKEY', secretKey: 'ci-secret-key' });
  await t.rejects(old.send(new ListBucketsCommand({})), { name: 'InvalidAccessKeyId' });

  writeFileSync(join(cwd, 'sluice.yaml'), `${second}bogus: 1\n`);
  await running.until(/bogus: is not a known setting/);
  await s3Client(t, urlOf(running), { accessKey: 'SECONDKEY', secretKey: 'ci-secret-key' }).send(
    new ListBucketsCommand({}),
  );

  const before = reloads();
  writeFileSync(join(cwd, 'sluice.yaml'), second);
  running.child.kill('SIGHUP');
  while (reloads() === before) await running.until(new RegExp(`(configuration reloaded[\\s\\S]*){${before + 1}}`));
  t.pass('reloaded again');
});

t.test('A21 says when other machines reach it in the clear, where bodies need no signature', async (t) => {
  for (const [listen, more, isTold] of [
    ['0.0.0.0:0', '', true],
    ['0.0.0.0:0', 'trustedProxies: [10.0.0.1]\n', false],
  ] as const) {
    const text = `${more}${CONFIG.replace('127.0.0.1:0', listen)}`;
    const running = await serve(t, [], t.testdir({ 'sluice.yaml': text }));
    running.child.kill('SIGTERM');
    t.equal(await running.exited, 0);
    t.equal(/without TLS/.test(running.stderr()), isTold, `${listen} ${more}`);
  }
});

t.test('SIGTERM drains and ends with 0', async (t) => {
  const running = await serve(t, [], t.testdir({ 'sluice.yaml': CONFIG }));
  running.child.kill('SIGTERM');
  t.equal(await running.exited, 0);
});

t.test('a wrong configuration lists every mistake, starts nothing and ends with 2', async (t) => {
  const cwd = t.testdir({ 'sluice.yaml': `${CONFIG}one: 1\ntwo: 2\n` });
  for (const args of [['serve'], ['check'], ['env']]) {
    const ran = sluice(args, { cwd });
    t.equal(await ran.exited, 2, args.join(' '));
    t.match(ran.stderr(), /sluice.yaml:5: one: is not a known setting\nsluice.yaml:6: two: is not a known setting\n/);
    t.equal(ran.stdout(), '');
  }
  t.throws(() => readFileSync(join(cwd, 'data')), { code: 'ENOENT' });
  const json = sluice(['check', '--json'], { cwd });
  t.equal(await json.exited, 2);
  t.match(JSON.parse(json.stdout()), { valid: false, problems: [/one/, /two/] });
});

t.test('check says what is configured, env every syntax', async (t) => {
  const cwd = t.testdir({ 'sluice.yaml': CONFIG.replace(':0', ':9000') });
  const checked = sluice(['check'], { cwd });
  t.equal(await checked.exited, 0);
  t.match(checked.stdout(), /^sluice.yaml: valid\n {2}storage local: filesystem, default\n/);
  const wanted = {
    sh: "export AWS_SECRET_ACCESS_KEY='ci-secret-key'",
    fish: "set -gx AWS_SECRET_ACCESS_KEY 'ci-secret-key'",
    powershell: "$env:AWS_SECRET_ACCESS_KEY = 'ci-secret-key'",
    dotenv: 'AWS_ENDPOINT_URL=http://127.0.0.1:9000',
    json: '"AWS_ACCESS_KEY_ID": "CIKEY"',
  };
  for (const [format, line] of Object.entries(wanted)) {
    const ran = sluice(['env', '--credential', 'ci', '--format', format], { cwd });
    t.equal(await ran.exited, 0);
    t.ok(ran.stdout().includes(line), format);
  }
});

t.test('bad usage ends with 2, help and version with 0', async (t) => {
  const cases: readonly (readonly [readonly string[], number])[] = [
    [['--version'], 0],
    [['--help'], 0],
    [['serve', '--help'], 0],
    [['nonsense'], 2],
    [['serve', '--nonsense'], 2],
    [['env', '--format', 'cobol'], 2],
    [['env', '--credential', 'nobody'], 2],
    [['serve', '--listen', 'nowhere'], 2],
    [['serve', '--config', 'missing.yaml'], 2],
  ];
  const cwd = t.testdir();
  for (const [args, code] of cases) t.equal(await sluice(args, { cwd }).exited, code, args.join(' '));
});

t.test('an address in use ends with 1', async (t) => {
  const first = await serve(t, [], t.testdir({ 'sluice.yaml': CONFIG }));
  const port = urlOf(first).split(':').at(-1);
  const second = sluice(['serve', '--listen', `127.0.0.1:${port}`], { cwd: t.testdir({ 'sluice.yaml': CONFIG }) });
  t.equal(await second.exited, 1);
  t.match(second.stderr(), /EADDRINUSE/);
});
