import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { isInstalled, run } from './process.ts';

const lacking = (...programs: string[]): string | false => {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;
};

/** A gateway with one preset, over a vendor whose own log says what was taken from it. */
async function start(test: Test, preset: string) {
  const folder = diskFolder(test);
  const vendor = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: "${folder}/store", default: true }]`);
  await s3Client(test, vendor.url).send(new CreateBucketCommand({ Bucket: 'vendor-bucket' }));
  const yaml = `${CREDENTIALS}
storages:
  - { name: vendor, provider: other, protocol: http, endpoint: "${vendor.url.replace('http://', '')}", accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, region: us-east-1 }
buckets: [{ name: shared, storage: vendor, bucket: vendor-bucket, prefix: team/, cache: ${preset} }]
cache: { disk: { path: "${folder}/cache", size: 4GiB, minFree: 0 }, verify: 0 }`;
  const gateway = await startTestGateway(yaml);
  test.teardown(async () => {
    await gateway.close();
    await vendor.close();
  });
  /** Bytes of objects that the vendor has sent so far, by its own log. */
  const sent = (): number =>
    vendor
      .log()
      .split('\n')
      .filter((line) => line.includes('"operation":"GetObject"'))
      .map((line) => JSON.parse(line) as { readonly status: number; readonly bytesSent: number })
      .filter(({ status }) => status === 200 || status === 206)
      .reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  return { folder, vendor, gateway, sent };
}

const KEYS = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };

t.test(
  'sccache compiles twice from empty: the second time nothing is compiled or fetched',
  { skip: lacking('sccache', 'gcc') },
  async (t) => {
    const { folder, gateway, sent } = await start(t, 'sccache');
    for (let index = 0; index < 8; index++) {
      writeFileSync(join(folder, `unit${index}.c`), `int f${index}(int x) { return x * ${index + 2}; }\n`);
    }
    const port = await freePort();
    const env = {
      ...KEYS,
      SCCACHE_BUCKET: 'shared',
      SCCACHE_ENDPOINT: gateway.url.replace('http://', ''),
      SCCACHE_S3_USE_SSL: 'false',
      SCCACHE_REGION: 'us-east-1',
      SCCACHE_S3_KEY_PREFIX: 'objects',
      SCCACHE_SERVER_PORT: String(port),
      SCCACHE_DIR: join(folder, 'unused'),
      HOME: folder,
    };
    const sccache = (...args: string[]) => run('sccache', args, { env, cwd: folder });
    t.teardown(async () => void (await sccache('--stop-server')));
    const compileAll = async (round: string): Promise<string | undefined> => {
      const started = await sccache('--start-server');
      // Debian builds it without S3. The first call may only say that the server did not start in time; the next says why.
      const why = started.status === 0 ? '' : started.stderr + (await sccache('--show-stats')).stderr;
      if (/cache type is not enabled/.test(why)) return undefined;
      t.equal(started.status, 0, why);
      for (let index = 0; index < 8; index++) {
        const compiled = await sccache('gcc', '-c', `unit${index}.c`, '-o', `${round}-${index}.o`);
        t.equal(compiled.status, 0, compiled.stderr);
      }
      const { stdout } = await sccache('--show-stats');
      await sccache('--stop-server');
      return stdout;
    };
    const first = await compileAll('first');
    if (first === undefined) {
      t.pass('compiles twice', { skip: 'this sccache was built without S3' });
      return;
    }
    t.match(first, /Cache misses +8/);
    const before = sent();
    t.match(await compileAll('second'), /Cache hits +8/);
    for (let index = 0; index < 8; index++) {
      t.ok(readFileSync(join(folder, `first-${index}.o`)).equals(readFileSync(join(folder, `second-${index}.o`))));
    }
    const fetched = sent() - before;
    t.ok(fetched < 2000, `${fetched} bytes, of the check file that the preset does not cache`);
  },
);

t.test(
  'restic backs up, and restores twice: the second time from the cache',
  { skip: lacking('restic') },
  async (t) => {
    const { folder, gateway, sent } = await start(t, 'restic');
    const source = join(folder, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'large'), randomBytes(20_000_000));
    const env = { ...KEYS, RESTIC_PASSWORD: 'test', HOME: folder, TMPDIR: folder };
    const restic = async (...args: string[]) => {
      const ran = await run('restic', ['-r', `s3:${gateway.url}/shared/repo`, '--no-cache', ...args], { env });
      t.equal(ran.status, 0, `restic ${args[0]}\n${ran.stderr}`);
      return ran.stdout;
    };
    await restic('init');
    await restic('backup', source);
    await restic('restore', 'latest', '--target', join(folder, 'one'));
    const before = sent();
    await restic('restore', 'latest', '--target', join(folder, 'two'));
    t.ok(readFileSync(join(folder, 'two', source, 'large')).equals(readFileSync(join(source, 'large'))));
    const fetched = sent() - before;
    t.ok(fetched < 10_000, `${fetched} bytes, of locks`);
  },
);

t.test('awscli and its parallel ranges: the second download moves nothing', { skip: lacking('aws') }, async (t) => {
  const { folder, vendor, gateway, sent } = await start(t, 'zadig');
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
  const object = 's3://shared/wf/cache/svc/mod/zadig-build-cache.tar.gz';
  await copy(file, object);
  await copy(object, join(folder, 'one'));
  const before = sent();
  await copy(object, join(folder, 'two'));
  t.equal(sent() - before, 0);
  await vendor.close();
  await copy(object, join(folder, 'three'));
  for (const name of ['one', 'two', 'three']) t.ok(readFileSync(join(folder, name)).equals(readFileSync(file)), name);
});

t.test(
  'docker-registry: an image is pushed once, and pulled twice',
  { skip: lacking('docker-registry', 'skopeo') },
  async (t) => {
    const { folder, gateway, sent } = await start(t, 'docker-registry');
    const port = await freePort();
    const config = `version: 0.1
