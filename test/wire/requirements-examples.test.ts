import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseConfig } from '../../src/config/load.ts';
import { diskFolder } from '../support/disk-folder.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';
import { textsOf, type WireAccount, type WireClient, wireClient } from '../support/wire-client.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../vendors/stand-in.ts';

/** The examples for Zadig, ZenML and Overture Score in `config` start, and put objects where they and docs/systems say. */

const X = Buffer.from('x');
const ID = '56f3cb04-38b4-574c-bffb-af1426113194';
/** Of any key: what an example takes from the environment. */
const secretOf = (name: string): string => `value-of-${name}`;

interface Played {
  readonly vendor: StandIn;
  /** The example's own client. */
  client(account?: Partial<WireAccount>): WireClient;
  /** Buckets at the vendor that hold a key. */
  holders(key: string): readonly string[];
}

/** Starts an example as it stands, but for addresses, folders and the vendor's endpoint. */
async function play(t: Test, name: 'zadig' | 'zenml' | 'score', provider: 'oss' | 'ceph'): Promise<Played> {
  const vendor = await startStandIn(provider);
  t.teardown(() => vendor.close());
  const folder = diskFolder(t);
  const vendorKeys = { OSS: STAND_IN_KEY, CEPH: STAND_IN_KEY };
  const text = readFileSync(new URL(`../../config/${name}.yaml`, import.meta.url), 'utf8')
    .replace(/^listen: .*$/m, '')
    .replace(/^( *)protocol: .*$/m, '')
    .replace(
      /^( *)endpoint: .*$/m,
      `$1endpoint: "${vendor.endpoint}"\n$1protocol: http\n$1region: ${vendor.row.region}`,
    )
    .replaceAll(/\/var\/(lib|cache)\/sluice/g, join(folder, '$1'))
    .replaceAll(/\$\{(\w+?)_(ACCESS|SECRET)_KEY\}/g, (_, owner: string, kind: string) => {
      const keys = vendorKeys[owner as keyof typeof vendorKeys];
      if (keys !== undefined) return kind === 'ACCESS' ? keys.accessKey : keys.secretKey;
      return kind === 'ACCESS' ? `${owner}KEY` : secretOf(owner);
    });
  const gateway = await startTestGateway(text);
  t.teardown(() => gateway.close());
  const owner = name.toUpperCase();
  const own = { port: gateway.port, accessKey: `${owner}KEY`, secretKey: secretOf(owner) };
  return {
    vendor,
    client: (account = {}) => wireClient(t, { ...own, ...account }),
    holders: (key) => [...vendor.buckets].filter(([, { objects }]) => objects.has(key)).map(([bucket]) => bucket),
  };
}

t.test('config/zadig.yaml: one key and one bucket for Zadig, below the prefix at the vendor', async (t) => {
  const { client, holders } = await play(t, 'zadig', 'oss');
  const key = 'wf/cache/svc/mod/zadig-build-cache.tar.gz';
  t.equal((await client().ask('PUT', 'zadig-bkt')).status, 200);
  for (const addressing of ['path', 'virtual'] as const) {
    const { ask } = client({ addressing, host: 's3.office.example', region: 'ap-shanghai' });
    t.equal((await ask('PUT', 'zadig-bkt', key, { body: X })).status, 200, addressing);
    t.match(await ask('GET', 'zadig-bkt', key), { text: 'x', headers: { 'x-sluice-cache': /./ } }, addressing);
    t.match(await ask('GET', 'ci-artifacts', `zadig/${key}`), { status: 403, code: 'AccessDenied' }, addressing);
  }
  t.strictSame(holders(`zadig/${key}`), ['ci-artifacts']);
});

t.test('config/zenml.yaml: old and new signatures, path and virtual-hosted, below the prefix', async (t) => {
  const { client, holders } = await play(t, 'zenml', 'oss');
  t.equal((await client().ask('PUT', 'zenml-artifacts')).status, 200);
  for (const signing of ['v2', 'v4', 'v4-trailer'] as const) {
    for (const addressing of ['path', 'virtual'] as const) {
      const key = `step/output/${ID}/0a1b2c3d/${signing}-${addressing}`;
      const { ask } = client({ signing, addressing, host: 's3.office.example' });
      t.equal((await ask('PUT', 'zenml-artifacts', key, { body: X, expects: true })).status, 200, key);
      t.match(await ask('GET', 'zenml-artifacts', key), { text: 'x', headers: { 'x-sluice-cache': /./ } });
      t.strictSame(holders(`zenml/${key}`), ['ml-artifacts']);
    }
  }
});

