import type { Test } from 'tap';
import { selfSigned } from '../../support/self-signed.ts';
import { type WireAccount, wireClient } from '../../support/wire-client.ts';
import { type Backend, cacheIn, makeBuckets, onEachBackend, testGateway } from './backends.ts';
import { replayZadig } from './zadig-replay.ts';

const MiB = 2 ** 20;
/** The region that Zadig signs for whatever the vendor, unless one is set. */
const REGION = 'ap-shanghai';

onEachBackend(async (t, backend) => {
  await makeBuckets(t, backend, ['zadig-bkt', 'ci-artifacts']);
  const retained = backend.isSlow ? 60 : 1200;

  t.test('path style: the form’s fields as a storage', { timeout: 300_000 }, async (t) => {
    const gateway = await testGateway(t, formConfig(backend));
    const client = wireClient(t, { port: gateway.port, region: REGION });
    const workspace = (backend.isSlow ? 20 : 200) * MiB;
    await replayZadig(t, { client, bucket: 'zadig-bkt', workspace, retained });
    await refusals(t, { port: gateway.port });
  });

  t.test('virtual-hosted: the bucket under another name, with a prefix', { timeout: 300_000 }, async (t) => {
    const gateway = await testGateway(t, aliasConfig(backend));
    const office = { port: gateway.port, host: 's3.office.test', addressing: 'virtual', region: REGION } as const;
    await replayZadig(t, { client: wireClient(t, office), bucket: 'zadig-bkt', workspace: 9 * MiB, retained: 20 });
    await refusals(t, office);
    const direct = wireClient(t, { port: gateway.port });
    const { text } = await direct.ask('GET', 'ci-artifacts', undefined, { query: 'prefix=office/zadig/proj' });
    t.match(text, '<Key>office/zadig/proj/service/svc/svc-7.tar.gz</Key>', 'Z10 the copy lies under the prefix');
  });

  t.test('through the cache', { timeout: 300_000 }, async (t) => {
    const buckets = '{ name: zadig-bkt, storage: vendor, bucket: ci-artifacts, prefix: cached/, cache: zadig }';
    const gateway = await testGateway(
      t,
      `storages: [{ name: vendor, ${backend.storage}, default: true }]\nbuckets: [${buckets}]\n${cacheIn(t)}`,
    );
    const client = wireClient(t, { port: gateway.port, region: REGION });
    await replayZadig(t, { client, bucket: 'zadig-bkt', workspace: 33 * MiB, retained: 20 });
  });

  for (const addressing of ['path', 'virtual'] as const) {
    t.test(`over HTTPS, ${addressing} style`, { timeout: 120_000 }, async (t) => {
      const { cert, certFile, keyFile } = await selfSigned(t.testdir(), 's3.office.test');
      const tls = `tls: { cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)} }`;
      const gateway = await testGateway(t, `${tls}\ndomains: [s3.office.test]\n${formConfig(backend)}`);
      const office = { port: gateway.port, host: 's3.office.test', addressing, ca: cert, region: REGION };
      await replayZadig(t, { client: wireClient(t, office), bucket: 'zadig-bkt', workspace: 5 * MiB, retained: 10 });
      await refusals(t, office);
    });
  }
});

/** Z12: the codes Zadig shows to whoever typed a wrong key. */
async function refusals(t: Test, account: WireAccount): Promise<void> {
  const wrongSecret = wireClient(t, { ...account, secretKey: 'not-the-secret-of-it' });
  t.match(await wrongSecret.ask('GET', 'zadig-bkt', 'x'), { status: 403, code: 'SignatureDoesNotMatch' }, 'Z12');
  const unknown = wireClient(t, { ...account, accessKey: 'NOBODYSKEY' });
  t.match(await unknown.ask('GET', 'zadig-bkt', 'x'), { status: 403, code: 'InvalidAccessKeyId' }, 'Z12');
}

function formConfig({ storage }: Backend): string {
  return `storages: [{ name: zadig, ${storage}, bucket: zadig-bkt, default: true }]\n`;
}

function aliasConfig({ storage }: Backend): string {
  return `domains: [s3.office.test]
storages: [{ name: vendor, ${storage}, prefix: office/, default: true }, { name: whole, ${storage}, bucket: ci-artifacts }]
buckets: [{ name: zadig-bkt, storage: vendor, bucket: ci-artifacts, prefix: zadig/ }]
`;
}