log: { level: warn }
storage:
  s3: { accesskey: ${ACCESS_KEY}, secretkey: ${SECRET_KEY}, region: us-east-1, regionendpoint: "${gateway.url}", bucket: shared, secure: false, v4auth: true, rootdirectory: /registry }
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
    plantImage(join(folder, 'image'));
    const copy = async (from: string, to: string) => {
      const options = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
      const ran = await run('skopeo', [...options, from, to], { env: { HOME: folder, TMPDIR: folder } });
      t.equal(ran.status, 0, ran.stderr);
    };
    const image = `docker://127.0.0.1:${port}/team/app:latest`;
    await copy(`dir:${join(folder, 'image')}`, image);
    await copy(image, `dir:${join(folder, 'one')}`);
    const before = sent();
    await copy(image, `dir:${join(folder, 'two')}`);
    t.equal(sent() - before, 0, 'no bytes of objects');
    for (const name of ['manifest.json']) {
      t.ok(readFileSync(join(folder, 'two', name)).equals(readFileSync(join(folder, 'image', name))));
    }
  },
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a pipe name.
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (await check().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('it did not begin to answer');
}

/** An image of one layer that is nothing but bytes, as skopeo's folder form has it. */
function plantImage(folder: string): void {
  mkdirSync(folder);
  const blob = (content: Buffer): { readonly digest: string; readonly size: number } => {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(folder, hex), content);
    return { digest: `sha256:${hex}`, size: content.length };
  };
  const layer = blob(gzipSync(randomBytes(12_000_000), { level: 0 }));
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const config = blob(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs })));
  const base = 'application/vnd.docker';
  const manifest = {
    schemaVersion: 2,
    mediaType: `${base}.distribution.manifest.v2+json`,
    config: { mediaType: `${base}.container.image.v1+json`, ...config },
    layers: [{ mediaType: `${base}.image.rootfs.diff.tar.gzip`, ...layer }],
  };
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
}
