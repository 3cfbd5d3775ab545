import { once } from 'node:events';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { diskFolder } from '../../support/disk-folder.ts';
import { CREDENTIALS, startTestGateway } from '../../support/gateway.ts';
import { generatedBytes } from '../../support/generated.ts';
import { type WireAccount, type WireClient, wireClient } from '../../support/wire-client.ts';
import { STAND_IN_KEY, type StandIn, startStandIn } from '../../vendors/stand-in.ts';
import { zadigCalls } from './zadig-replay.ts';

/** Replay Z, steps 3, 4 and 11, with the cache: what the vendor is asked for while many pods start at once. */

const MiB = 2 ** 20;
const KEY = 'wf-demo/cache/svc/mod/zadig-build-cache.tar.gz';
const PODS = 8;
const HOST = 's3.office.test';

t.setTimeout(600_000);

for (const [addressing, size] of [
  ['path', 200 * MiB],
  ['virtual', 40 * MiB],
] as const) {
  t.test(`${addressing} style, a workspace of ${size / MiB} MiB`, { timeout: 300_000 }, async (t) => {
    const vendor = await startStandIn('oss');
    const storage = `provider: oss, endpoint: "${vendor.endpoint}", region: ${vendor.row.region}, protocol: http, prefix: office/, accessKey: ${STAND_IN_KEY.accessKey}, secretKey: ${STAND_IN_KEY.secretKey}`;
    const gateway = await startTestGateway(`${CREDENTIALS}
domains: [${HOST}]
storages: [{ name: vendor, ${storage}, bucket: ci-artifacts, retries: 0, default: true }]
buckets: [{ name: zadig-bkt, storage: vendor, cache: zadig }]
cache: { memory: 64MiB, disk: { path: ${JSON.stringify(diskFolder(t))}, size: 2GiB, minFree: 1MiB }, verify: 0 }
`);
    // Of another office, which shares the vendor and nothing else.
    const elsewhere = await startTestGateway(
      `${CREDENTIALS}\nstorages: [{ name: vendor, ${storage}, bucket: ci-artifacts }]\n`,
    );
    t.teardown(async () => {
      await gateway.close();
      await elsewhere.close();
    });
    const account: WireAccount = { port: gateway.port, host: HOST, addressing, region: 'ap-shanghai' };
    const client = wireClient(t, account);
    const here = zadigCalls({ client, bucket: 'zadig-bkt' });
    const there = zadigCalls({ client: wireClient(t, { port: elsewhere.port }), bucket: 'ci-artifacts' });
    t.equal((await there.call('PUT', undefined)).status, 200);
    t.match(await here.get(KEY), { status: 404, code: 'NoSuchKey' }, 'Z2');

    const first = generatedBytes(size, 1);
    t.equal((await there.put(KEY, first, 'application/gzip')).status, 200);
    const start = async (bytes: Buffer, result: RegExp, what: string): Promise<Asked> => {
      const before = vendor.requests.length;
      const reads = await Promise.all(Array.from({ length: PODS }, () => read(client)));
      for (const { headers, ...found } of reads) {
        t.strictSame(found, { status: 200, length: bytes.length, sum: crc32(bytes) }, what);
        t.match(headers, { 'content-length': String(bytes.length), 'x-sluice-cache': result }, what);
        t.equal(headers['content-encoding'], undefined, what);
      }
      return askedOf(vendor, before);
    };
    const isReadOnce = ({ ranges }: Asked, what: string): void => {
      const [[begin = 0] = []] = ranges;
      // The first request for all of it is broken off where ranges beside one another go on.
      t.ok(begin > 0 && begin < size, what);
      t.strictSame(ranges, contiguous(ranges, begin), `${what}: no range twice, and none left out`);
      t.equal(ranges.at(-1)?.[1], size - 1, what);
    };
    const cold = await start(first, /^(miss|revalidated)$/, 'Z4 the first pods');
    t.equal(cold.wholes, 1, 'Z4 eight pods are one read');
    isReadOnce(cold, 'Z4 the first pods');
    t.strictSame(await start(first, /^revalidated$/, 'Z4 later pods'), NOTHING, 'Z4 the second round reads nothing');

    const before = vendor.requests.length;
    const next = generatedBytes(size - 1, 2);
    t.match(await here.put(KEY, next, 'application/gzip'), { status: 200, continued: true }, 'Z3');
    t.equal((await read(client)).sum, crc32(next), 'Z3 the last writer’s, at once');
    t.ok(askedOf(vendor, before).wholes <= 1, 'Z4 what a build left came back once at most');
    await there.put(KEY, first, 'application/gzip');
    isReadOnce(await start(first, /^(miss|revalidated)$/, 'Z4 a build elsewhere'), 'Z4 a build elsewhere');

    // What eight pods have may still be on its way to the disk.
    while ((await read(client)).headers['x-sluice-cache'] !== 'revalidated');
    await vendor.close();
    t.match(await read(client), { sum: crc32(first), headers: { 'x-sluice-cache': 'stale' } }, 'Z11');
    t.match(await here.get('wf-demo/cache/other/mod/zadig-build-cache.tar.gz'), { status: 503 }, 'Z11 no false 404');
    t.match(
      await here.put(KEY, generatedBytes(1000, 3)),
      { status: 503 },
      'Z11 nothing is taken that cannot be stored',
    );
    t.equal((await read(client)).sum, crc32(first), 'Z11 and the refused one is not served');
  });
}

/** Reads the workspace without holding it. */
async function read(client: WireClient) {
  const incoming = await client.open('GET', 'zadig-bkt', KEY, { headers: { 'accept-encoding': 'gzip' } });
  let [length, sum] = [0, 0];
  incoming.on('data', (chunk: Buffer) => {
    length += chunk.length;
    sum = crc32(chunk, sum);
  });
  await once(incoming, 'end');
  return { status: incoming.statusCode, headers: incoming.headers, length, sum };
}

interface Asked {
  /** Requests for all of the workspace, but those that ask whether it has changed. */
  readonly wholes: number;
  /** First and last byte of those for a part, in their order. */
  readonly ranges: readonly (readonly [number, number])[];
}

const NOTHING: Asked = { wholes: 0, ranges: [] };

/** What the vendor was asked for of the workspace, from its request of that number on. */
function askedOf({ requests }: StandIn, from: number): Asked {
  const reads = requests.slice(from).filter(({ method }) => method === 'GET');
  const ranges = reads.flatMap(({ headers }) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    return start === undefined ? [] : [[Number(start), Number(end)] as const];
  });
  const wholes = reads.filter(({ headers }) => headers.range === undefined && headers['if-none-match'] === undefined);
  return { wholes: wholes.length, ranges: ranges.sort(([one], [other]) => one - other) };
}

/** The same ends, each range beginning right behind the one before. */
function contiguous(ranges: Asked['ranges'], begin: number): Asked['ranges'] {
  return ranges.map(([, end], index) => [index === 0 ? begin : (ranges[index - 1]?.[1] ?? 0) + 1, end]);
}
