import { join } from 'node:path';
import t from 'tap';
import { azureGateway } from '../support/azure-gateway.ts';
import { startAzurite } from '../support/azurite.ts';
import { ACCESS_KEY, SECRET_KEY } from '../support/gateway.ts';
import { wireClient } from '../support/wire-client.ts';
import { isInstalled, run } from './process.ts';
import { plantRandom, sha256Of } from './scenario.ts';

const skip = isInstalled('curl') ? false : 'curl is not installed';

t.test('curl -L follows a read to Azurite, by URL and with a signature of its own', { skip }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const gateway = await azureGateway(t, azurite, ', prefix: "team ü/", delivery: redirect-all');
  const [sent, back] = [join(t.testdir(), 'sent'), join(t.testdir(), 'back')];
  const sum = plantRandom(sent, 16 * 2 ** 20 + 1);
  const signed = ['--aws-sigv4', 'aws:amz:us-east-1:s3', '--user', `${ACCESS_KEY}:${SECRET_KEY}`];
  const curl = async (...args: string[]) => {
    const ran = await run('curl', ['-sS', '-w', '%{http_code} %{num_redirects} %{size_download}', '-o', back, ...args]);
    t.equal(ran.stderr, '');
    return ran.stdout;
  };
  const unsigned = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
  const object = `${gateway.url}/bucket/file.bin`;
  t.equal(await curl(...signed, ...unsigned, '-X', 'PUT', `${gateway.url}/bucket`), '200 0 0');
  t.equal(await curl(...signed, ...unsigned, '-T', sent, object), '200 0 0');
  const url = gateway.url + wireClient(t, gateway).presign('GET', 'bucket', 'file.bin');
  t.equal(await curl('-L', url), `200 1 ${16 * 2 ** 20 + 1}`);
  t.equal(sha256Of(back), sum);
  // curl signs for the host it was told of, and takes user and signature off for another.
  t.equal(await curl('-L', ...signed, ...unsigned, object), `200 1 ${16 * 2 ** 20 + 1}`);
  t.equal(sha256Of(back), sum);
  t.equal(await curl('-L', '-r', '5-9', url), '206 0 5', 'too small to be sent on');
  t.equal(await curl('-L', '-r', '100-9999999', url), '206 1 9999900');
});
