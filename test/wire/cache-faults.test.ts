import { Agent, request } from 'node:http';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { s3Client } from '../support/clients.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { type Line, startFaultProxy } from '../support/fault-proxy.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';

/** A gateway with a cache, a line with faults, and a vendor behind it. */
async function start(test: Test, line: Line) {
  const folder = diskFolder(test);
  const vendor = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: "${folder}/store", default: true }]`);
  const proxy = await startFaultProxy(Number(vendor.url.split(':').at(-1)), line, 5);
  const gateway = await startTestGateway(`${CREDENTIALS}
storages: [{ name: vendor, provider: other, protocol: http, endpoint: "127.0.0.1:${proxy.port}", accessKey: ${ACCESS_KEY}, secretKey: ${SECRET_KEY}, region: us-east-1 }]
buckets: [{ name: cached, storage: vendor, bucket: vendor-bucket, anonymous: read, cache: gitlab-runner }]
cache: { disk: { path: "${folder}/cache", size: 4GiB, minFree: 0 }, verify: 0 }`);
  test.teardown(async () => {
    await gateway.close();
    await proxy.close();
    await vendor.close();
  });
  const direct = s3Client(test, vendor.url);
  await direct.send(new CreateBucketCommand({ Bucket: 'vendor-bucket' }));
  return { gateway, proxy, direct, client: s3Client(test, gateway.url) };
}

async function get(client: S3Client, Key: string): Promise<Buffer | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'cached', Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  } catch {
    return undefined;
  }
}

t.test('over a line that cuts and stalls, what arrives whole is right, and cuts are healed', async (t) => {
  const { direct, client, proxy } = await start(t, { cut: 0.01, stall: 0.005, stallMs: 20 });
  const objects = [300_000, 5_000_000, 40_000_000].map((size, seed) => generatedBytes(size, seed));
  for (const [index, Body] of objects.entries()) {
    await direct.send(new PutObjectCommand({ Bucket: 'vendor-bucket', Key: `key-${index}`, Body }));
  }
  let whole = 0;
  for (let round = 0; round < 2; round++) {
    for (const [index, bytes] of objects.entries()) {
      const read = await get(client, `key-${index}`);
      if (read === undefined) continue;
      whole++;
      if (!read.equals(bytes)) t.fail(`round ${round}: key-${index} has other bytes`);
    }
  }
  t.ok(whole >= 4, `${whole} of 6 arrived`);
  const before = proxy.bytes();
  proxy.set({});
  for (const [index, bytes] of objects.entries()) t.ok((await get(client, `key-${index}`))?.equals(bytes));
  t.ok(proxy.bytes() - before < 41_000_000);
});

t.test(
  'S29 a storage that takes requests and says nothing: known objects stale, misses 503, within the budget',
  async (t) => {
    const { direct, client, proxy } = await start(t, {});
    await direct.send(new PutObjectCommand({ Bucket: 'vendor-bucket', Key: 'key', Body: 'bytes' }));
    await get(client, 'key');
    proxy.set({ stall: 1, stallMs: 60_000 });
    const started = performance.now();
    const [stale, miss] = await Promise.all([get(client, 'key'), get(client, 'other')]);
    const waited = performance.now() - started;
    t.equal(stale?.toString(), 'bytes');
    t.equal(miss, undefined);
    t.ok(waited < 6_500, `${Math.round(waited)} ms`);
    const again = performance.now();
    t.equal((await get(client, 'key'))?.toString(), 'bytes');
    t.equal(await get(client, 'other'), undefined);
    t.ok(performance.now() - again < 2_500, 'nobody waits for it a second time');
  },
);

t.test('the vendor is gone: a known object is served stale within 10 ms, a miss refused as fast', async (t) => {
  const { direct, client, proxy, gateway } = await start(t, {});
  await direct.send(new PutObjectCommand({ Bucket: 'vendor-bucket', Key: 'key', Body: generatedBytes(2_000_000, 1) }));
  await get(client, 'key');
  await proxy.close();
  t.equal((await get(client, 'key'))?.length, 2_000_000);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  for (const [key, status] of [
    ['key', 200],
    ['other', 503],
  ] as const) {
    const first: number[] = [];
    for (let round = 0; round < 30; round++) first.push(await firstByte(`${gateway.url}/cached/${key}`, status, agent));
    // What else runs on the machine makes some slower; what the gateway waits for would make all of them so.
    const fastest = Math.min(...first);
    t.ok(fastest < 10, `${key}: ${fastest.toFixed(1)} ms to the first byte`);
  }
  t.match(gateway.log(), /"cache":"stale"/);
});

/** Milliseconds to the first byte of an answer that must have this status. */
function firstByte(url: string, status: number, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const message = request(url, { agent }, (response) => {
      let first: number | undefined;
      response.on('data', () => {
        first ??= performance.now() - begun;
      });
      response.once('end', () => {
        if (response.statusCode === status && first !== undefined) resolve(first);
        else reject(new Error(`${url}: ${response.statusCode}`));
      });
    });
    message.once('error', reject).end();
  });
}
