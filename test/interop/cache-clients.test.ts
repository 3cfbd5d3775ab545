import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import t, { type Test } from 'tap';
import { missingForCeph } from '../support/ceph.ts';
import { s3Client } from '../support/clients.ts';
import { freePort } from '../support/free-port.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { compileAsSccache, loadOpendal } from './cache-sccache.ts';
import { BUCKET, type CachedCeph, KEYS, sharedCeph, startCachedCeph } from './cached-ceph.ts';
import { plantImage } from './clients/docker-image.ts';
import { inDebian13, lacksDebian13 } from './debian-13.ts';
import { isInstalled, run } from './process.ts';

/** Each client does its work twice through a cache before a real Ceph, whose own log says what it sent. */
t.setTimeout(900_000);
const ceph = sharedCeph(t);
const start = async (test: Test, preset: string): Promise<CachedCeph> => startCachedCeph(test, await ceph(), preset);

const lacking = (...programs: string[]): string | false => {
  const missing = [...missingForCeph(), ...programs.filter((program) => !isInstalled(program))];
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;
};

t.test('awscli and its parallel ranges: the second download moves nothing', { skip: lacking('aws') }, async (t) => {
  const { folder, gateway, sent, cut } = await start(t, 'zadig');
  const file = join(folder, 'workspace.tar.gz');
  writeFileSync(file, randomBytes(40_000_000));
  writeFileSync(join(folder, 'config'), '[default]\ns3 =\n  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n');
  const env = {
    ...KEYS,
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: folder,
  };
  const copy = async (from: string, to: string) => {
    const ran = await run('aws', ['--endpoint-url', gateway.url, 's3', 'cp', '--no-progress', from, to], { env });
    t.equal(ran.status, 0, ran.stderr);
  };
  const object = `s3://${BUCKET}/wf/cache/svc/mod/zadig-build-cache.tar.gz`;
  await copy(file, object);
  await copy(object, join(folder, 'one'));
  const before = await sent();
  await copy(object, join(folder, 'two'));
  t.equal((await sent()) - before, 0);
  await cut();
  await copy(object, join(folder, 'three'));
  for (const name of ['one', 'two', 'three']) t.ok(readFileSync(join(folder, name)).equals(readFileSync(file)), name);
});

t.test('SDK v3: an upload in parts, and its parallel ranges, come from here', { skip: lacking() }, async (t) => {
  const { gateway, sent, cut } = await start(t, 'actions-cache');
  const client = s3Client(t, gateway.url);
  const Key = 'cache/owner/repo/sha/key';
  const Body = randomBytes(45_000_000);
  const params = { Bucket: BUCKET, Key, Body };
  await new Upload({ client, params, partSize: 8 * 2 ** 20, queueSize: 4 }).done();
  const download = async (): Promise<Buffer> => {
    const { ContentLength = 0, ETag } = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key }));
    const step = 6_000_000;
    const pieces = Array.from({ length: Math.ceil(ContentLength / step) }, async (_, index) => {
      const Range = `bytes=${index * step}-${Math.min(ContentLength, (index + 1) * step) - 1}`;
      const answer = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key, Range, IfMatch: ETag }));
      return answer.Body?.transformToByteArray();
    });
    return Buffer.concat((await Promise.all(pieces)).map((piece) => piece ?? Buffer.alloc(0)));
  };
  t.ok((await download()).equals(Body));
  const before = await sent();
  t.ok((await download()).equals(Body));
  t.equal((await sent()) - before, 0, 'no bytes of objects');
  await cut();
  t.ok((await download()).equals(Body), 'the vendor is not needed');
});

t.test('restic backs up, and restores twice: the second time from here', { skip: lacking('restic') }, async (t) => {
  const { folder, gateway, sent } = await start(t, 'restic');
  const source = join(folder, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'large'), randomBytes(20_000_000));
  const env = { ...KEYS, RESTIC_PASSWORD: 'test', HOME: folder, TMPDIR: folder };
  const restic = async (...args: string[]) => {
    const ran = await run('restic', ['-r', `s3:${gateway.url}/${BUCKET}/repo`, '--no-cache', ...args], { env });
    t.equal(ran.status, 0, `restic ${args[0]}\n${ran.stderr}`);
  };
  await restic('init');
  await restic('backup', source);
  await restic('restore', 'latest', '--target', join(folder, 'one'));
  const before = await sent();
  await restic('restore', 'latest', '--target', join(folder, 'two'));
  t.ok(readFileSync(join(folder, 'two', source, 'large')).equals(readFileSync(join(source, 'large'))));
  const fetched = (await sent()) - before;
  // Its own lock, which it reads back, is not kept. It lists before each restore: without the vendor it cannot begin.
  t.ok(fetched < 1000, `${fetched} bytes, of locks`);
});

