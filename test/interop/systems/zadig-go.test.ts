import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startFaultyLine } from '../../support/faulty-line.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../../support/gateway.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { wireClient } from '../../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../../vendors/stand-in.ts';
import { buildGo, missingForGo } from '../clients/go.ts';
import { run } from '../process.ts';

/** Zadig's calls by the SDK that Zadig makes them with, over a strict vendor: the replay in `zadig.test.ts` by hand. */

const SOURCE = fileURLToPath(new URL('zadig.go', import.meta.url));
const missing = missingForGo();
const WORKSPACE = 'wf-demo/cache/build/mod/zadig-build-cache.tar.gz';
const HOST = 's3.office.test';

if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
else {
  t.setTimeout(400_000);
  const folder = t.testdir();
  const program = join(folder, 'zadig');
  await buildGo(SOURCE, program);
  const certificate = await selfSigned(folder, HOST);

  // The SDK waits seconds between its attempts at a storage in trouble: side by side they cost the longest of them. Builds
  // are fewer at a time, by themselves: what they call a silent storage must not be one that is merely busy.
  t.test('with every provider', async (t) => {
    t.jobs = 4;
    for (const [provider, addressing, isSecure, retained] of [
      ['Other, Qiniu, Amazon, Google', 'path', false, 1003],
      ['Ali, Tencent, Huawei, Volcano', 'virtual', false, 20],
      ['Other over HTTPS', 'path', true, 20],
      ['Ali over HTTPS', 'virtual', true, 20],
    ] as const) {
      t.test(`provider ${provider}`, { buffered: true }, async (t) => {
        const vendor = await startStandIn('oss');
        const tls = `tls: { cert: ${JSON.stringify(certificate.certFile)}, key: ${JSON.stringify(certificate.keyFile)} }`;
        const gateway = await startTestGateway(`${isSecure ? tls : ''}
${CREDENTIALS}
domains: [${HOST}]
storages:
  - name: vendor
    provider: oss
    endpoint: ${vendor.endpoint}
    protocol: http
    region: ${vendor.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    prefix: office/
    default: true
`);
        t.teardown(() => gateway.close());
        const secure = isSecure ? { host: HOST, ca: certificate.cert } : {};
        t.equal((await wireClient(t, { port: gateway.port, ...secure }).ask('PUT', 'zadig-bkt')).status, 200);
        const play = (what: string) =>
          run(program, [], {
            env: {
              PLAY: what,
              BUCKET: 'zadig-bkt',
              RETAINED: String(retained),
              ADDRESSING: addressing,
              ADDRESS: `127.0.0.1:${gateway.port}`,
              ENDPOINT: `${HOST}:${gateway.port}`,
              ACCESS_KEY,
              SECRET_KEY,
              CA: isSecure ? certificate.cert : '',
            },
          });
        t.match(await play('all'), { status: 0, stdout: 'done\n' });
        await vendor.close();
        t.match(await play('down'), { status: 0, stdout: 'done\n' });
      });
    }
  });

  t.test('builds', async (t) => {
    t.jobs = 2;
    for (const [fault, cache, kind] of [
      ['down', 'off', 'full'],
      ['slow', 'off', 'full'],
      ['halfway', 'off', 'full'],
      ['refusing', 'off', 'on 2'],
      // What is cached is there although its storage is not.
      ['down', 'zadig', 'on 2'],
      ['slow', 'zadig', 'on 2'],
      ['halfway', 'zadig', 'on 2'],
    ] as const) {
      t.test(
        `builds of a job, the storage ${fault} for one of them, cache: ${cache}`,
        { buffered: true },
        async (t) => {
          const vendor = await startStandIn('oss');
          const line = await startFaultyLine(vendor.port);
          const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: vendor
    provider: oss
    endpoint: ${vendor.endpoint.replace(`:${vendor.port}`, `:${line.port}`)}
    protocol: http
    region: ${vendor.row.region}
    accessKey: ${STAND_IN_KEY.accessKey}
    secretKey: ${STAND_IN_KEY.secretKey}
    retries: 0
    idleTimeout: 250ms
    default: true
buckets: [{ name: zadig-bkt, storage: vendor, bucket: real-bucket, cache: ${cache} }]
cache: { memory: 64MiB, verify: 0 }
`);
          t.teardown(async () => {
            await gateway.close();
            await line.close();
            await vendor.close();
          });
          const { ask } = wireClient(t, { port: gateway.port });
          t.equal((await ask('PUT', 'real-bucket')).status, 200);
          const build = (number: number) =>
            run(program, [], {
              env: {
                PLAY: 'build',
                BUILD: String(number),
                BUCKET: 'zadig-bkt',
                ADDRESSING: 'path',
                ADDRESS: `127.0.0.1:${gateway.port}`,
                ENDPOINT: `${HOST}:${gateway.port}`,
                ACCESS_KEY,
                SECRET_KEY,
                CA: '',
              },
            });
          t.match(await build(1), { status: 0, stdout: 'full, kept\n' });
          t.match(await build(2), { status: 0, stdout: 'on 1, kept\n' });
          // What was put is kept once the storage has been asked how it took it.
          const isKept = async () =>
            (await ask('GET', 'zadig-bkt', WORKSPACE)).headers['x-sluice-cache'] === 'revalidated';
          while (cache !== 'off' && !(await isKept()));
          line.set(fault);
          t.match(await build(3), { status: 0, stdout: `${kind}, not kept\n` }, fault);
          line.set('none');
          t.match(await build(4), { status: 0, stdout: 'on 2, kept\n' }, 'all is well again, with what was kept last');
        },
      );
    }
  });
}
