import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import t from 'tap';
import { generator } from '../support/cache-history.ts';
import { s3Client } from '../support/clients.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { sluice } from '../support/sluice-process.ts';

// 200 for the long run.
const CRASHES = Number(process.env.SLUICE_CACHE_CRASHES ?? 8);
t.setTimeout(3_600_000);

t.test(`after each of ${CRASHES} kill -9 under load every object is right, and the cache goes on`, async (t) => {
  const folder = diskFolder(t);
  const random = generator(7);
  const vendor = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: "${folder}/store", default: true }]`);
  t.teardown(() => vendor.close());
  const direct = s3Client(t, vendor.url);
  await direct.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  const file = join(folder, 'sluice.yaml');
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
admin: { listen: "127.0.0.1:0", token: token-of-this-test }
${CREDENTIALS}
storages: [{ name: vendor, provider: other, protocol: http, endpoint: "${vendor.url.replace('http://', '')}", accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, region: us-east-1 }]
buckets: [{ name: cached, storage: vendor, bucket: bucket, cache: mine }]
cache:
  memory: 16MiB
  disk: { path: "${folder}/cache", size: 60MB, minFree: 0 }
  verify: 0
  ruleSets: { mine: [{ match: "i/**", mode: immutable }, { match: "**", mode: revalidate }] }
`,
  );
  const keys = Array.from({ length: 12 }, (_, index) => `${index % 2 === 0 ? 'i' : 'r'}/${index}`);
  let version = 0;
  let hits = 0;
  const bytesOf = async (client: S3Client, Bucket: string, Key: string): Promise<Buffer | undefined> => {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch {
      return undefined;
    }
  };
  for (let crash = 0; crash <= CRASHES; crash++) {
    const gateway = sluice(['serve', '--config', file]);
    await gateway.until(/listens on (\S+)/);
    const url = /listens on (\S+)/.exec(gateway.stdout())?.[1] ?? '';
    const client = s3Client(t, url);
    for (const key of keys) {
      const [through, held] = [await bytesOf(client, 'cached', key), await bytesOf(direct, 'bucket', key)];
      if (through === undefined ? held !== undefined : held === undefined || !through.equals(held)) {
        t.fail(`after crash ${crash}: ${key} is not what the storage holds`);
      }
      if (through !== undefined) hits++;
    }
    // Once all files were looked at, the account is theirs.
    await gateway.until(/Admin page: \S+/);
    const admin = /Admin page: (\S+)/.exec(gateway.stdout())?.[1] ?? '';
    const headers = { authorization: 'Bearer token-of-this-test' };
    const counted = async (): Promise<string> => (await fetch(`${admin}/api/cache/stats`, { headers })).text();
    while (!(await counted()).includes(`"count":${filesIn(join(folder, 'cache'))},"size":60000000`)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    let isOver = false;
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const Key = keys[Math.floor(random() * keys.length)] ?? '';
        const Body = generatedBytes(1 + Math.floor(random() * 6_000_000), version++);
        if (random() < 0.4)
          await client.send(new PutObjectCommand({ Bucket: 'cached', Key, Body })).catch(() => undefined);
        else await bytesOf(client, 'cached', Key);
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 100 + random() * 400));
    gateway.child.kill('SIGKILL');
    isOver = true;
    await gateway.exited;
    await Promise.all(load);
  }
  t.ok(hits > 0);
});

function filesIn(cache: string): number {
  const entries = readdirSync(join(cache, 'sluice-cache-v1', 'o'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}
