import t, { type Test } from 'tap';
import { missingForCeph, startCeph } from '../support/ceph.ts';
import { ACCESS_KEY, CREDENTIALS, SECRET_KEY, startTestGateway } from '../support/gateway.ts';
import { CLIENTS } from './clients.ts';
import { LARGE, lack } from './scenario.ts';

/** Each client's whole round through one gateway. */
async function rounds(test: Test, endpoint: string, large: number = LARGE): Promise<void> {
  for (const [index, client] of CLIENTS.entries()) {
    await test.test(client.name, { skip: await lack(client) }, async (t) => {
      const access = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, endpoint };
      await client.run(t, { ...access, folder: t.testdir(), bucket: `round-${index}`, large });
    });
  }
}

t.test('every client does its full round on the embedded store', async (t) => {
  const folder = t.testdir();
  const gateway = await startTestGateway(`${CREDENTIALS}
storages: [{ name: local, provider: filesystem, path: ${JSON.stringify(folder)}, default: true }]
`);
  t.teardown(() => gateway.close());
  await rounds(t, gateway.url);
});

const missing = missingForCeph();
const withoutCeph = missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;

t.test('every client does its full round on a real Ceph behind the gateway', { skip: withoutCeph }, async (t) => {
  const ceph = await startCeph();
  t.teardown(() => ceph.stop());
  for (const [signature, addressing] of [
    ['v4', 'path'],
    ['v2', 'virtual'],
  ] as const) {
    await t.test(`signed ${signature}, ${addressing} style`, async (t) => {
      const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - name: ceph
    provider: ceph
    endpoint: localhost:${ceph.port}
    protocol: http
    accessKey: ${ceph.accessKey}
    secretKey: ${ceph.secretKey}
    signature: ${signature}
    addressing: ${addressing}
    default: true
`);
      t.teardown(() => gateway.close());
      // The size makes no difference to the signature; 100 MiB go to Ceph once.
      await rounds(t, gateway.url, signature === 'v4' ? LARGE : 20 * 1024 * 1024 + 7);
    });
  }
});