t.test(
  'docker-registry: what is pushed is pulled from here, also when the vendor is gone',
  { skip: lacking('docker-registry', 'skopeo') },
  async (t) => {
    const { folder, gateway, sent, cut } = await start(t, 'docker-registry');
    const port = await freePort();
    const config = `version: 0.1
log: { level: warn }
storage:
  s3: { accesskey: ${ACCESS_KEY}, secretkey: ${SECRET_KEY}, region: us-east-1, regionendpoint: "${gateway.url}", bucket: ${BUCKET}, secure: false, v4auth: true, rootdirectory: /registry }
  cache: { blobdescriptor: inmemory }
  redirect: { disable: true }
http: { addr: "127.0.0.1:${port}" }
`;
    writeFileSync(join(folder, 'registry.yml'), config);
    const registry = spawn('docker-registry', ['serve', join(folder, 'registry.yml')], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH },
    });
    t.teardown(async () => {
      registry.kill();
      await once(registry, 'exit');
    });
    await until(() => fetch(`http://127.0.0.1:${port}/v2/`).then(({ ok }) => ok));
    // Large enough to be uploaded in parts, and to be copied in parts.
    plantImage(join(folder, 'image'), randomBytes(40_000_000));
    const copy = async (from: string, to: string) => {
      const options = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
      const ran = await run('skopeo', [...options, from, to], { env: { HOME: folder, TMPDIR: folder } });
      t.equal(ran.status, 0, ran.stderr);
    };
    const image = `docker://127.0.0.1:${port}/team/app:latest`;
    await copy(`dir:${join(folder, 'image')}`, image);
    const pushed = await sent();
    await copy(image, `dir:${join(folder, 'one')}`);
    const pulled = (await sent()) - pushed;
    t.ok(pulled < 5000, `${pulled} bytes at the first pull: none of a layer`);
    const before = await sent();
    await copy(image, `dir:${join(folder, 'two')}`);
    t.equal((await sent()) - before, 0, 'no bytes of objects');
    await cut();
    await copy(image, `dir:${join(folder, 'three')}`);
    for (const name of ['one', 'two', 'three']) {
      t.ok(readFileSync(join(folder, name, 'manifest.json')).equals(readFileSync(join(folder, 'image/manifest.json'))));
    }
  },
);

t.test(
  'sccache, played by its own library: the second build from empty compiles nothing and fetches nothing',
  { skip: loadOpendal() === undefined ? 'npm has no opendal binary for this platform' : lacking('gcc') },
  async (t) => {
    const { folder, gateway, sent, cut } = await start(t, 'sccache');
    const units = Array.from({ length: 12 }, (_, index) => `unit${index}.c`);
    for (const [index, unit] of units.entries()) {
      writeFileSync(
        join(folder, unit),
        `#include <stdio.h>\nint f${index}(int x) { return printf("%d", x * ${index}); }\n`,
      );
    }
    const access = { endpoint: gateway.url, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, bucket: BUCKET, folder };
    t.match(await compileAsSccache(access, 'first', units), { hits: 0, misses: 12, isReadOnly: false });
    const before = await sent();
    t.match(await compileAsSccache(access, 'second', units), { hits: 12, misses: 0, isReadOnly: false });
    t.equal((await sent()) - before, 0);
    await cut();
    t.match(await compileAsSccache(access, 'third', units), { hits: 12, misses: 0, isReadOnly: true });
    for (const unit of units) {
      const [first, ...others] = ['first', 'second', 'third'].map((round) =>
        readFileSync(join(folder, `${round}-${unit}.o`)),
      );
      t.ok(others.every((other) => first?.equals(other)));
    }
  },
);

const youngest = await lacksDebian13('sccache');

t.test('sccache itself', { skip: youngest || lacking() }, async (t) => {
  const { folder, gateway, sent, cut } = await start(t, 'sccache');
  for (let index = 0; index < 8; index++) {
    writeFileSync(join(folder, `unit${index}.c`), `int f${index}(int x) { return x * ${index + 2}; }\n`);
  }
  const env = {
    ...KEYS,
    SCCACHE_BUCKET: BUCKET,
    SCCACHE_ENDPOINT: gateway.url.replace('http://', ''),
    SCCACHE_S3_USE_SSL: 'false',
    SCCACHE_REGION: 'us-east-1',
    SCCACHE_S3_KEY_PREFIX: 'objects',
    SCCACHE_SERVER_PORT: String(await freePort()),
    SCCACHE_DIR: join(folder, 'unused'),
    HOME: folder,
  };
  const sccache = (...args: string[]) => run(inDebian13('sccache'), args, { env, cwd: folder });
  t.teardown(async () => void (await sccache('--stop-server')));
  const compileAll = async (round: string): Promise<string> => {
    const started = await sccache('--start-server');
    t.equal(started.status, 0, started.stderr);
    for (let index = 0; index < 8; index++) {
      const compiled = await sccache('gcc', '-c', `unit${index}.c`, '-o', `${round}-${index}.o`);
      t.equal(compiled.status, 0, compiled.stderr);
    }
    const { stdout } = await sccache('--show-stats');
    await sccache('--stop-server');
    return stdout;
  };
  t.match(await compileAll('first'), /Cache misses +8/);
  const before = await sent();
  t.match(await compileAll('second'), /Cache hits +8/);
  t.equal((await sent()) - before, 0);
  await cut();
  t.match(await compileAll('third'), /Cache hits +8/, 'and while the line is down');
});

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (await check().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not begin to answer');
}
