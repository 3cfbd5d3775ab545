import { CreateBucketCommand } from '@aws-sdk/client-s3';
import type { Test } from 'tap';
import { type Ceph, startCeph } from '../support/ceph.ts';
import { s3Client } from '../support/clients.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';

/** What clients of the test gateway sign with. */
export const KEYS = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };

/** The bucket that clients see. */
export const BUCKET = 'shared';

export interface CachedCeph {
  readonly gateway: TestGateway;
  /** For whatever the test writes. */
  readonly folder: string;
  /** Bytes of objects that Ceph has sent so far, by its own log. */
  sent(): Promise<number>;
  /** Nobody reaches Ceph any more. */
  cut(): Promise<void>;
}

/** One Ceph for the whole file; started when first wanted, as that takes 15 seconds. */
export function sharedCeph(test: Test): () => Promise<Ceph> {
  let started: Promise<Ceph> | undefined;
  test.teardown(async () => (await started)?.stop());
  return () => {
    started ??= startCeph();
    return started;
  };
}

/** A gateway with one preset over a bucket of its own in Ceph. */
export async function startCachedCeph(test: Test, ceph: Ceph, preset: string): Promise<CachedCeph> {
  const folder = diskFolder(test);
  const { accessKey, secretKey, port } = ceph;
  const bucket = `vendor-${preset}`;
  const direct = s3Client(test, `http://127.0.0.1:${port}`, { accessKey, secretKey });
  await direct.send(new CreateBucketCommand({ Bucket: bucket }));
  const line = await startFaultProxy(port, {});
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: vendor, provider: ceph, protocol: http, endpoint: "localhost:${line.port}", accessKey: ${accessKey}, secretKey: ${secretKey} }
buckets: [{ name: ${BUCKET}, storage: vendor, bucket: ${bucket}, prefix: team/, cache: ${preset} }]
cache: { disk: { path: "${folder}/cache", size: 4GiB, minFree: 0 }, verify: 0 }`);
  test.teardown(async () => {
    await gateway.close();
    await line.close();
  });
  let markers = 0;
  return {
    gateway,
    folder,
    sent: async () => {
      // The log is written behind: when this request is in it, all before are.
      const marker = `/marker-${bucket}-${markers++}`;
      await fetch(`http://127.0.0.1:${port}${marker}`);
      for (;;) {
        const log = await ceph.log();
        if (log.includes(marker)) return bytesSent(log, bucket);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    cut: () => line.close(),
  };
}

/** Path style and virtual-hosted requests look alike in the log: the bucket's name stands in the first, not in the second. */
function bytesSent(log: string, bucket: string): number {
  const reads = log.matchAll(/beast: .*"GET \/(\S*) HTTP\/1\.1" 20[06] (\d+) /g);
  return [...reads]
    .filter(([, path = '']) => path.startsWith(`${bucket}/team/`) || path.startsWith('team/'))
    .reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
}
