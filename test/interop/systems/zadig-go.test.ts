import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../../support/gateway.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { wireClient } from '../../support/wire-client.ts';
import { STAND_IN_KEY, startStandIn } from '../../vendors/stand-in.ts';
import { buildGo, missingForGo } from '../clients/go.ts';
import { run } from '../process.ts';

/** Zadig's calls by the SDK that Zadig makes them with, over a strict vendor: the replay in `zadig.test.ts` by hand. */

const SOURCE = fileURLToPath(new URL('zadig.go', import.meta.url));
const missing = missingForGo();
const HOST = 's3.office.test';

if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
else {
  t.setTimeout(400_000);
  const folder = t.testdir();
  const program = join(folder, 'zadig');
  await buildGo(SOURCE, program);
  const certificate = await selfSigned(folder, HOST);

  for (const [provider, addressing, isSecure] of [
    ['Other, Qiniu, Amazon, Google', 'path', false],
    ['Ali, Tencent, Huawei, Volcano', 'virtual', false],
    ['Other over HTTPS', 'path', true],
  ] as const) {
    t.test(`provider ${provider}`, async (t) => {
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
}
