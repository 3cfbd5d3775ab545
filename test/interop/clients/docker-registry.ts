import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedBytes } from '../../support/generated.ts';
import { isInstalled, run, versionOf } from '../process.ts';
import type { Check, ClientAccess, ClientScenario } from '../scenario.ts';
import { plantImage } from './docker-image.ts';
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
    const layer = plantImage(join(folder, 'image'), generatedBytes(12_000_000, 31));
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
    await pushInPieces(t, registry);
    const left = await keys();
    t.strictSame(
      left.filter((key) => key.includes('/_uploads/')),
      [],
      'what uploads needed is gone',
    );
    t.ok(left.some((key) => key.includes(layer)));
  },
};

const PIECE_BYTES = 7 * 2 ** 20;

/** In pieces the registry keeps an upload in parts up between requests, and copies parts of it. */
async function pushInPieces(t: Check, registry: string): Promise<void> {
  const layer = generatedBytes(2 * PIECE_BYTES + 5, 1);
  const blobs = `http://${registry}/v2/team/pieces/blobs`;
  const begun = await fetch(`${blobs}/uploads/`, { method: 'POST' });
  t.equal(begun.status, 202);
  let location = begun.headers.get('location') ?? '';
  for (let start = 0; start < layer.byteLength; start += PIECE_BYTES) {
    const body = new Uint8Array(layer.subarray(start, start + PIECE_BYTES));
    const range = `${start}-${start + body.byteLength - 1}`;
    const headers = { 'content-type': 'application/octet-stream', 'content-range': range };
    const sent = await fetch(location, { method: 'PATCH', headers, body });
    t.equal(sent.status, 202, `bytes ${range}`);
    location = sent.headers.get('location') ?? '';
  }
  const digest = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const done = await fetch(`${location}&digest=${digest}`, { method: 'PUT' });
  t.equal(done.status, 201);
  const back = await fetch(`${blobs}/${digest}`);
  t.ok(Buffer.from(await back.arrayBuffer()).equals(layer), 'what went in in pieces');
}

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
