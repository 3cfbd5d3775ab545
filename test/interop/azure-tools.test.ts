import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { azureGateway } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { s3Client } from '../support/clients.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { isInstalled, run } from './process.ts';
import { plantRandom, plantTree, readTree, sha256Of, TREE } from './scenario.ts';

const MiB = 2 ** 20;
const azurite = await startAzurite();
t.teardown(() => azurite.stop());
const gateway = await azureGateway(t, azurite);
const lacks = (program: string) => (isInstalled(program) ? false : `${program} is not installed`);

t.test('restic backs up, checks and restores', { skip: lacks('restic') }, async (t) => {
  await s3Client(t, gateway.url).send(new CreateBucketCommand({ Bucket: 'restic' }));
  const folder = t.testdir();
  const file = (name: string) => join(folder, name);
  const env = {
    HOME: folder,
    RESTIC_REPOSITORY: `s3:${gateway.url}/restic/repo`,
    RESTIC_PASSWORD: 'of no value',
    RESTIC_CACHE_DIR: file('cache'),
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  };
  const restic = async (...args: string[]) => {
    const ran = await run('restic', args, { env, cwd: folder });
    t.equal(ran.status, 0, `restic ${args[0]}\n${ran.stderr}`);
    return ran.stdout;
  };
  mkdirSync(file('data'));
  plantTree(file('data/tree'));
  const large = plantRandom(file('data/large.bin'), 40 * MiB);
  await restic('init');
  await restic('backup', 'data');
  writeFileSync(file('data/tree/plain.txt'), 'changed');
  await restic('backup', 'data');
  t.match(await restic('check', '--read-data'), 'no errors were found');
  t.match(await restic('snapshots'), '2 snapshots');
  await restic('restore', 'latest', '--target', file('back'));
  t.strictSame(readTree(file('back/data/tree')), { ...TREE, 'plain.txt': 'changed' });
  t.equal(sha256Of(file('back/data/large.bin')), large);
  await restic('forget', '--keep-last', '1', '--prune');
  t.match(await restic('check', '--read-data', '--no-cache'), 'no errors were found');
});

t.test('docker-registry takes and gives an image', { skip: lacks('docker-registry') }, async (t) => {
  await s3Client(t, gateway.url).send(new CreateBucketCommand({ Bucket: 'registry' }));
  const folder = t.testdir();
  const config = join(folder, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1
log: { level: info }
http: { addr: "127.0.0.1:0" }
storage:
  s3:
    regionendpoint: ${gateway.url}
    region: us-east-1
    bucket: registry
    accesskey: ${ACCESS_KEY}
    secretkey: ${SECRET_KEY}
    secure: false
    chunksize: ${5 * MiB}
  delete: { enabled: true }
  redirect: { disable: true }
`,
  );
  const child = spawn('docker-registry', ['serve', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Whatever else the environment says of AWS would be believed.
    env: { PATH: process.env.PATH, HOME: folder },
  });
  const exited = once(child, 'close');
  t.teardown(async () => {
    child.kill();
    await exited;
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
  }
  const port = () => /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
  while (port() === undefined) {
    await Promise.race([once(child.stderr, 'data'), once(child.stdout, 'data'), exited]);
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log}`);
  }
  const registry = `http://127.0.0.1:${port()}`;
  const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

  const push = async (bytes: Buffer) => {
    const begun = await fetch(`${registry}/v2/team/app/blobs/uploads/`, { method: 'POST' });
    t.equal(begun.status, 202);
    let location = begun.headers.get('location') ?? '';
    // In pieces, so that the registry keeps up an upload in parts, and copies parts of it, between requests.
    for (let start = 0; start < bytes.byteLength; start += 7 * MiB) {
      const body = bytes.subarray(start, start + 7 * MiB);
      const range = `${start}-${start + body.byteLength - 1}`;
      const sent = await fetch(location, {
        method: 'PATCH',
        headers: { 'content-type': 'application/octet-stream', 'content-range': range },
        body: new Uint8Array(body),
      });
      t.equal(sent.status, 202, `bytes ${range}\n${log.slice(-500)}`);
      location = sent.headers.get('location') ?? '';
    }
    const done = await fetch(`${location}&digest=${digestOf(bytes)}`, { method: 'PUT' });
    t.equal(done.status, 201, log.slice(-500));
  };

  const [layer, image] = [generatedBytes(20 * MiB + 5, 1), Buffer.from('{"architecture":"amd64","os":"linux"}')];
  await push(layer);
  await push(image);
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: type,
      config: {
        mediaType: 'application/vnd.docker.container.image.v1+json',
        size: image.byteLength,
        digest: digestOf(image),
      },
      layers: [
        {
          mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
          size: layer.byteLength,
          digest: digestOf(layer),
        },
      ],
    }),
  );
  const put = await fetch(`${registry}/v2/team/app/manifests/v1`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: new Uint8Array(manifest),
  });
  t.equal(put.status, 201, log.slice(-500));
  t.same(await (await fetch(`${registry}/v2/team/app/tags/list`)).json(), { name: 'team/app', tags: ['v1'] });
  const got = await fetch(`${registry}/v2/team/app/manifests/v1`, { headers: { accept: type } });
  t.equal(await got.text(), manifest.toString());
  const back = await fetch(`${registry}/v2/team/app/blobs/${digestOf(layer)}`);
  t.equal(digestOf(Buffer.from(await back.arrayBuffer())), digestOf(layer));
  const removed = await fetch(`${registry}/v2/team/app/manifests/${digestOf(manifest)}`, { method: 'DELETE' });
  t.equal(removed.status, 202);
});
