import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { generatedBytes } from '../../support/generated.ts';
import { isInstalled, run, versionOf } from '../process.ts';
import type { Check, ClientAccess, ClientScenario } from '../scenario.ts';
import { ownBucket } from './own-bucket.ts';

/** docker-registry with skopeo before it: an image goes in and comes out again, its layers by URLs that the registry signs. */
export const dockerRegistry: ClientScenario = {
  name: 'docker-registry',
  program: 'docker-registry',
  lacks: async () => (isInstalled('skopeo') ? false : 'skopeo is not installed'),
  version: () => versionOf('docker-registry'),
  async run(t, access) {
    const { folder } = access;
    const { keys } = await ownBucket(t, access);
    const registry = `127.0.0.1:${await startRegistry(t, access)}`;
    const skopeo = async (...args: string[]) => {
      const ran = await run('skopeo', ['--insecure-policy', ...args], { env: { HOME: folder, TMPDIR: folder } });
      t.equal(ran.status, 0, `skopeo ${args[0]}\n${ran.stderr}`);
      return ran.stdout;
    };
    const layer = plantImage(join(folder, 'image'));
    const image = `docker://${registry}/team/app:v1`;
    await skopeo('copy', '--dest-tls-verify=false', `dir:${join(folder, 'image')}`, image);
    // The layers are there by now: the registry only looks at them.
    await skopeo('copy', '--dest-tls-verify=false', `dir:${join(folder, 'image')}`, `docker://${registry}/team/app:v2`);
    const inspected = JSON.parse(await skopeo('inspect', '--tls-verify=false', '--no-tags', image));
    t.strictSame(inspected.Layers, [`sha256:${layer}`]);
    const tags = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${registry}/team/app`));
    t.strictSame(tags.Tags, ['v1', 'v2']);
    await skopeo('copy', '--src-tls-verify=false', image, `dir:${join(folder, 'back')}`);
    for (const name of ['manifest.json', layer]) {
      t.ok(readFileSync(join(folder, 'back', name)).equals(readFileSync(join(folder, 'image', name))), name);
    }
    const blob = await fetch(`http://${registry}/v2/team/app/blobs/sha256:${layer}`, { redirect: 'manual' });
    t.equal(blob.status, 307);
    t.match(blob.headers.get('location'), access.endpoint, 'layers come from the storage, by a signed URL');
    await blob.body?.cancel();
    await skopeo('delete', '--tls-verify=false', image);
    const left = await keys();
    t.strictSame(
      left.filter((key) => key.includes('/_uploads/')),
      [],
      'what uploads needed is gone',
    );
    t.ok(left.some((key) => key.includes(layer)));
  },
};

/** Starts a registry on the bucket, ended with the round; tells its port. */
async function startRegistry(t: Check, access: ClientAccess): Promise<number> {
  const { endpoint, accessKey, secretKey, folder, bucket } = access;
  const config = `version: 0.1
log: { level: info }
http: { addr: "127.0.0.1:0" }
storage:
  s3: { regionendpoint: "${endpoint}", region: eu-west-9, bucket: ${bucket}, accesskey: ${accessKey}, secretkey: ${secretKey}, secure: false, chunksize: 5242880 }
  delete: { enabled: true }
`;
  writeFileSync(join(folder, 'config.yml'), config);
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
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
  for (;;) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
    if (port !== undefined) return Number(port);
    await Promise.race([once(child.stderr, 'data'), once(child.stdout, 'data'), exited]);
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log}`);
  }
}

/** Writes an image of one layer that is nothing but bytes, as skopeo's folder form has it; tells the layer's SHA-256. */
function plantImage(folder: string): string {
  mkdirSync(folder);
  const blob = (content: Buffer): { readonly digest: string; readonly size: number } => {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(folder, hex), content);
    return { digest: `sha256:${hex}`, size: content.length };
  };
  const layer = blob(gzipSync(generatedBytes(12_000_000, 31), { level: 0 }));
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
  return layer.digest.slice('sha256:'.length);
}
