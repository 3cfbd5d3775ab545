import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import t, { type Test } from 'tap';
import { ConfigError } from '../../src/config/config-error.ts';
import { parseConfig } from '../../src/config/load.ts';
import { s3Client } from '../support/clients.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { generatedBytes } from '../support/generated.ts';
import { sluice } from '../support/sluice-process.ts';

const TOKEN = 'admin-token-of-the-tests';

const STRANGER = { accessKey: 'STRANGER', secretKey: 'secret-of-the-stranger' };

function yaml(folder: string, vendor: string, more = ''): string {
  return `${CREDENTIALS.replace(
    ' }]',
    ` },
  { name: stranger, accessKey: ${STRANGER.accessKey}, secretKey: ${STRANGER.secretKey}, access: [{ bucket: cached, prefix: open/, allow: [read] }] }]`,
  )}
storages:
  - { name: vendor, provider: other, protocol: http, endpoint: "${vendor}", accessKey: TESTACCESSKEY, secretKey: test-secret-key-of-no-value, region: us-east-1, retries: 0 }
buckets:
  - { name: cached, storage: vendor, bucket: data-1, prefix: ci/, cache: mine }
  - { name: plain, storage: vendor, bucket: data-1, prefix: ci/ }
cache:
  memory: 64MiB
  disk: { path: "${folder}/cache", size: 1GiB, minFree: 0 }
  verify: 0
  ruleSets: { mine: [{ match: "fixed/**", mode: immutable }, { match: "**", mode: revalidate }] }
${more}`;
}

/** A gateway with a cache, over a gateway with a store: two hops as to a vendor. */
async function start(test: Test) {
  const folder = diskFolder(test);
  const vendor = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: "${folder}/store", default: true }]`);
  const vendorClient = s3Client(test, vendor.url);
  await vendorClient.send(new CreateBucketCommand({ Bucket: 'data-1' }));
  const gateway = await startTestGateway(yaml(folder, vendor.url.replace('http://', '')));
  test.teardown(async () => {
    await gateway.close();
    await vendor.close();
  });
  return { gateway, vendor, vendorClient, client: s3Client(test, gateway.url), folder };
}

async function get(client: S3Client, Bucket: string, Key: string, more: object = {}) {
  let result: string | undefined;
  const command = new GetObjectCommand({ Bucket, Key, ...more });
  command.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      // The SDK's own response object, of no declared shape.
      result = (answer.response as { headers: Record<string, string> }).headers['x-sluice-cache'];
      return answer;
    },
    { step: 'deserialize' },
  );
  const answer = await client.send(command);
  const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
  return { result, bytes, etag: answer.ETag };
}

const api = (url: string, path: string, body?: object) =>
  fetch(`${url}/api/cache/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).then(async (response) => ({ status: response.status, json: await response.json() }));

t.test('K02 K03 one object under two names is seen through both, and cached under one', async (t) => {
  const { client, vendorClient } = await start(t);
  const [one, two] = [generatedBytes(3_000_000, 1), generatedBytes(3_000_000, 2)];
  await vendorClient.send(new PutObjectCommand({ Bucket: 'data-1', Key: 'ci/key', Body: one }));
  t.equal((await get(client, 'cached', 'key')).result, 'miss');
  const read = await get(client, 'cached', 'key');
  t.equal(read.result, 'revalidated');
  t.ok(read.bytes.equals(one));
  t.equal((await get(client, 'plain', 'key')).result, undefined);
  await client.send(new PutObjectCommand({ Bucket: 'plain', Key: 'key', Body: two }));
  t.ok((await get(client, 'cached', 'key')).bytes.equals(two));
});

t.test(
  'an immutable object is read without the storage, and a write to it under another name still counts',
  async (t) => {
    const { client, vendor, vendorClient } = await start(t);
    await vendorClient.send(new PutObjectCommand({ Bucket: 'data-1', Key: 'ci/fixed/key', Body: 'one' }));
    await get(client, 'cached', 'fixed/key');
    t.equal((await get(client, 'cached', 'fixed/key')).result, 'hit');
    await client.send(new PutObjectCommand({ Bucket: 'plain', Key: 'fixed/key', Body: 'two' }));
    t.equal((await get(client, 'cached', 'fixed/key')).bytes.toString(), 'two');
    await get(client, 'cached', 'fixed/key');
    await vendor.close();
    t.equal((await get(client, 'cached', 'fixed/key')).bytes.toString(), 'two', 'the storage is not needed');
    const failed = await client
      .send(new HeadObjectCommand({ Bucket: 'cached', Key: 'other' }))
      .catch((error: unknown) => error);
    t.match(failed, { $metadata: { httpStatusCode: 503 } });
  },
);

