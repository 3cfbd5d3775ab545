import { selfSigned } from '../../support/self-signed.ts';
import { wireClient } from '../../support/wire-client.ts';
import { type Backend, cacheIn, makeBuckets, onEachBackend, testGateway } from './backends.ts';
import { replayZenml } from './zenml-replay.ts';

const MiB = 2 ** 20;
const FULL = [50 * MiB, 50 * MiB, 20 * MiB];
const SHORT = [6 * MiB, 6 * MiB, 1 * MiB];
const HOST = 's3.office.test';

onEachBackend(async (t, backend) => {
  const { hasAwsETags, overwriting } = backend;
  await makeBuckets(t, backend, ['zenml-bkt', 'odd-one']);

  t.test('signature_version s3, virtual-hosted: as OSS made people set it', { timeout: 300_000 }, async (t) => {
    const { port } = await testGateway(t, config(backend));
    const client = wireClient(t, { port, host: HOST, addressing: 'virtual', signing: 'v2' });
    const keys = backend.isSlow ? 40 : 2500;
    await replayZenml(t, {
      client,
      bucket: 'zenml-bkt',
      hasAwsETags,
      overwriting,
      parts: SHORT,
      keys,
      oddBucket: undefined,
    });
  });

  t.test('V4, path style, over HTTP', { timeout: 300_000 }, async (t) => {
    const { port } = await testGateway(t, config(backend, 'prefix: team/, '));
    const client = wireClient(t, { port });
    const parts = backend.isSlow ? SHORT : FULL;
    await replayZenml(t, {
      client,
      bucket: 'zenml-bkt',
      hasAwsETags,
      overwriting,
      parts,
      keys: 20,
      oddBucket: 'My_Bkt.x',
    });
  });

  t.test('V4 over HTTPS: the checksum in a trailer, no Content-Length', { timeout: 300_000 }, async (t) => {
    const { cert, certFile, keyFile } = await selfSigned(t.testdir(), HOST);
    const tls = `tls: { cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)} }`;
    const { port } = await testGateway(t, `${tls}\n${config(backend, 'prefix: other/, ')}`);
    const client = wireClient(t, { port, host: HOST, ca: cert, signing: 'v4-trailer' });
    await replayZenml(t, {
      client,
      bucket: 'zenml-bkt',
      hasAwsETags,
      overwriting,
      parts: SHORT,
      keys: 20,
      oddBucket: 'My_Bkt.x',
    });
  });

  t.test('through the cache', { timeout: 300_000 }, async (t) => {
    const buckets = '{ name: zenml-cached, storage: vendor, bucket: zenml-bkt, prefix: cached/, cache: zenml }';
    const { port } = await testGateway(
      t,
      `storages: [{ name: vendor, ${backend.storage}, default: true }]\nbuckets: [${buckets}]\n${cacheIn(t)}`,
    );
    await replayZenml(t, {
      client: wireClient(t, { port }),
      bucket: 'zenml-cached',
      hasAwsETags,
      overwriting,
      parts: SHORT,
      keys: 20,
      oddBucket: undefined,
    });
  });
});

function config({ storage }: Backend, more = ''): string {
  return `domains: [${HOST}]
storages: [{ name: artifacts, ${storage}, ${more}bucket: zenml-bkt, default: true }, { name: second, ${storage}, bucket: odd-one }]
buckets: [{ name: My_Bkt.x, storage: second, bucket: odd-one }]
`;
}
