import type { Test } from 'tap';
import { wireClient } from '../../support/wire-client.ts';
import { type Backend, cacheIn, makeBuckets, onEachBackend, testGateway } from './backends.ts';
import { replayScore, type ScoreSetting } from './score-replay.ts';

const MiB = 2 ** 20;
const ID = '56f3cb04-38b4-574c-bffb-af1426113194';
/** 50,000,000 bytes in parts of 20 MiB, as Score cuts them. */
const PARTS = [20_971_520, 20_971_520, 8_056_960];
const SHORT = [6 * MiB, 6 * MiB, 1 * MiB];
const SIGNED_HOST = 'score-storage.internal:9000';
const PUBLIC_HOST = 's3.public.test';
const NUMBERS = Array.from({ length: 10 }, (_, index) => index);

onEachBackend(async (t, backend) => {
  await makeBuckets(t, backend, ['score-data', 'score-state', ...NUMBERS.map((number) => `score-data-${number}`)]);

  t.test(
    'S3_SIGV4ENABLED=true: one bucket, its parts as large as Score makes them',
    { timeout: 300_000 },
    async (t) => {
      await replayScore(t, { ...(await setting(t, config(backend, ['score.data'], 'one/'), backend)), parts: PARTS });
    },
  );

  t.test('S3_SIGV4ENABLED=false', { timeout: 300_000 }, async (t) => {
    const yaml = config(backend, ['score.data'], 'two/');
    await replayScore(t, await setting(t, yaml, backend, 'v2'));
  });

  t.test('objects in one bucket, meta and state in another', { timeout: 300_000 }, async (t) => {
    const played = await setting(t, config(backend, ['score.data', 'score.state'], 'five/'), backend);
    await replayScore(t, { ...played, stateOf: () => 'score.state' });
    const { text } = await played.client.ask('GET', 'score.data', undefined, { query: 'prefix=upload' });
    t.notMatch(text, '<Contents>', 'no state among the objects');
  });

  t.test('Score pools by itself: ten buckets with dots become legal ones', { timeout: 300_000 }, async (t) => {
    const names = ['score.data', ...NUMBERS.map((number) => `score.data.${number}`)];
    const played = await setting(t, config(backend, names, 'three/'), backend);
    const bucketOf = (id: string) => `score.data.${Number.parseInt(id.slice(0, 2), 16) % 10}`;
    t.equal(bucketOf(ID), 'score.data.6');
    await replayScore(t, { ...played, bucketOf, stateOf: bucketOf });
  });

  t.test('through the cache, pooled by Sluice', { timeout: 300_000 }, async (t) => {
    const pool = ', pool: { size: 10, key: 2, bucket: "score-data-{n}" }, cache: score';
    const yaml = `${config(backend, ['score.data'], 'six/', pool)}${cacheIn(t)}`;
    await replayScore(t, await setting(t, yaml, backend));
  });

  t.test('Sluice pools for Score, and what is in the base bucket stays visible', { timeout: 300_000 }, async (t) => {
    const pool = '{ size: 10, key: 2, bucket: "score-data-{n}" }';
    const played = await setting(t, config(backend, ['score.data'], 'four/', `, pool: ${pool}`), backend);
    await replayScore(t, played);
    const whole = wireClient(t, { port: played.port });
    const found = await whole.ask('HEAD', 'score-data-6', `four/data/${ID}`);
    t.equal(found.status, 200, 'S13 the object lies in the bucket of its id');
    const old = 'ffffffff-38b4-574c-bffb-af1426113194';
    await whole.ask('PUT', 'score-data', `four/data/${old}.meta`, { body: Buffer.from('old') });
    t.equal((await played.client.ask('GET', 'score.data', `data/${old}.meta`)).text, 'old', 'S13 found after 404');
  });
});

async function setting(
  t: Test,
  yaml: string,
  { completesAgain }: Backend,
  signing: 'v4' | 'v2' = 'v4',
): Promise<ScoreSetting & { readonly port: number }> {
  const { port } = await testGateway(t, yaml);
  return {
    port,
    client: wireClient(t, { port, signing }),
    signing,
    objects: 'score.data',
    bucketOf: () => 'score.data',
    stateOf: () => 'score.data',
    completesAgain,
    signedHost: SIGNED_HOST,
    publicHost: PUBLIC_HOST,
    parts: SHORT,
    id: ID,
  };
}

/** Names with dots, each on a bucket that every vendor allows. */
function config({ storage }: Backend, names: readonly string[], prefix: string, more = ''): string {
  const buckets = names.map(
    (name) =>
      `  - { name: ${name}, storage: objects, bucket: ${name.replaceAll('.', '-')}, prefix: ${prefix}${more} }\n`,
  );
  return `domains: ["${SIGNED_HOST}", ${PUBLIC_HOST}]
storages: [{ name: objects, ${storage}, default: true }]
buckets:
${buckets.join('')}`;
}
