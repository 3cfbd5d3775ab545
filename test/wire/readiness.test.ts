import t from 'tap';
import { freePort } from '../support/free-port.ts';
import { CREDENTIALS, startTestGateway } from '../support/gateway.ts';

t.test('readiness names the storages that fail and nothing else of them, to whoever asks', async (t) => {
  const closed = await freePort();
  const service = `provider: minio, endpoint: "127.0.0.1:${closed}", protocol: http, accessKey: ak, secretKey: sk, retries: 0`;
  const gateway = await startTestGateway(`${CREDENTIALS}
storages:
  - { name: here, provider: filesystem, path: "${t.testdir()}", default: true }
  - { name: gone, ${service}, bucket: hidden-bucket }
  - { name: also-gone, ${service} }
`);
  t.teardown(() => gateway.close());
  const answer = await fetch(`${gateway.adminUrl}/readyz`);
  t.equal(answer.status, 503);
  t.equal(await answer.text(), 'not ready: gone, also-gone\n');
});