t.test('config/score.yaml: objects in the pool, state near, URLs for either host', async (t) => {
  const { client, holders, vendor } = await play(t, 'score', 'ceph');
  for (const bucket of ['score.data', 'score.state']) t.equal((await client().ask('PUT', bucket)).status, 200);
  t.equal([...vendor.buckets].length, 11, 'the pool and what is not pooled; no state');
  for (const signing of ['v4-chunks', 'v2'] as const) {
    const { ask } = client({ signing });
    t.equal((await ask('PUT', 'score.data', `data/${ID}`, { body: X })).status, 200, signing);
    t.equal((await ask('PUT', 'score.state', `upload/${ID}_u/.meta`, { body: X })).status, 200, signing);
  }
  t.strictSame(holders(`data/${ID}`), ['score-data-6']);
  t.strictSame(holders(`upload/${ID}_u/.meta`), []);
  const { presign, send } = client();
  const url = presign('GET', 'score.data', `data/${ID}`, { host: 'score-storage.internal' });
  for (const host of ['score-storage.internal', 's3.office.example']) {
    t.match(await send({ method: 'GET', target: url, headers: { host } }), { status: 200, text: 'x' }, host);
  }
});

t.test(
  'docs/systems/zadig.md: after a move to another vendor old logs are read, and Zadig is told of nothing',
  async (t) => {
    const [before, after] = await Promise.all([startStandIn('oss'), startStandIn('cos')]);
    const storage = (name: string, { endpoint, row }: StandIn) =>
      `  - { name: ${name}, provider: ${name}, endpoint: "${endpoint}", region: ${row.region}, protocol: http, accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}, prefix: zadig/, bucket: ci-artifacts-1250000000 }\n`;
    const config = (current: string, previous: string, next: string) => `${CREDENTIALS}
storages:
${storage('oss', before)}${storage('cos', after)}buckets:
  - { name: zadig-bkt, storage: ${current}, cache: zadig }
  - { name: zadig-before, storage: ${previous} }
  - { name: zadig-next, storage: ${next} }
cache: { memory: 16MiB }
`;
    const gateway = await startTestGateway(config('oss', 'oss', 'cos'));
    t.teardown(async () => {
      await gateway.close();
      await after.close();
    });
    const { ask } = wireClient(t, { port: gateway.port, region: 'ap-shanghai' });
    for (const bucket of ['zadig-bkt', 'zadig-next']) t.equal((await ask('PUT', bucket)).status, 200, bucket);
    const put = async (key: string) =>
      t.equal((await ask('PUT', 'zadig-bkt', key, { body: Buffer.from(key) })).status, 200);
    /** As `aws s3 sync s3://FROM s3://TO` does. */
    const sync = async (from: string, to: string): Promise<void> => {
      const there = textsOf((await ask('GET', to)).text, 'Key');
      for (const key of textsOf((await ask('GET', from)).text, 'Key').filter((name) => !there.includes(name))) {
        const headers = { 'x-amz-copy-source': `/${from}/${encodeURIComponent(key)}` };
        t.equal((await ask('PUT', to, key, { headers })).status, 200, key);
      }
    };
    const logs = ['wf/1/log/build é+1.log', 'wf/2/log/build.log', 'wf/3/log/build.log'];
    await put(logs[0] ?? '');
    await sync('zadig-bkt', 'zadig-next');
    await put(logs[1] ?? '');
    const text = `listen: 127.0.0.1:0\n${config('cos', 'oss', 'cos')}`;
    await gateway.reload(parseConfig(text, 'test', { env: {}, readFile: () => '' }));
    await put(logs[2] ?? '');
    await sync('zadig-before', 'zadig-bkt');
    await before.close();
    for (const key of logs) t.equal((await ask('GET', 'zadig-bkt', key)).text, key, key);
    t.strictSame(textsOf((await ask('GET', 'zadig-bkt')).text, 'Key'), logs);
  },
);