t.test('the API and the command list, warm and purge', async (t) => {
  const { client, gateway, vendorClient } = await start(t);
  for (const key of ['a b', 'é', 'deep/c'])
    await vendorClient.send(
      new PutObjectCommand({ Bucket: 'data-1', Key: `ci/ws/${key}`, Body: generatedBytes(2_000_000, 3) }),
    );
  const env = { SLUICE_ADMIN_TOKEN: TOKEN };
  const run = async (...args: string[]) => {
    const process = sluice(['cache', ...args, '--admin', gateway.adminUrl], { env });
    t.equal(await process.exited, 0, process.stderr());
    return process.stdout();
  };
  t.match(await run('warm', 'cached/ws/'), /3 objects, 5.7 MiB/);
  t.equal((await get(client, 'cached', 'ws/é')).result, 'revalidated');
  const list = await run('ls', 'cached/ws');
  t.match(list, /1.9 MiB {2}\S+ {2}cached\/ws\/a b\n/);
  t.equal(list.trim().split('\n').length, 3);
  t.match(
    await run('stats'),
    /disk: 5.7 MiB of 1.0 GiB, 3 objects[\s\S]*mine:\*\*[\s\S]*GET miss +3[\s\S]*GET from here +25.0%/,
  );
  t.match(await run('purge', 'cached/ws'), /3 objects purged/);
  const begun = performance.now();
  t.match(await run('warm', 'cached/ws/', '--rate', '20MiB'), /3 objects, 5.7 MiB/);
  t.ok(performance.now() - begun > 150, 'no faster than its rate');
  const lost = sluice(['cache', 'warm', 'nowhere', '--admin', gateway.adminUrl], { env });
  t.equal(await lost.exited, 1);
  t.match(lost.stderr(), /see the log of the gateway/);
  t.match(gateway.log(), /could not be listed/);
  t.match(await run('purge', 'cached/ws/deep/'), /1 object purged/);
  t.match(await api(gateway.adminUrl, 'purge', {}), { status: 200, json: { purged: 2 } });
  t.match(await api(gateway.adminUrl, 'entries'), { json: { entries: [] } });
  t.match(await api(gateway.adminUrl, 'entries?limit=x'), { status: 400 });
  t.match(await api(gateway.adminUrl, 'nothing'), { status: 404 });
  const cookie = { cookie: `sluice_token=${TOKEN}` };
  const forged = await fetch(`${gateway.adminUrl}/api/cache/purge`, { method: 'POST', headers: cookie, body: '{}' });
  t.equal(forged.status, 401, 'M04 a cookie does not steer');
  const metrics = await fetch(`${gateway.adminUrl}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const text = await metrics.text();
  t.match(text, /sluice_cache_requests_total\{rule="mine:\*\*",method="GET",result="revalidated"\} 1/);
  t.match(text, /sluice_cache_size\{tier="disk"\} 1073741824/);
  t.match(text, /sluice_cache_saved_bytes_total\{rule="mine:\*\*"\} 2000000/);
  t.match(text, /sluice_cache_revalidations_total\{rule="mine:\*\*",answer="unchanged"\} 1/);
  t.match(text, /sluice_cache_verified_total\{rule="mine:\*\*",found="stale"\} 0/);
  t.match(text, /# TYPE sluice_cache_evicted_age_seconds histogram/);
  t.match(text, /sluice_cache_evicted_age_seconds_bucket\{tier="disk",le="3600"\} 0/);
  t.match(text, /sluice_cache_evicted_age_seconds_bucket\{tier="disk",le="\+Inf"\} 0/);
});

t.test(
  'K01 what is cached for one is refused to another who may not have it, hit or miss, at every request',
  async (t) => {
    const { client, gateway, vendor, vendorClient, folder } = await start(t);
    for (const Key of ['ci/fixed/key', 'ci/open/key']) {
      await vendorClient.send(new PutObjectCommand({ Bucket: 'data-1', Key, Body: Key }));
    }
    const stranger = s3Client(t, gateway.url, STRANGER);
    const requests = () => gateway.log().match(/"cache":"/g)?.length ?? 0;
    await get(client, 'cached', 'fixed/key');
    t.equal((await get(client, 'cached', 'fixed/key')).result, 'hit');
    const before = requests();
    for (const Key of ['fixed/key', 'fixed/absent']) {
      for (const command of [GetObjectCommand, HeadObjectCommand]) {
        const refused = await stranger.send(new command({ Bucket: 'cached', Key })).catch((error: unknown) => error);
        t.match(refused, { $metadata: { httpStatusCode: 403 } }, `${command.name} ${Key}`);
      }
    }
    t.equal(requests(), before, 'the cache was not asked');
    t.equal((await get(stranger, 'cached', 'open/key')).bytes.toString(), 'ci/open/key');
    const text = yaml(folder, vendor.url.replace('http://', '')).replace('prefix: open/', 'prefix: closed/');
    await gateway.reload(parseConfig(text, 'test', { env: {}, readFile: () => '' }));
    await t.rejects(get(stranger, 'cached', 'open/key'), { name: 'AccessDenied' }, 'a right that was taken away');
  },
);

t.test('K04 a storage that is pointed elsewhere shares nothing with what it was', async (t) => {
  const { client, gateway, vendorClient, folder } = await start(t);
  await vendorClient.send(new PutObjectCommand({ Bucket: 'data-1', Key: 'ci/fixed/key', Body: 'here' }));
  await get(client, 'cached', 'fixed/key');
  const other = await start(t);
  await other.vendorClient.send(new PutObjectCommand({ Bucket: 'data-1', Key: 'ci/fixed/key', Body: 'there' }));
  const options = { env: {}, readFile: () => '' };
  await gateway.reload(parseConfig(yaml(folder, other.vendor.url.replace('http://', '')), 'test', options));
  t.equal((await get(client, 'cached', 'fixed/key')).bytes.toString(), 'there');
  t.equal((await get(client, 'cached', 'fixed/key')).result, 'hit', 'the cache outlives the reload');
});

t.test(
  'other sizes of the cache count after a reload, and another folder is said to wait for the next start',
  async (t) => {
    const { gateway, client, vendorClient, vendor, folder } = await start(t);
    await vendorClient.send(
      new PutObjectCommand({ Bucket: 'data-1', Key: 'ci/fixed/key', Body: generatedBytes(3e6, 1) }),
    );
    await get(client, 'cached', 'fixed/key');
    const isKept = async () => /"count":1/.test(JSON.stringify((await api(gateway.adminUrl, 'stats')).json));
    while (!(await isKept())) await new Promise(setImmediate);
    const text = yaml(folder, vendor.url.replace('http://', ''));
    const reload = (changed: string) => gateway.reload(parseConfig(changed, 'test', { env: {}, readFile: () => '' }));
    await reload(text.replace('size: 1GiB', 'size: 2MB').replace('memory: 64MiB', 'memory: 8MiB'));
    const { json } = await api(gateway.adminUrl, 'stats');
    t.match(json, { usage: { memory: { size: 6_291_456 }, disk: { size: 2_000_000, bytes: 0 } } });
    t.notMatch(gateway.log(), /next start/);
    await reload(text.replace(`path: "${folder}/cache"`, `path: "${folder}/elsewhere"`));
    t.match(gateway.log(), /another folder for the cache, or none, counts from the next start on/);
  },
);

t.test('a bucket may not name rules that are not there, nor rules the name of a preset', async (t) => {
  const options = { env: {}, readFile: () => '' };
  const problemsOf = (text: string): string => {
    try {
      parseConfig(text, 'test', options);
      return '';
    } catch (error) {
      return error instanceof ConfigError ? error.problems.join('\n') : String(error);
    }
  };
  const names = problemsOf(
    yaml('x', 'localhost:1').replace('cache: mine', 'cache: yours').replace('mine: [', 'zadig: ['),
  );
  t.match(names, /cache\.ruleSets\.zadig.*preset/);
  t.match(names, /buckets\[0\]\.cache.*no rule set is named yours/);
  t.match(problemsOf(yaml('x', 'localhost:1').replace('mode: immutable', 'mode: ttl')), /maxAge/);
});
