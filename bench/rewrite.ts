/**
 * What rewriting and routing cost. `node bench/rewrite.ts`
 *
 * A rewritten listing of 1,000 keys must cost under 2 ms of CPU more than an untouched one, and routing must cost the
 * same whether ten or 1,000 credentials and buckets are configured.
 */
import { createSecretKey } from 'node:crypto';
import { buildCatalog, type Catalog } from '../src/route/catalog.ts';
import { route } from '../src/route/router.ts';
import type { Handler, S3Request } from '../src/s3/message.ts';
import { Query } from '../src/s3/query.ts';

const tokenKey = createSecretKey(Buffer.from('bench'));

function request(parts: Partial<S3Request>): S3Request {
  return {
    id: 'BENCH',
    method: 'GET',
    operation: 'ListObjectsV2',
    bucket: 'bucket',
    key: undefined,
    rawPath: '/',
    addressing: 'path',
    query: Query.parse('list-type=2&encoding-type=url'),
    headers: new Map([['host', 'localhost']]),
    scheme: 'http',
    peer: '127.0.0.1',
    identity: { name: 'c0', accessKey: 'K0' },
    body: null,
    bodyLength: 0,
    bodyChecksum: () => undefined,
    signal: new AbortController().signal,
    notes: new Map(),
    ...parts,
  };
}

/** A listing as vendors write it: 1,000 keys, about 250 KiB. */
function listing(prefix: string, isEncoded: boolean): Buffer {
  const items = Array.from({ length: 1000 }, (_, index) => {
    const key = `${prefix}team-a/cache/linux-x64/node-modules-${index}${isEncoded ? '%20%28x%29' : ''}.tar.gz`;
    return `<Contents><Key>${key}</Key><LastModified>2026-11-20T10:11:12.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>${index}</Size><Owner><ID>owner</ID><DisplayName>owner</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>`;
  });
  const head = `<Name>real</Name><Prefix>${prefix}</Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>abc</NextContinuationToken>`;
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>${head}${items.join('')}</ListBucketResult>`,
  );
}

/** CPU of one call in microseconds: the median of several rounds, after warming up. */
async function cpuOf(call: () => Promise<unknown>, times: number): Promise<number> {
  for (let index = 0; index < times; index++) await call();
  const rounds: number[] = [];
  for (let round = 0; round < 9; round++) {
    const before = process.cpuUsage();
    for (let index = 0; index < times; index++) await call();
    const { user, system } = process.cpuUsage(before);
    rounds.push((user + system) / times);
  }
  return rounds.sort((one, other) => one - other)[4] ?? Number.NaN;
}

function catalogOf(handler: Handler, size: number): Catalog {
  const rules = [{ bucket: 'bucket-*', prefix: 'team/', allow: ['read', 'list'] as const }];
  return buildCatalog({
    credentials: Array.from({ length: size }, (_, index) => ({
      name: `c${index}`,
      accessKey: `K${index}`,
      ...(index > 0 && { access: rules }),
    })),
    storages: [{ name: 's', handler, default: true, projects: 'all', dotSegments: 'refuse', tokenKey }],
    buckets: [
      { name: 'bucket', storage: 's', bucket: 'real', prefix: 'canary/p/' },
      ...Array.from({ length: size }, (_, index) => ({
        name: `bucket-${index}`,
        storage: 's',
        bucket: 'real',
        prefix: `p${index}/`,
      })),
    ],
  });
}

for (const isEncoded of [false, true]) {
  const body = listing('canary/p/', isEncoded);
  const untouched: Handler = async () => ({ status: 200, headers: new Map(), body });
  const handle = route(catalogOf(untouched, 10));
  const rewritten = await cpuOf(() => handle(request({})), 100);
  const plain = await cpuOf(
    () => handle(request({ bucket: 'plain', operation: 'ListObjects', query: Query.empty })),
    1000,
  );
  const difference = ((rewritten - plain) / 1000).toFixed(2);
  console.log(
    `1,000 keys, ${isEncoded ? 'percent-encoded' : 'plain'}, ${body.length} bytes: ${difference} ms more than untouched`,
  );
}

const object: Handler = async () => ({ status: 200, headers: new Map(), body: null });
for (const size of [10, 1000, 10_000]) {
  const handle = route(catalogOf(object, size));
  const last = size - 1;
  const get = request({
    operation: 'GetObject',
    bucket: `bucket-${last}`,
    key: 'team/key',
    query: Query.empty,
    identity: { name: `c${last}`, accessKey: `K${last}` },
  });
  console.log(`${size} credentials and buckets: ${(await cpuOf(() => handle(get), 20_000)).toFixed(2)} us a request`);
}
