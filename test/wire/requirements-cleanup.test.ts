import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { CREDENTIALS, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';

/** How Sluice cleans up what Zadig (Z) and Overture Score (S) leave behind: docs/cleanup.md. */

const DAY = 86_400_000;
const CLEANUP = 'cleanup: { schedule: "0 3 * * *", incompleteUploads: 6d }';
const AUTHORIZATION = { authorization: 'Bearer admin-token-of-the-tests' };

async function api(gateway: TestGateway, method: string, body?: unknown) {
  const response = await fetch(`${gateway.adminUrl}/api/cleanup`, {
    method,
    headers: AUTHORIZATION,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: JSON.parse(await response.text()) };
}

/** Runs it now, and gives the report. */
async function run(gateway: TestGateway, options: object = {}) {
  const { status, json } = await api(gateway, 'POST', options);
  if (status !== 202) throw new Error(JSON.stringify(json));
  for (;;) {
    const { last } = (await api(gateway, 'GET')).json;
    if (last.state !== 'running') return last;
  }
}

async function gatewayOf(t: Test, yaml: string, now?: () => Date): Promise<TestGateway> {
  const gateway = await startTestGateway(`${CREDENTIALS}\n${yaml}`, { ...(now && { now }) });
  t.teardown(() => gateway.close());
  return gateway;
}

const uploadIdIn = (document: string): string => /<UploadId>([^<]*)</.exec(document)?.[1] ?? '';

t.test('ZS-R27 D20 the embedded store lets go of uploads that were given up, and of none being written', async (t) => {
  let shift = 0;
  const gateway = await gatewayOf(
    t,
    `${CLEANUP}\nstorages: [{ name: local, provider: filesystem, path: ${JSON.stringify(t.testdir())}, default: true }]`,
    () => new Date(Date.now() + shift),
  );
  const { ask, presign } = wireClient(t, { port: gateway.port });
  const begin = async (bucket: string, key: string) => {
    const uploadId = uploadIdIn((await ask('POST', bucket, key, { query: 'uploads' })).text);
    await ask('PUT', bucket, key, { query: `partNumber=1&uploadId=${uploadId}`, body: Buffer.from('part') });
    return uploadId;
  };
  for (const bucket of ['one', 'two']) await ask('PUT', bucket);
  await begin('one', 'given up');
  await begin('two', 'given up as well');
  await ask('PUT', 'two', 'object', { body: Buffer.from('stays') });
  const uploadId = await begin('two', 'busy');
  t.match(await run(gateway), { state: 'done', storages: [{ name: 'local', uploads: 3, aborted: 0 }] }, 'too young');

  const target = presign('PUT', 'two', 'busy', { query: `partNumber=2&uploadId=${uploadId}` });
  const part = request({
    host: '127.0.0.1',
    port: gateway.port,
    method: 'PUT',
    path: target,
    headers: { expect: '100-continue', 'content-length': 4 },
  });
  part.flushHeaders();
  await once(part, 'continue');
  shift = 7 * DAY;
  t.match(await run(gateway, { dryRun: true }), {
    dryRun: true,
    storages: [{ aborted: 2 }],
    removed: [{ bucket: 'one', key: 'given up' }, { bucket: 'two' }],
  });
  t.match(await run(gateway), { state: 'done', storages: [{ uploads: 3, aborted: 2, errors: 0, partial: false }] });
  shift = 0;
  part.end('two!');
  const [answer] = await once(part, 'response');
  t.equal(answer.statusCode, 200, await text(answer));
  t.notMatch((await ask('GET', 'one', undefined, { query: 'uploads' })).text, '<Upload>');
  t.match((await ask('GET', 'two', undefined, { query: 'uploads' })).text, /^(?!.*given up).*<Key>busy</s);
  t.equal((await ask('GET', 'two', 'object')).text, 'stays');
});

interface Begun {
  readonly bucket: string;
  readonly key: string;
  readonly age: number;
}

/** Puts open uploads into a vendor, begun so many days ago. */
function begin(vendor: StandIn, uploads: readonly Begun[]): void {
  for (const { bucket, key, age } of uploads) {
    const found = vendor.buckets.get(bucket) ?? { created: new Date(), objects: new Map(), uploads: new Map() };
    vendor.buckets.set(bucket, found);
    const id = `${key}-${age}`;
    found.uploads.set(id, { id, key, headers: {}, begun: new Date(Date.now() - age * DAY), parts: new Map() });
  }
}

const left = (vendor: StandIn): string[] =>
  [...vendor.buckets]
    .flatMap(([bucket, { uploads }]) => [...uploads.values()].map(({ id }) => `${bucket}/${id}`))
    .sort();

const storage = (vendor: StandIn, provider: string, more: string): string =>
  `{ name: ${provider}, provider: ${provider}, endpoint: "${vendor.endpoint}", protocol: http, region: us-east-1, addressing: path, accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}${more} }`;

t.test(
  'ZS-R27 at a vendor only what the configuration names is touched, and the report says what was done',
  async (t) => {
    const vendor = await startStandIn('ceph');
    t.teardown(() => vendor.close());
    begin(vendor, [
      { bucket: 'cicd', key: 'zadig/wf/cache.tar.gz', age: 7 },
      { bucket: 'cicd', key: 'zadig/wf/log', age: 5 },
      { bucket: 'cicd', key: 'zadig-other/key', age: 7 },
      { bucket: 'cicd', key: 'somebody-else', age: 7 },
      { bucket: 'score-3', key: 'data/ünï code', age: 30 },
      { bucket: 'score', key: 'data/base', age: 30 },
      { bucket: 'score-30', key: 'data/other', age: 30 },
      { bucket: 'foreign', key: 'zadig/key', age: 30 },
    ]);
    const gateway = await gatewayOf(
      t,
      `${CLEANUP}
storages:
  - ${storage(vendor, 'ceph', ', bucket: cicd, prefix: zadig/')}
  - ${storage(vendor, 'other', ', default: true')}
buckets:
  - { name: score, storage: other, prefix: data/, pool: { size: 4, key: 1, bucket: "score-{n}" } }
  - { name: cache, storage: ceph, prefix: wf/ }
`,
    );
    const report = await run(gateway);
    t.same(left(vendor), [
      'cicd/somebody-else-7',
      'cicd/zadig-other/key-7',
      'cicd/zadig/wf/log-5',
      'foreign/zadig/key-30',
      'score-30/data/other-30',
    ]);
    t.match(report, {
      state: 'done',
      dryRun: false,
      storages: [
        { name: 'ceph', uploads: 2, aborted: 1, errors: 0, partial: false },
        { name: 'other', uploads: 2, aborted: 2, errors: 0, partial: true },
      ],
    });
    t.ok(
      vendor.requests.every(({ bucket }) => /^(cicd|score|score-[0-3])$/.test(bucket ?? '')),
      'no other bucket was asked',
    );
    t.match(
      gateway.log(),
      /"storage":"other","msg":"clean-up leaves alone the buckets that the configuration does not name"/,
    );
    t.match(gateway.log(), /"uploads":4,"aborted":3,"probes":0,"errors":0,"msg":"clean-up"/);
    t.notMatch(gateway.log(), /cache\.tar|ünï/);
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`, { headers: AUTHORIZATION })).text();
    for (const line of [
      'sluice_cleanup_runs_total{result="done"} 1',
      'sluice_cleanup_uploads_aborted_total{storage="ceph"} 1',
      'sluice_cleanup_uploads_aborted_total{storage="other"} 2',
      'sluice_cleanup_errors_total{storage="other"} 0',
      'sluice_cleanup_open_uploads{storage="ceph"} 1',
    ]) {
      t.ok(metrics.split('\n').includes(line), line);
    }
    t.match(metrics, /^sluice_cleanup_last_end_timestamp_seconds \d{10}/m);
  },
);

t.test(
  'ZS-R27 where a vendor has no list of uploads, those begun here are known, and the report says so',
  async (t) => {
    const vendor = await startStandIn('oss');
    t.teardown(() => vendor.close());
    begin(vendor, [{ bucket: 'cicd', key: 'begun elsewhere', age: 30 }]);
    const at = storage(vendor, 'oss', ', bucket: cicd')
      .replace('addressing: path, ', '')
      .replace(vendor.endpoint, `s3.oss-cn-hangzhou.localhost:${vendor.port}`);
    const gateway = await gatewayOf(t, `${CLEANUP}\nstorages: [${at}]`);
    const { ask } = wireClient(t, { port: gateway.port });
    t.equal((await ask('POST', 'cicd', 'begun here', { query: 'uploads' })).status, 200);
    t.match(await run(gateway), {
      state: 'done',
      storages: [{ uploads: 1, aborted: 0, emulated: 'list of uploads', errors: 0 }],
    });
    t.equal(vendor.buckets.get('cicd')?.uploads.size, 2);
  },
);

t.test('ZS-R27 a vendor that is down is an error of the run, and of nothing else', async (t) => {
  const vendor = await startStandIn('ceph');
  begin(vendor, [{ bucket: 'cicd', key: 'old', age: 30 }]);
  const gateway = await gatewayOf(
    t,
    `${CLEANUP}\nstorages: [${storage(vendor, 'ceph', ', bucket: cicd, retries: 0')}]`,
  );
  await vendor.close();
  t.match(await run(gateway), { state: 'failed', storages: [{ uploads: 0, aborted: 0, errors: 2 }] });
  t.match(gateway.log(), /"storage":"ceph","msg":"clean-up: uploads cannot be listed"/);
});

t.test('ZS-R27 the admin port tells the plan, wants the token, and a reload replaces it', async (t) => {
  const folder = JSON.stringify(t.testdir());
  const yaml = (more: string) => `${more}\nstorages: [{ name: local, provider: filesystem, path: ${folder} }]`;
  const gateway = await gatewayOf(t, yaml(''));
  t.match(await api(gateway, 'GET'), { status: 409, json: { error: /no cleanup/ } });
  t.match(await api(gateway, 'POST', {}), { status: 409 });
  const reload = (more: string) =>
    gateway.reload(
      parseConfig(`listen: 127.0.0.1:0\n${CREDENTIALS}\n${yaml(more)}`, 'test', { env: {}, readFile: () => '' }),
    );
  await reload('cleanup: {}');
  t.match((await api(gateway, 'GET')).json, { schedule: '0 3 * * *', incompleteUploads: 6 * DAY, next: /T/ });
  await reload('cleanup: { schedule: "30 4 * * *", incompleteUploads: 12h }');
  const { json } = await api(gateway, 'GET');
  t.match(json, { schedule: '30 4 * * *', incompleteUploads: DAY / 2 });
  t.equal(new Date(json.next).getMinutes(), 30);
  t.match(await api(gateway, 'POST', { dryRun: 'yes' }), { status: 400 });
  const unsigned = await fetch(`${gateway.adminUrl}/api/cleanup`, { method: 'POST', body: '{}' });
  t.equal(unsigned.status, 401);
  await reload('');
  t.match(await api(gateway, 'GET'), { status: 409 });
});
